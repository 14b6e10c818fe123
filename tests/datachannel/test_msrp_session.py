from __future__ import annotations

import pytest

from wic.datachannel.msrp import MsrpFramer, MsrpLimits, MsrpRequest, MsrpResponse, MsrpUri
from wic.datachannel.msrp_session import (
    CHUNK_SIZE,
    Content,
    ContentFailed,
    ContentReceived,
    MsrpEvent,
    MsrpSession,
)
from wic.errors import LocalProtocolError
from wic.sip.random_source import CountingSource

ALICE = MsrpUri("127.0.0.1", 7001, "alice")
BOB = MsrpUri("127.0.0.1", 7002, "bob")


def pair(limits: MsrpLimits | None = None) -> tuple[MsrpSession, MsrpSession]:
    return (
        MsrpSession(ALICE, (BOB,), random_source=CountingSource("alice"), limits=limits),
        MsrpSession(BOB, (ALICE,), random_source=CountingSource("bob-"), limits=limits),
    )


def transfer(sender: MsrpSession, receiver: MsrpSession) -> list[MsrpRequest | MsrpResponse]:
    """Carry what one side has to send to the other, through bytes."""
    messages = MsrpFramer().feed(b"".join(sender.to_send()))
    for message in messages:
        receiver.receive(message)
    return messages


def events(session: MsrpSession) -> list[MsrpEvent]:
    found = []
    while (event := session.next_event()) is not None:
        found.append(event)
    return found


def chunk(*, flag: str = "$", body: bytes | None = b"x", method: str = "SEND", **headers: str) -> MsrpRequest:
    named = {"Message_ID": "m1", "Content_Type": "text/plain", **headers}
    lines = tuple((name.replace("_", "-"), value) for name, value in named.items() if value)
    return MsrpRequest(
        transaction="tttt0001", method=method, to_path=(BOB,), from_path=(ALICE,), headers=lines, body=body, flag=flag
    )


def statuses(session: MsrpSession) -> list[int]:
    messages = MsrpFramer().feed(b"".join(session.to_send()))
    return [message.status for message in messages if isinstance(message, MsrpResponse)]


@pytest.mark.parametrize("size", [0, 1, CHUNK_SIZE, CHUNK_SIZE + 1, 5 * CHUNK_SIZE])
def test_a_message_crosses_in_chunks(size: int) -> None:
    alice, bob = pair()
    content = Content(content_type="application/octet-stream", body=b"x" * size, headers=(("Subject", "s"),))
    alice.send(content, now=0.0)
    chunks = transfer(alice, bob)
    assert len(chunks) == max(1, -(-size // CHUNK_SIZE))
    assert events(bob) == [ContentReceived(content)]
    assert all(isinstance(m, MsrpResponse) and m.status == 200 for m in transfer(bob, alice))
    assert events(alice) == []
    assert alice.next_timeout() is None


def test_a_message_without_content_opens_the_session() -> None:
    alice, bob = pair()
    alice.send(Content(headers=(("X", "y"),)), now=0.0)
    transfer(alice, bob)
    (event,) = events(bob)
    assert isinstance(event, ContentReceived)
    assert (event.content.content_type, event.content.body) == (None, b"")
    assert event.content.get("x") == "y"
    assert event.content.get("z") is None


def test_refused_message_is_reported() -> None:
    alice, bob = pair(MsrpLimits(message_size=10))
    message_id = alice.send(Content(content_type="text/plain", body=b"x" * 11), now=0.0)
    transfer(alice, bob)
    transfer(bob, alice)
    assert events(alice) == [ContentFailed(message_id, 413)]
    assert events(bob) == []


def test_missing_responses_are_reported_in_time() -> None:
    alice, _ = pair()
    first = alice.send(Content(content_type="text/plain", body=b"1"), now=0.0)
    alice.send(Content(content_type="text/plain", body=b"2"), now=5.0)
    assert alice.next_timeout() == 30.0
    alice.handle_timeout(now=31.0)
    assert events(alice) == [ContentFailed(first, 408)]
    assert alice.next_timeout() == 35.0
    alice.handle_timeout(now=40.0)
    assert alice.next_timeout() is None


def test_unanswered_chunks_are_bounded() -> None:
    alice, _ = pair(MsrpLimits(unanswered=2))
    for _ in range(2):
        alice.send(Content(content_type="text/plain", body=b"1"), now=0.0)
    with pytest.raises(LocalProtocolError, match="does not answer"):
        alice.send(Content(content_type="text/plain", body=b"1"), now=0.0)


def test_response_to_nothing_is_ignored() -> None:
    alice, _ = pair()
    alice.receive(MsrpResponse(transaction="none0000", status=481, to_path=(ALICE,), from_path=(BOB,)))
    assert events(alice) == []


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (chunk(method="NICKNAME"), 501),
        (chunk(Message_ID=""), 400),
        (chunk(Byte_Range="x"), 400),
        (chunk(Byte_Range="2-2/2"), 400),
        (chunk(Byte_Range="1-1/999999999"), 413),
        (chunk(flag="#"), 200),
        (chunk(), 200),
    ],
)
def test_each_send_gets_its_status(request_: MsrpRequest, status: int) -> None:
    _, bob = pair()
    bob.receive(request_)
    assert statuses(bob) == [status]


@pytest.mark.parametrize(
    ("report", "method", "expected"),
    [("no", "SEND", []), ("partial", "SEND", []), ("partial", "WHAT", [501]), ("yes", "SEND", [200])],
)
def test_failure_report_says_which_responses_are_wanted(report: str, method: str, expected: list[int]) -> None:
    _, bob = pair()
    bob.receive(chunk(method=method, Failure_Report=report))
    assert statuses(bob) == expected


def test_report_gets_no_response() -> None:
    _, bob = pair()
    bob.receive(chunk(method="REPORT"))
    assert bob.to_send() == []


def test_abandoned_message_is_forgotten() -> None:
    _, bob = pair()
    bob.receive(chunk(flag="+"))
    bob.receive(chunk(flag="#", Byte_Range="2-2/3"))
    bob.receive(chunk(Byte_Range="2-2/2"))
    assert statuses(bob) == [200, 200, 400]
    assert events(bob) == []


def test_messages_under_way_are_bounded() -> None:
    _, bob = pair(MsrpLimits(partial_messages=1))
    bob.receive(chunk(flag="+"))
    bob.receive(chunk(flag="+", Message_ID="m2"))
    assert statuses(bob) == [200, 413]
