"""The same message read by two other stacks, where these have no known fault.

Left out for sipmessage 0.7.1: commas within quotes, several quoted names in one line, folded lines, a blank
before the colon, and parameter names in other cases. Left out for aiosipua 0.7.1: escapes in display names, and addresses without brackets.
"""

from __future__ import annotations

import string
from typing import Any

import aiosipua
import sipmessage
from aiosipua.headers import parse_address, parse_via
from hypothesis import given, settings
from hypothesis import strategies as st

from wic.sip.headers import NameAddr, Via
from wic.sip.message import Request, Response
from wic.sip.parser import parse

EXAMPLES = settings(max_examples=settings.default.max_examples // 2)
"""Few in `make test`, a thousand in `make soak`."""

words = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
names = words.map(lambda word: f"x{word}")
hosts = words.map(lambda word: f"{word}.example") | st.ip_addresses(v=4).map(str) | st.just("[2001:db8::9]")
ports = st.just("") | st.integers(1, 65535).map(lambda port: f":{port}")
params = st.lists(st.tuples(names, words).map("=".join), max_size=3, unique_by=lambda text: text.partition("=")[0]).map(
    lambda items: "".join(f";{item}" for item in items)
)
sip_uris = st.tuples(st.sampled_from(["sip:", "sips:"]), words, st.just("@"), hosts, ports, params).map("".join)
displays = st.just("") | words.map(lambda word: f"{word} ") | words.map(lambda word: f'"{word} {word}" ')
addresses = st.tuples(displays, sip_uris, params).map(lambda parts: f"{parts[0]}<{parts[1]}>{parts[2]}")
vias = st.tuples(st.sampled_from(["UDP", "TCP", "TLS", "WS", "WSS"]), hosts, ports, words, params).map(
    lambda parts: f"SIP/2.0/{parts[0]} {parts[1]}{parts[2]};branch=z9hG4bK{parts[3]}{parts[4]}"
)
methods = st.sampled_from(["INVITE", "REGISTER", "OPTIONS", "MESSAGE", "BYE"])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    method = draw(methods)
    start = draw(st.sampled_from([f"{method} {draw(sip_uris)} SIP/2.0", "SIP/2.0 486 Busy Here"]))
    body = draw(st.binary(max_size=20))
    head = [
        start,
        *(f"Via: {via}" for via in draw(st.lists(vias, min_size=1, max_size=3))),
        f"From: {draw(addresses)};tag={draw(words)}",
        f"To: {draw(addresses)}",
        f"Call-ID: {draw(words)}@{draw(words)}",
        f"CSeq: {draw(st.integers(0, 2**31 - 1))} {method}",
        f"Max-Forwards: {draw(st.integers(0, 255))}",
        *(f"Contact: {address}" for address in draw(st.lists(addresses, min_size=1, max_size=3))),
        f"Content-Length: {len(body)}",
        "",
        "",
    ]
    return "\r\n".join(head).encode() + body


def ours(address: NameAddr) -> tuple[Any, ...]:
    uri = address.uri
    return (
        address.display,
        (uri.scheme, uri.user, uri.host, uri.port, dict(uri.params.items())),
        dict(address.params.items()),
    )


def of_sipmessage(address: Any) -> tuple[Any, ...]:
    uri = address.uri
    return (
        address.name,
        (uri.scheme, uri.user, uri.host.strip("[]"), uri.port, dict(uri.parameters)),
        dict(address.parameters),
    )


def of_aiosipua(address: Any) -> tuple[Any, ...]:
    uri = address.uri
    return (
        address.display_name or "",
        (uri.scheme, uri.user, uri.host.strip("[]"), uri.port, dict(uri.params)),
        dict(address.params),
    )


def via_key(via: Any) -> tuple[Any, ...]:
    parameters = dict(via.params.items() if isinstance(via, Via) else getattr(via, "params", None) or via.parameters)
    return (via.transport, via.host.strip("[]"), via.port, parameters)


@given(messages())
@EXAMPLES
def test_sipmessage_reads_the_same(data: bytes) -> None:
    message = parse(data)
    other: Any = sipmessage.Message.parse(data)
    if isinstance(message, Request):
        assert isinstance(other, sipmessage.Request)
        assert message.method == other.method
        assert (message.uri.user, message.uri.port) == (other.uri.user, other.uri.port)
    else:
        assert isinstance(message, Response)
        assert (message.status, message.reason) == (other.code, other.phrase)
    assert [via_key(via) for via in message.vias] == [via_key(via) for via in other.via]
    assert ours(message.from_) == of_sipmessage(other.from_address)
    assert ours(message.to) == of_sipmessage(other.to_address)
    assert [ours(contact) for contact in message.contacts] == [of_sipmessage(contact) for contact in other.contact]
    assert (message.call_id, message.max_forwards) == (other.call_id, other.max_forwards)
    assert (message.cseq.number, message.cseq.method) == (other.cseq.sequence, other.cseq.method)
    assert message.body == other.body


@given(messages())
@EXAMPLES
def test_aiosipua_reads_the_same(data: bytes) -> None:
    message = parse(data)
    other: Any = aiosipua.SipMessage.parse(data)
    if isinstance(message, Request):
        assert (message.method, message.uri_text) == (other.method, other.uri)
    else:
        assert isinstance(message, Response)
        assert (message.status, message.reason) == (other.status_code, other.reason_phrase)
    assert [via_key(via) for via in message.vias] == [via_key(parse_via(via)) for via in other.get_header_values("Via")]
    assert ours(message.from_) == of_aiosipua(other.from_addr)
    assert ours(message.to) == of_aiosipua(other.to_addr)
    assert [ours(contact) for contact in message.contacts] == [
        of_aiosipua(parse_address(contact)) for contact in other.get_header_values("Contact")
    ]
    assert (message.call_id, message.cseq.number, message.body) == (other.call_id, other.cseq.seq, other.body)


@given(messages())
@EXAMPLES
def test_they_read_what_we_write(data: bytes) -> None:
    message = parse(data)
    message.headers.set("From", message.from_)
    message.headers.set("Contact", message.contacts[0])
    written = message.to_bytes()
    one: Any = sipmessage.Message.parse(written)
    other: Any = aiosipua.SipMessage.parse(written)
    assert of_sipmessage(one.from_address) == of_aiosipua(other.from_addr) == ours(message.from_)
