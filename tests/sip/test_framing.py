from __future__ import annotations

import pytest

from wic.errors import RemoteProtocolError
from wic.sip.framing import CrlfKeepAlive, FrameRefused, StreamFramer, keep_alive
from wic.sip.limits import Limits

PING, PONG = CrlfKeepAlive.PING, CrlfKeepAlive.PONG


def message(body: bytes = b"", length: bytes = b"Content-Length: %d") -> bytes:
    return b"OPTIONS sip:x SIP/2.0\r\nTo: x\r\n" + length % len(body) + b"\r\nX: y\r\n\r\n" + body


ONE, TWO = message(b"one\r\n\r\n"), message(length=b"l :\r\n  %d \t")


def test_messages_and_keep_alives_in_one_piece() -> None:
    framer = StreamFramer()
    stream = ONE + b"\r\n\r\n" + TWO + b"\r\n" + ONE + ONE[:10]
    assert framer.feed(stream) == [ONE, PING, TWO, PONG, ONE]
    assert framer.pending == 10
    assert framer.feed(ONE[10:]) == [ONE]
    assert framer.feed(b"") == []


def test_octet_by_octet() -> None:
    framer = StreamFramer()
    stream = ONE + TWO + ONE
    frames = [frame for octet in stream for frame in framer.feed(bytes([octet]))]
    assert frames == [ONE, TWO, ONE]


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_ping_in_two_pieces(cut: int) -> None:
    framer = StreamFramer()
    frames = framer.feed(b"\r\n\r\n"[:cut]) + framer.feed(b"\r\n\r\n"[cut:])
    assert frames == ([PING] if cut == 1 else [PONG, PING])
    assert framer.feed(b"\r\n") == [PONG]


def test_a_pong_then_a_message_then_a_pong() -> None:
    framer = StreamFramer()
    assert framer.feed(b"\r\n" + ONE) == [PONG, ONE]
    assert framer.feed(b"\r\n\r\n") == [PING]
    assert framer.feed(b"\r\n" * 4) == [PING, PING]


@pytest.mark.parametrize(
    "length",
    [
        b"Content-Lengthy: %d",
        b"X: l: %d",
        b"X: y\r\n l: %d",
        b"Content-Length: -%d",
        b"Content-Length: %d, 0",
        b"Content-Length: %d\r\nl: 0",
        b"Content-Length: 0\r\nContent-Length: %d",
        b"Content-Length: %d\r\n 0",
        b"Content-Length: 9999999999999999%d",
        b"Content-Length: x%d",
    ],
)
def test_without_one_length_the_stream_is_lost(length: bytes) -> None:
    framer = StreamFramer()
    with pytest.raises(FrameRefused):
        framer.feed(message(b"", length))


def test_what_came_whole_before_is_not_lost() -> None:
    with pytest.raises(FrameRefused) as caught:
        StreamFramer().feed(ONE + b"\r\n" + b"OPTIONS sip:x SIP/2.0\r\n\r\n")
    assert caught.value.frames == [ONE, PONG]


def test_a_lone_carriage_return_is_no_keep_alive() -> None:
    with pytest.raises(FrameRefused):
        StreamFramer().feed(b"\rX")


def test_limits() -> None:
    limits = Limits(head_size=100, message_size=200)
    with pytest.raises(FrameRefused, match="head"):
        StreamFramer(limits).feed(b"x" * 105)
    with pytest.raises(FrameRefused, match="message"):
        StreamFramer(limits).feed(message(b"x" * 150))
    assert StreamFramer(limits).feed(b"x" * 100) == []
    assert len(StreamFramer(limits).feed(message(b"x" * 100))) == 1


def test_an_endless_head_in_small_pieces_takes_linear_time() -> None:
    framer = StreamFramer(Limits(head_size=2**24, message_size=2**25))
    for _ in range(20_000):
        framer.feed(b"X: y\r\n" * 5)
    assert framer.pending == 600_000


def test_keep_alives_as_websocket_messages() -> None:
    assert (keep_alive(b"\r\n\r\n"), keep_alive(b"\r\n"), keep_alive(ONE), keep_alive(b"")) == (PING, PONG, None, None)


def test_a_refused_frame_is_answered_by_silence() -> None:
    error = FrameRefused("why")
    assert isinstance(error, RemoteProtocolError)
    assert (error.status_hint, error.frames) == (None, [])
