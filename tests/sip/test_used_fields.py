"""Fields that a message is not used for: however malformed they are, the outcome is that without them.

RFC 3261 §8.2.2 (user agents), §16.3 step 1 and §16.7 (proxies). Generated: every method and status, every header field that
the project knows, several faults. What is used is written here a second time, by the clauses.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from wic.sip.dialog import Dialog, DialogId, DialogState
from wic.sip.endpoint import Endpoint, EndpointOptions, Role
from wic.sip.events import RequestReceived, ResponseReceived
from wic.sip.flow import Flow
from wic.sip.headers import NameAddr
from wic.sip.headers.names import DISPLAY
from wic.sip.message import Request, Response
from wic.sip.parser import parse
from wic.sip.proxy.core import ProxyCore, ProxyLogic, ProxyOptions, Target
from wic.sip.random_source import CountingSource
from wic.sip.reasons import REASONS
from wic.sip.validate import KNOWN_METHODS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wic.sip.uri import Uri

HERE = Flow("TCP", ("10.0.0.1", 5060), ("192.0.2.4", 4444), "1")
THERE = Flow("TCP", ("10.0.0.1", 5060), ("192.0.2.5", 4444), "2")

EVERYWHERE = {"Via", "From", "To", "Call-ID", "CSeq"}  # RFC 3261 §17.1.3, §17.2.3, §12.2.2
FRAMING = {"Content-Length"}  # RFC 3261 §18.3
BY_PROXY = {"Max-Forwards", "Route", "Proxy-Require"}  # RFC 3261 §16.3, §16.4
FIELDS = {*DISPLAY.values(), "X-Unknown"} - EVERYWHERE - FRAMING
FAULTS = {
    "empty": ("",),
    "twice": ("<sip:a@x>", "<sip:b@x>"),
    "repeated number": ("1", "1"),
    "quoted value in a URI": ('<sip:gw@10.0.0.1;x-id="aGVsbG8=">',),
    "garbage": (';;,<"=%\u00e9',),
    "Latin-1 octet": ('"M\udcfcller" <sip:a@x>;x="\udce9";y=\udcff',),
    "octets of no text": ("\udcff\udc80",),
    "NUL in a quoted string": ('"a\0b\\\0" <sip:a@x>;x="\0"',),
    "control octets": ('"\x01\x1b[2J\x7f" <sip:a@x>\x08',),
    "repeated parameter": ("<sip:a@x>;tag=1;expires=2;TAG=1;Expires=2",),
}


def used_by_user_agent(method: str, *, in_dialog: bool) -> set[str]:
    used = set() if method in ("ACK", "CANCEL") else {"Require"}  # RFC 3261 §8.2.2.3
    if method in ("INVITE", "SUBSCRIBE", "REFER", "NOTIFY", "UPDATE"):
        used.add("Contact")  # RFC 5057 §5.4, RFC 3311 §5.1
        if method != "UPDATE" and not in_dialog:
            used.add("Record-Route")  # RFC 3261 §12.1.1
    if method == "REGISTER":
        used |= {"Contact", "Expires", "Path"}  # RFC 3261 §10.3, RFC 3327 §5.3
    return used


def raw(method: str, lines: list[str], *, to_tag: str = "", branch: str = "z9hG4bK1") -> bytes:
    head = [
        f"{method} sip:b@h SIP/2.0",
        f"Via: SIP/2.0/TCP 192.0.2.4;branch={branch}",
        "From: <sip:a@h>;tag=far",
        f"To: <sip:b@h>{to_tag}",
        "Call-ID: c",
        f"CSeq: 2 {method}",
    ]
    names = {line.partition(":")[0] for line in lines}
    head += [line for line in ("Max-Forwards: 70", "Contact: <sip:a@h>") if line.partition(":")[0] not in names]
    return "\r\n".join([*head, *lines, "Content-Length: 0", "", ""]).encode(errors="surrogateescape")


def faulty(fields: set[str]) -> Iterator[tuple[str, list[str]]]:
    """Give every field a fault, in one message for each fault: one that is read shows in the outcome, and in the answer."""
    for fault, values in FAULTS.items():
        yield fault, [f"{name}: {value}" for name in sorted(fields) for value in values]


def outcome(endpoint: Endpoint) -> tuple[list[str], list[bytes]]:
    events = []
    while (event := endpoint.next_event()) is not None:
        events.append(type(event).__name__)
    return events, [transmit.data for transmit in endpoint.to_send()]


def user_agent() -> Endpoint:
    """A user agent with an INVITE of the peer that rings, and a dialog."""
    ours = Endpoint(random_source=CountingSource(), options=EndpointOptions(extensions=frozenset()))
    ours.receive(raw("INVITE", [], branch="z9hG4bKcancel"), HERE, now=0.0)
    party = NameAddr.parse("<sip:a@h>")
    ours.add_dialog(
        Dialog(
            id=DialogId("c", "own", "far"),
            state=DialogState.CONFIRMED,
            local=party,
            remote=party,
            remote_target=party.uri,
        )
    )
    outcome(ours)
    return ours


def take(method: str, lines: list[str], *, in_dialog: bool) -> tuple[list[str], list[bytes]]:
    ours = user_agent()
    to_tag = ";tag=own" if in_dialog else ""
    branch = "z9hG4bKcancel" if method == "CANCEL" else "z9hG4bK1"
    if not in_dialog and method not in ("CANCEL", "ACK"):
        to_tag, ours = "", Endpoint(random_source=CountingSource(), options=ours.options)
    ours.receive(raw(method, lines, to_tag=to_tag, branch=branch), HERE, now=0.0)
    return outcome(ours)


@pytest.mark.parametrize("in_dialog", [False, True])
@pytest.mark.parametrize("method", sorted(KNOWN_METHODS))
def test_a_request_at_a_user_agent(method: str, in_dialog: bool) -> None:
    used = used_by_user_agent(method, in_dialog=in_dialog)
    expected = take(method, [], in_dialog=in_dialog)
    assert expected != ([], [])
    for name, lines in faulty(FIELDS - used):
        assert take(method, lines, in_dialog=in_dialog) == expected, name


@pytest.mark.parametrize("in_dialog", [False, True])
@pytest.mark.parametrize("method", sorted(KNOWN_METHODS - {"ACK", "CANCEL"}))
def test_what_is_used_of_a_request_is_named_in_a_400(method: str, in_dialog: bool) -> None:
    for name in used_by_user_agent(method, in_dialog=in_dialog):
        events, sent = take(method, [f'{name}: ;;,<"'], in_dialog=in_dialog)
        assert not events
        (answer,) = map(parse, sent)
        assert isinstance(answer, Response)
        assert answer.status == 400
        assert name in answer.reason


class Straight(ProxyLogic):
    """Forwards everything to one place."""

    def route(self, context, *, now):
        context.forward([Target(flow=THERE)], now=now)

    def next_hop(self, uri: Uri) -> Flow:
        return THERE


class Proxy:
    """A proxy, with what it sent."""

    def __init__(self) -> None:
        self.endpoint = Endpoint(random_source=CountingSource(), options=EndpointOptions(role=Role.PROXY))
        self.core = ProxyCore(self.endpoint, Straight(), ProxyOptions(own=frozenset()))

    def receive(self, data: bytes, flow: Flow) -> list[bytes]:
        self.endpoint.receive(data, flow, now=0.0)
        while (event := self.endpoint.next_event()) is not None:
            self.core.handle(event, now=0.0)
        return [transmit.data for transmit in self.endpoint.to_send()]


def passed_on(sent: list[bytes], lines: list[str]) -> bool:
    found = [message.decode(errors="surrogateescape").split("\r\n") for message in sent]
    return bool(found) and all(line in found[-1] for line in lines)


def unlike(data: bytes, lines: list[str]) -> list[str]:
    """Return the lines of a message but for those of the fields of some lines, and its Via, which has a random branch."""
    names = {"Via", *(line.partition(":")[0] for line in lines)}
    return [line for line in data.decode(errors="surrogateescape").split("\r\n") if line.partition(":")[0] not in names]


@pytest.mark.parametrize("to_tag", ["", ";tag=own"])
@pytest.mark.parametrize("method", sorted(KNOWN_METHODS - {"CANCEL"}))
def test_a_request_through_a_proxy_goes_on_byte_for_byte(method: str, to_tag: str) -> None:
    (plain,) = Proxy().receive(raw(method, [], to_tag=to_tag), HERE)
    for name, lines in faulty(FIELDS - BY_PROXY):
        (sent,) = Proxy().receive(raw(method, lines, to_tag=to_tag), HERE)
        assert sent.startswith(method.encode()), name
        assert passed_on([sent], lines), name
        assert unlike(sent, lines) == unlike(plain, lines), name


@pytest.mark.parametrize("name", sorted(BY_PROXY))
def test_what_a_proxy_uses_of_a_request_is_named_in_a_400(name: str) -> None:
    (sent,) = Proxy().receive(raw("MESSAGE", [f'{name}: ;;,<"']), HERE)
    assert sent.startswith(b"SIP/2.0 400 Bad Request: " + name.encode())


def answer_to(data: bytes, status: int, lines: list[str]) -> bytes:
    request = parse(data)
    assert isinstance(request, Request)
    head, _, rest = Response.answer(request, status, to_tag="own").to_bytes().decode().partition("\r\nContent-Length")
    return "\r\n".join([head, *lines, f"Content-Length{rest}"]).encode(errors="surrogateescape")


STATUSES = sorted(REASONS.keys() - {100, 503})
"""A 100 goes no further (§16.7 step 5), and a 503 becomes a 500 (step 6)."""


def silent(method: str, status: int) -> bool:
    """Whether a proxy keeps a response back: the client has given up by itself (RFC 4320 §4.2)."""
    return status == 408 and method != "INVITE"


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "SUBSCRIBE", "BYE"])
def test_a_response_through_a_proxy_goes_on_byte_for_byte(method: str) -> None:
    for status, (name, lines) in product(STATUSES, faulty(FIELDS)):
        if silent(method, status):
            continue
        proxy = Proxy()
        (request,) = proxy.receive(raw(method, []), HERE)
        sent = proxy.receive(answer_to(request, status, lines), THERE)
        assert sent[-1].startswith(f"SIP/2.0 {status} ".encode()), name
        assert passed_on(sent, lines), name
        assert len(sent) == (2 if method == "INVITE" and status >= 300 else 1), name  # the ACK of a failure


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "SUBSCRIBE", "BYE"])
def test_a_response_reaches_the_user_of_a_user_agent(method: str) -> None:
    """What is used of it (RFC 3261 §12.1.2) is read by the user, who ends what has begun; the transaction ends by itself."""
    for status, (name, lines) in product(STATUSES, faulty(FIELDS)):
        ours = Endpoint(random_source=CountingSource())
        headers = [("From", "<sip:a@h>;tag=own"), ("To", "<sip:b@h>"), ("Call-ID", "c"), ("CSeq", f"1 {method}")]
        ours.send_request(Request.build(method, "sip:b@h", headers), THERE, now=0.0)
        (transmit,) = ours.to_send()
        ours.receive(answer_to(transmit.data, status, lines), THERE, now=0.0)
        event = ours.next_event()
        assert isinstance(event, ResponseReceived), name
        assert event.response.status == status
        acked = [transmit.data[:3] for transmit in ours.to_send()]
        assert acked == ([b"ACK"] if method == "INVITE" and status >= 300 else []), name


def test_a_proxy_is_a_user_agent_within_its_own_dialogs() -> None:
    """A SUBSCRIBE that refreshes a subscription to a proxy has a Contact that is used; others pass it (RFC 3261 §12.2.2)."""
    ours = Endpoint(random_source=CountingSource(), options=EndpointOptions(role=Role.PROXY))
    party = NameAddr.parse("<sip:a@h>")
    identifier = DialogId("c", "own", "far")
    state = DialogState.CONFIRMED
    ours.add_dialog(Dialog(id=identifier, state=state, local=party, remote=party, remote_target=party.uri))
    ours.receive(raw("SUBSCRIBE", ["Contact: <sip:"], to_tag=";tag=own"), HERE, now=0.0)
    (transmit,) = ours.to_send()
    assert transmit.data.startswith(b"SIP/2.0 400 Bad Request: Contact")
    ours.receive(raw("SUBSCRIBE", ["Record-Route: <sip:"], to_tag=";tag=own", branch="z9hG4bK2"), HERE, now=0.0)
    assert isinstance(ours.next_event(), RequestReceived)
