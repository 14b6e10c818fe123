from __future__ import annotations

import logging

import pytest

from wic.errors import LocalProtocolError
from wic.sip.errors import MalformedHeader
from wic.sip.headers import CSeq
from wic.sip.headers.fields import Headers, TypedHeader
from wic.sip.message import Request
from wic.sip.parser import parse

RAW = (
    b"INVITE sip:bob@example.com SIP/2.0\r\n"
    b"v :  SIP/2.0/UDP a;branch=z9hG4bK1 , SIP/2.0/UDP b;branch=z9hG4bK2\r\n"
    b"VIA: SIP/2.0/UDP c;branch=z9hG4bK3\r\n"
    b"x-Thing:one\r\n two\r\n"
    b"l: 0\r\n\r\n"
)


def received() -> Request:
    message = parse(RAW)
    assert isinstance(message, Request)
    return message


def lines(headers: Headers) -> list[str]:
    return [line for _, line in headers.lines()]


def test_found_by_any_spelling_in_order() -> None:
    headers = received().headers
    assert headers.get("via") == headers.get("V") == "SIP/2.0/UDP a;branch=z9hG4bK1 , SIP/2.0/UDP b;branch=z9hG4bK2"
    assert len(headers.get_all("Via")) == 2
    assert [value[-1] for value in headers.values("via")] == ["1", "2", "3"]
    assert headers.get("X-THING") == "one two"
    assert headers.get("absent") is None
    assert headers.get("no name") is None
    assert headers.get_all("absent") == headers.values("absent") == []
    assert "vIa" in headers
    assert "absent" not in headers
    assert 7 not in headers
    assert len(headers) == 4
    assert [name for name, _ in headers.items()] == ["Via", "Via", "x-Thing", "Content-Length"]


def test_untouched_lines_stay_as_they_came() -> None:
    headers = received().headers
    headers.set("Via", "SIP/2.0/WS d")
    headers.set("Subject", "x")
    assert lines(headers) == ["Via: SIP/2.0/WS d", "x-Thing:one\r\n two", "l: 0", "Subject: x"]


def test_prepend() -> None:
    headers = received().headers
    headers.prepend("l", "1")
    headers.prepend("Route", "<sip:r>")
    headers.prepend("Via", "SIP/2.0/WS d")
    assert [line.partition(":")[0] for line in lines(headers)] == [
        "Route", "Via", "v ", "VIA", "x-Thing", "Content-Length", "l",
    ]  # fmt: skip


def test_remove() -> None:
    headers = received().headers
    headers.remove("v")
    headers.remove("absent")
    assert lines(headers) == ["x-Thing:one\r\n two", "l: 0"]


def test_remove_first_takes_one_value() -> None:
    headers = received().headers
    headers.remove_first("Via")
    assert lines(headers)[:2] == ["Via: SIP/2.0/UDP b;branch=z9hG4bK2", "VIA: SIP/2.0/UDP c;branch=z9hG4bK3"]
    headers.remove_first("Via")
    headers.remove_first("Via")
    headers.remove_first("Via")
    assert "Via" not in headers


def test_what_was_read_is_forgotten_when_a_header_changes() -> None:
    message = received()
    assert message.via.branch == "z9hG4bK1"
    assert message.via is message.via
    message.headers.remove_first("via")
    assert message.via.branch == "z9hG4bK2"
    message.headers.add("CSeq", CSeq(1, "INVITE"))
    assert message.cseq.number == 1
    message.headers.set("CSeq", "2 INVITE")
    assert message.cseq.number == 2


def test_what_was_read_is_kept_even_if_it_is_nothing() -> None:
    reads: list[None] = []
    headers, subject = Headers(), TypedHeader("Subject", lambda _: reads.append(None))
    for _ in range(2):
        assert headers.read(subject) is None
    assert len(reads) == 1


