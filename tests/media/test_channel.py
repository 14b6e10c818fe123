from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from aiortc.rtcsctptransport import AbortChunk

from wic.errors import LocalProtocolError, MediaFailed
from wic.media import ChannelState, DataChannel, DataChannels, MediaTransport
from wic.media import channel as channel_module

Connect = Callable[..., Awaitable[tuple[MediaTransport, MediaTransport]]]
Eventually = Callable[[Callable[[], object]], Awaitable[None]]
Ends = tuple[DataChannels, DataChannels]

DCEP, TEXT, BINARY = 50, 51, 53


@pytest_asyncio.fixture
async def ends(connect_pair: Connect) -> AsyncIterator[Ends]:
    """The channels of the DTLS server and of the DTLS client."""
    server, client = await connect_pair()
    yield await asyncio.gather(server.start_sctp(5000, 6000), client.start_sctp(6000, 5000))


async def opened(one: DataChannels, other: DataChannels, label: str = "chat") -> tuple[DataChannel, DataChannel]:
    found: asyncio.Future[DataChannel] = asyncio.get_running_loop().create_future()
    other.on_channel = found.set_result
    channel = one.open(label)
    await channel.opened()
    return channel, await found


async def test_opens_with_label_protocol_and_the_parity_of_its_role(ends: Ends) -> None:
    server, client = ends
    from_server = server.open("chat", "msrp")
    from_client = client.open("text", ordered=False, max_retransmits=3)
    for channel in (from_server, from_client):
        await channel.opened()
        assert channel.state is ChannelState.OPEN
    # RFC 8832 §6: the DTLS client has the even streams.
    assert (from_server.id, from_client.id) == (1, 0)
    at_client, at_server = client.incoming.popleft(), server.incoming.popleft()
    assert (at_client.label, at_client.protocol, at_client.ordered) == ("chat", "msrp", True)
    assert (at_server.label, at_server.protocol, at_server.ordered) == ("text", "", False)
    assert server.established
    assert client.established


async def test_names_may_have_any_letters(ends: Ends) -> None:
    channel = ends[0].open("Plauderei für Zoë", "prötokoll")
    await channel.opened()
    other = ends[1].incoming.popleft()
    assert (other.label, other.protocol) == ("Plauderei für Zoë", "prötokoll")


async def test_messages_of_every_kind_arrive(ends: Ends) -> None:
    one, other = await opened(*ends)
    messages: list[str | bytes] = ["", b"", "grüße", b"\x00\xff", "x" * 60000, b"y" * 65536]
    for message in messages:
        await one.send(message)
    assert [await anext(other) for _ in messages] == messages
    assert (one.sent, other.received) == (len(messages), len(messages))


async def test_a_message_sent_while_opening_waits(ends: Ends, eventually: Eventually) -> None:
    channel = ends[0].open("early")
    await channel.send("first")
    await channel.send("second")
    await eventually(lambda: ends[1].incoming)
    assert [await anext(ends[1].incoming[0]) for _ in range(2)] == ["first", "second"]


async def test_a_handler_takes_messages_also_those_that_came_before_it(ends: Ends, eventually: Eventually) -> None:
    one, other = await opened(*ends)
    await one.send("before")
    await eventually(lambda: other.received)
    got: list[str | bytes] = []
    other.on_message = got.append
    await one.send("after")
    await eventually(lambda: len(got) == 2)
    assert got == ["before", "after"]
    assert other.on_message == got.append


async def test_closing_ends_the_iteration_at_the_other_side(ends: Ends, eventually: Eventually) -> None:
    one, other = await opened(*ends)
    closed: list[bool] = []
    other.on_closed = lambda: closed.append(True)
    await one.send("last")
    one.close()
    assert [message async for message in other] == ["last"]
    await eventually(lambda: one.state is other.state is ChannelState.CLOSED)
    assert closed == [True]
    with pytest.raises(MediaFailed, match="is closed"):
        await one.send("too late")


async def test_as_a_context_manager_it_is_open_inside(ends: Ends, eventually: Eventually) -> None:
    channel = ends[0].open("chat")
    async with channel as same:
        assert same is channel
        assert channel.state is ChannelState.OPEN
    await eventually(lambda: channel.state is ChannelState.CLOSED)


async def test_a_message_longer_than_the_peer_takes_is_refused(connect_pair: Connect, eventually: Eventually) -> None:
    server, client = await connect_pair()
    one, other = await asyncio.gather(server.start_sctp(5000, 5000, 1000), client.start_sctp(5000, 5000, 0))
    small, large = one.open("small"), other.open("large")
    with pytest.raises(LocalProtocolError, match="1001 octets; the peer takes 1000"):
        await small.send("x" * 1001)
    await small.send("é" * 500)
    await large.send(bytes(200_000))  # 0 = any size
    await eventually(lambda: one.incoming)
    assert len(await anext(one.incoming[0])) == 200_000


