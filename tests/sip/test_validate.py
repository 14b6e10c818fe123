from __future__ import annotations

from typing import Any

import pytest

from wic.sip.message import Request, Response
from wic.sip.validate import RequestRefusal, check_request, check_response

USER_AGENT: dict[str, Any] = {
    "methods": {"INVITE", "ACK", "OPTIONS"},
    "extensions": {"path"},
}


def request(method: str = "OPTIONS", uri: str = "sip:b@x", body: bytes = b"", **headers: str) -> Request:
    fields = {
        "Via": "SIP/2.0/UDP a;branch=z9hG4bK1",
        "From": "<sip:a@x>;tag=1",
        "To": "<sip:b@x>",
        "Call-ID": "c",
        "CSeq": f"1 {method}",
        "Max-Forwards": "70",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return Request.build(method, uri, fields.items(), body)


def status(message: Request, **element: Any) -> int | None:
    refusal = check_request(message, **element)
    return None if refusal is None else refusal.status


def test_a_sound_request() -> None:
    assert check_request(request()) is None
    assert check_request(request(), **USER_AGENT) is None
    assert check_request(request(), proxy=True, extensions=()) is None


def test_version() -> None:
    message = request()
    message.version = "SIP/3.0"
    assert check_request(message) == RequestRefusal(505, "Version Not Supported")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Via", "SIP/2.0/UDP a;;"),
        ("Via", "SIP/2.0/UDP a;branch=z9hG4bK"),
        ("From", "<sip:"),
        ("To", '"x <sip:b@x>'),
        ("Call_ID", ""),
        ("CSeq", "1"),
        ("CSeq", "1 INVITE"),
        ("Require", "a b"),
    ],
)
def test_syntax(name: str, value: str) -> None:
    assert status(request(**{name: value}), **USER_AGENT) == 400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Max_Forwards", "256"),
        ("Max_Forwards", ""),
        ("Route", "<sip:a@b>;;lr"),
        ("Proxy_Require", "a b"),
    ],
)
def test_syntax_of_what_only_a_proxy_uses(name: str, value: str) -> None:
    assert status(request(**{name: value}), proxy=True, extensions=()) == 400
    assert status(request(**{name: value}), **USER_AGENT) is None


@pytest.mark.parametrize(("name", "value"), [("Contact", "<sip:a@b>;"), ("Record_Route", "<>")])
def test_syntax_of_what_an_invite_is_used_for(name: str, value: str) -> None:
    fields = {"Content_Type": "application/sdp", name: value}
    assert status(request("INVITE", body=b"v=0", **fields), **USER_AGENT) == 400
    assert status(request("OPTIONS", **fields), **USER_AGENT) is None
    assert status(request("INVITE", body=b"v=0", **fields), proxy=True) is None


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_what_every_request_has(name: str) -> None:
    message = request()
    message.headers.remove(name)
    refusal = check_request(message)
    assert refusal is not None
    assert refusal == RequestRefusal(400, f"Bad Request: {name} is missing")


@pytest.mark.parametrize("name", ["Call-ID", "CSeq", "From", "To", "Max-Forwards"])
def test_what_may_stand_once(name: str) -> None:
    message = request()
    message.headers.add(name, message.headers.get(name))
    refusal = check_request(message, proxy=True)
    assert refusal == RequestRefusal(400, f"Bad Request: {name} is repeated")


def test_the_phrase_is_fit_for_a_status_line() -> None:
    refusal = check_request(request(To="<sip:\x07\u2028" + "x" * 500))
    assert refusal is not None
    assert refusal.reason.isprintable()
    assert len(refusal.reason) < 150
    assert Response.build(400, refusal.reason).to_bytes()


def test_methods() -> None:
    known = check_request(request("BYE"), **USER_AGENT)
    assert known == RequestRefusal(405, "Method Not Allowed", (("Allow", "ACK, INVITE, OPTIONS"),))
    assert status(request("NEW"), **USER_AGENT) == 501
    assert status(request("NEW", CSeq="1 INVITE"), **USER_AGENT) == 501
    assert status(request("NEW")) is None
    assert status(request("NEW"), methods=(), proxy=True) is None


def test_request_uri() -> None:
    assert status(request(uri="isbn:1")) == 416
    assert status(request(uri="tel:+1")) is None
    assert status(request(uri="sip:b@x?Subject=1")) == 400
    assert status(request(uri="<sip:b@x>")) == 400


def test_extensions() -> None:
    message = request(Require="path, timer, 100rel", Proxy_Require="foo")
    assert check_request(message, extensions={"path"}) == RequestRefusal(
        420, "Bad Extension", (("Unsupported", "timer, 100rel"),)
    )
    assert check_request(message, extensions=(), proxy=True) == RequestRefusal(
        420, "Bad Extension", (("Unsupported", "foo"),)
    )
    assert check_request(message) is None
    assert check_request(request("ACK", Require="timer"), extensions=()) is None
    assert check_request(request("CANCEL", Require="timer"), extensions=()) is None


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/sdp", None),
        ("text/plain, application/*", None),
        ("text/plain", 406),
        ("", None),
        ("text/plain, sdp", 406),
        ("application/sdp,", None),
        ("sdp", None),
        (",", None),
    ],
)
def test_an_answer_must_be_acceptable(accept: str, expected: int | None) -> None:
    assert status(request("INVITE", Accept=accept)) == expected
    assert status(request("INVITE", Accept=accept), proxy=True) is None
    assert status(request("OPTIONS", Accept=accept)) is None


def test_responses() -> None:
    response = Response.answer(request(), 200)
    assert check_response(response) is None
    response.headers.add("CSeq", "2 INVITE")
    assert check_response(response) == "CSeq is repeated"
    response.headers.set("CSeq", "9292394834772304023312 OPTIONS")
    assert (check_response(response) or "").startswith("CSeq: malformed")


def test_a_response_is_read_as_far_as_it_leads_to_its_transaction() -> None:
    response = Response.answer(request(), 200, headers=[("Contact", "<nonsense"), ("Expires", 1), ("Expires", 2)])
    assert check_response(response) is None


def test_a_response_with_the_via_of_another_element() -> None:
    """RFC 3261 §8.1.3.3: a user agent discards it; a proxy forwards it."""
    one, other = "SIP/2.0/UDP a;branch=z9hG4bK1", "SIP/2.0/UDP b;branch=z9hG4bK2"
    for lines in ([one, other], [f"{one}, {other}"]):
        response = Response.answer(request(), 200)
        response.headers.remove("Via")
        for line in lines:
            response.headers.add("Via", line)
        assert check_response(response) == "it has the Via of another element"
        assert check_response(response, proxy=True) is None