def test_copies_are_independent() -> None:
    headers = received().headers
    copy = headers.copy()
    copy.add("Subject", "x")
    assert len(headers) == 4
    assert len(copy) == 5
    other = Headers()
    other.copy_from(headers, "l", "VIA", "absent")
    assert lines(other) == [line for line in lines(headers) if not line.startswith("x")]


def test_too_many_values() -> None:
    headers = Headers([("Via", ", ".join(["SIP/2.0/UDP a"] * 257))])
    with pytest.raises(MalformedHeader, match="257 values"):
        headers.values("Via")


@pytest.mark.parametrize("octet", ["\r", "\n", "\0", "\r\n Evil: 1"])
def test_a_value_cannot_break_the_framing(octet: str) -> None:
    with pytest.raises(LocalProtocolError):
        list(Headers([("Subject", f"a{octet}b")]).lines())


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\n", "ä"])
def test_a_name_is_a_token(name: str) -> None:
    for change in (Headers().add, Headers().set, Headers().prepend):
        with pytest.raises(LocalProtocolError):
            change(name, "x")


def test_repr_has_no_values() -> None:
    assert repr(Headers([("Authorization", "Bearer secret"), ("m", "*")])) == "Headers(Authorization, Contact)"


def test_text_is_appended_to_the_first_line_as_it_came() -> None:
    request = parse(b"OPTIONS sip:h SIP/2.0\r\nt:  <sip:b@h> \r\nTo: <sip:c@h>\r\n\r\n")
    request.headers.append_to("To", ";tag=1")
    request.headers.append_to("From", ";tag=2")
    assert request.headers.get_all("To") == ["<sip:b@h>;tag=1", "<sip:c@h>"]
    assert b"t:  <sip:b@h> ;tag=1\r\n" in request.to_bytes()
    request.headers.set("To", "<sip:d@h>")
    request.headers.append_to("To", ";tag=3")
    assert request.headers.get("To") == "<sip:d@h>;tag=3"


def test_packed_headers_are_the_same() -> None:
    headers, packed = received().headers, received().headers
    for one in (headers, packed):
        one.add("Subject", "x")
    packed.pack()
    packed.pack()
    assert lines(packed) == lines(headers)
    assert list(packed.items()) == list(headers.items())
    packed.pack()
    assert packed.values("via") == headers.values("via")
    packed.pack()
    packed.remove("Via")
    assert [name for name, _ in packed.items()] == ["x-Thing", "Content-Length", "Subject"]


def test_no_headers_can_be_packed() -> None:
    headers = Headers()
    headers.pack()
    assert len(headers) == 0


def test_a_change_makes_only_its_own_header_read_again() -> None:
    message = received()
    via, vias = message.via, message.vias
    message.headers.add("CSeq", "1 INVITE")
    message.headers.remove("Subject")
    message.headers.remove("no name")
    assert message.via is via
    assert message.vias is vias
    message.headers.remove_first("Via")
    assert message.vias == vias[1:]
    message.headers.remove("Via")
    assert message.vias == ()
    assert message.headers.get_all("Via") == []


def test_a_copy_knows_what_was_read_and_changes_alone() -> None:
    message = received()
    via = message.via
    copy = message.copy()
    assert copy.via is via
    copy.headers.prepend("Via", "SIP/2.0/WS d;branch=z9hG4bK0")
    assert copy.via.branch == "z9hG4bK0"
    assert message.via is via
    assert len(copy.headers.get_all("Via")) == len(message.headers.get_all("Via")) + 1 == 3


@pytest.mark.parametrize(
    ("name", "lines", "usable"),
    [
        ("expires", ["1", "2"], None),
        ("expires", ["1;x"], None),
        ("expires", ["7"], 7),
        ("require", ["Path, a b, , OUTBOUND"], ("path", "outbound")),
        ("allow", ["BYE, <"], ("BYE",)),
        ("associated_uris", [""], ()),
    ],
)
def test_what_of_a_header_is_usable(name: str, lines: list[str], usable: object) -> None:
    message = received()
    for line in lines:
        message.headers.add("P-Associated-URI" if name == "associated_uris" else name, line)
    assert message.usable(getattr(Request, name)) == usable