async def test_sending_waits_while_much_is_under_way(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr(channel_module, "HIGH_WATER", 100_000)
    one, other = await opened(*ends)
    got: list[str | bytes] = []
    other.on_message = got.append
    most = 0
    for _ in range(40):
        await one.send(bytes(20_000))
        most = max(most, one._channel.bufferedAmount)
    assert most <= 120_000
    await eventually(lambda: len(got) == 40)


async def test_a_reader_that_never_reads_loses_the_channel_not_the_memory(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr(channel_module, "MAX_UNREAD", 1000)
    one, other = await opened(*ends)
    await one.send(bytes(1001))
    await eventually(lambda: one.state is ChannelState.CLOSED)
    assert [message async for message in other] == [bytes(1001)]


async def test_names_and_limits_are_checked(ends: Ends) -> None:
    with pytest.raises(LocalProtocolError, match="65,535"):
        ends[0].open("x" * 65536)
    with pytest.raises(LocalProtocolError, match="not both"):
        ends[0].open("x", max_retransmits=1, max_lifetime_ms=1)


async def test_half_a_character_is_refused(ends: Ends) -> None:
    for names in (("\udcff",), ("x", "\udcff")):
        with pytest.raises(LocalProtocolError, match="half a character"):
            ends[0].open(*names)
    channel = ends[0].open("x")
    with pytest.raises(LocalProtocolError, match="half a character"):
        await channel.send("\udcff")
    await channel.send("good")


async def test_a_channel_that_is_not_accepted_is_given_up(connect_pair: Connect) -> None:
    server, _ = await connect_pair()
    channels = await server.start_sctp(5000, 5000)
    channel = channels.open("unheard")
    with pytest.raises(MediaFailed, match=r"not opened within 0\.05 s"):
        await channel.opened(timeout=0.05)
    await channels.close()
    with pytest.raises(MediaFailed, match="closed before it opened"):
        await channel.opened()
    with pytest.raises(MediaFailed, match="has ended"):
        channels.open("more")


async def test_the_end_of_the_association_closes_all(ends: Ends, eventually: Eventually) -> None:
    one, other = await opened(*ends)
    closed: list[bool] = []
    ends[1].on_closed = lambda: closed.append(True)
    await ends[0].close()
    await eventually(lambda: closed)
    assert one.state is other.state is ChannelState.CLOSED


# --- what a hostile peer sends: the server's association is used to say it --------------------------


def dcep_open(label: bytes, claimed: int | None = None) -> bytes:
    length = len(label) if claimed is None else claimed
    return struct.pack("!BBHLHH", 3, 0, 0, 0, length, 0) + label


async def established(ends: Ends, eventually: Eventually) -> None:
    await eventually(lambda: all(end.established for end in ends))


@pytest.mark.parametrize(
    ("stream", "kind", "data"),
    [
        (2, DCEP, dcep_open(b"wrong parity")),
        (65535, DCEP, dcep_open(b"no stream")),
        (3, DCEP, dcep_open(b"cut", claimed=100)),
        (3, DCEP, dcep_open(b"\xff\xfe")),  # no UTF-8
        (3, DCEP, b"\x03"),
        (3, DCEP, b"\x02"),  # an answer to nothing
        (3, TEXT, b"never opened"),
        (3, 99, b"no protocol that is known"),
    ],
)
async def test_an_open_message_against_the_rules_of_dcep_is_refused(
    ends: Ends, eventually: Eventually, stream: int, kind: int, data: bytes
) -> None:
    server, client = ends
    await established(ends, eventually)
    await server._sctp._send(stream, kind, data)
    await eventually(lambda: client._sctp.malformed)
    assert not client.incoming
    one, other = await opened(server, client)  # and the association lives on
    await one.send("still here")
    assert await anext(other) == "still here"


async def test_a_second_open_on_a_stream_closes_it(ends: Ends, eventually: Eventually) -> None:
    one, other = await opened(*ends)
    assert one.id is not None
    await ends[0]._sctp._send(one.id, DCEP, dcep_open(b"again"))
    await eventually(lambda: other.state is ChannelState.CLOSED)


async def test_text_that_is_no_utf8_is_counted(ends: Ends, eventually: Eventually) -> None:
    one, other = await opened(*ends)
    assert one.id is not None
    await ends[0]._sctp._send(one.id, TEXT, b"\xff\xfe")
    await eventually(lambda: ends[1]._sctp.malformed)
    await one.send("fine")
    assert await anext(other) == "fine"


async def test_a_message_longer_than_announced_closes_the_channel(ends: Ends, eventually: Eventually) -> None:
    one, other = await opened(*ends)
    assert one.id is not None
    await ends[0]._sctp._send(one.id, BINARY, bytes(channel_module.DEFAULT_MAX_MESSAGE_SIZE + 1))
    await eventually(lambda: other.state is ChannelState.CLOSED)
    assert other.received == 0


async def test_a_sender_that_ignores_the_window_is_cut_off(ends: Ends, eventually: Eventually) -> None:
    server, client = ends
    one, other = await opened(server, client)
    client._sctp._advertised_rwnd = -(10**6)
    await one.send("more")
    await eventually(lambda: not client.established)
    assert other.state is ChannelState.CLOSED


async def test_a_message_without_octets_is_refused(ends: Ends, eventually: Eventually) -> None:
    await established(ends, eventually)
    await ends[1]._sctp._data_channel_receive(3, DCEP, b"")
    assert ends[1]._sctp.malformed == 1


async def test_octets_that_are_no_sctp_are_dropped(ends: Ends, eventually: Eventually) -> None:
    server, client = ends
    await established(ends, eventually)
    init = struct.pack("!HHLL", 5000, 6000, 0, 0) + b"\x01\x00\x00\x14" + bytes(16)
    for octets in (b"", b"\x00" * 12, bytes(40), init, init + init[12:]):
        await client._sctp._handle_data(octets)
    one, other = await opened(server, client)
    await one.send("still here")
    assert await anext(other) == "still here"


async def test_a_late_timer_of_a_lost_association_does_nothing(connect_pair: Connect, eventually: Eventually) -> None:
    one, other = await connect_pair()
    channels, _ = await asyncio.gather(other.start_sctp(5000, 5000), one.start_sctp(5000, 5000))
    await one.close()
    await eventually(lambda: not channels.established)
    await channels._sctp._send_chunk(AbortChunk())
    await asyncio.sleep(0)
    assert not channels.established