@pytest.mark.parametrize(
    ("lines", "users"),
    [
        (["<sip:a@x>, <>, <sip:b@x>"], ["a", "b"]),
        (["<sip:a@x>,, <sip:b@x>,"], ["a", "b"]),
        (['<sip:a@x>, "b <sip:b@x>, <sip:c@x>', "<sip:d@x>"], ["a", "d"]),
        (["<sip:a@x>, <sip:b@x"], ["a"]),
        ([","], []),
        (["<sip:a@x>;tag=1;tag=2, <sip:b@x>;x=1;x=2"], ["b"]),
    ],
)
def test_each_value_of_a_list_is_usable_for_itself(lines: list[str], users: list[str]) -> None:
    message = received()
    for line in lines:
        message.headers.add("Contact", line)
    assert [contact.uri.user for contact in message.usable(Request.contacts)] == users


def test_of_a_list_no_more_is_usable_than_the_limit() -> None:
    headers = Headers([("Contact", ",".join(["<sip:a@x>"] * 300 + ["<"]))])
    assert len(headers.usable_values("contact")) == 256


@pytest.mark.parametrize(("level", "lines"), [(logging.INFO, 0), (logging.DEBUG, 50)])
def test_what_is_left_out_is_logged_but_no_flood(level: int, lines: int, caplog: pytest.LogCaptureFixture) -> None:
    """A peer chooses how many such messages it sends: they are in no log but that of every message."""
    headers = Headers([("Contact", "<sip:")])
    caplog.set_level(level, logger="wic")
    for _ in range(50):
        assert headers.usable(Request.contacts) == ()
    assert len(caplog.records) == lines
    assert all(text.startswith("left out of a message what cannot be used: Contact: ") for text in caplog.messages)


def test_what_every_message_has_is_usable_or_not() -> None:
    headers = Headers([("To", "<sip:")])
    with pytest.raises(MalformedHeader, match="To"):
        headers.usable(Request.to)


def test_that_something_is_left_out_is_logged_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    headers = Headers([("Contact", "<sip:a:sesame@x;;>")])
    caplog.set_level(logging.DEBUG, logger="wic")
    assert headers.usable(Request.contacts) == ()
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]  # no peer fills the log of an operator
    assert "Contact" in caplog.text
    assert "sesame" not in caplog.text


@pytest.mark.parametrize("name", ["Via", "From", "Contact", "Event", "Content-Type"])
def test_a_parameter_that_decides_something_is_unmistakable(name: str) -> None:
    """RFC 3261 §7.3.1: two elements could go by a different one of both; of others none goes by any."""
    values = {"Via": "SIP/2.0/UDP a", "Event": "reg", "Content-Type": "multipart/mixed"}
    decisive = {"Via": "branch", "From": "tag", "Contact": "expires", "Event": "id", "Content-Type": "boundary"}[name]
    view = {
        "Via": Request.via,
        "From": Request.from_,
        "Contact": Request.contacts,
        "Event": Request.event,
        "Content-Type": Request.content_type,
    }[name]
    value = values.get(name, "<sip:a@x>")
    for params in (f";{decisive}=1;x=2;{decisive.upper()}=1", f';x="a;b";{decisive};{decisive}'):
        with pytest.raises(MalformedHeader, match=f"{name}: the parameter {decisive} is repeated"):
            Headers([(name, value + params)]).read(view)
    for params in (f';{decisive}="a\ufffd"', f';x;{decisive}="a\ufffd"'):
        with pytest.raises(MalformedHeader, match=f"{name}: the parameter {decisive} has octets that are no text"):
            Headers([(name, value + params)]).read(view)
    for params in (f";x=1;x=2;{decisive}=1", f';x=";{decisive}=2";{decisive}=1', f';x="\ufffd";{decisive}=1'):
        assert Headers([(name, value + params)]).read(view)
