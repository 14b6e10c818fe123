"""Every message of RFC 4475, with the verdict that its section 3 asks for: no entry may be left out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from wic.sip.framing import FrameRefused, StreamFramer
from wic.sip.headers import MediaType
from wic.sip.limits import Limits
from wic.sip.message import Request, Response
from wic.sip.multipart import leaves
from wic.sip.parser import MessageRefused, parse
from wic.sip.validate import RequestRefusal, check_request, check_response

VECTORS = Path(__file__).parent.parent / "vectors" / "rfc4475"
MANIFEST = json.loads((VECTORS / "manifest.json").read_text(encoding="utf-8"))["files"]

USER_AGENT: dict[str, Any] = {
    "methods": ("ACK", "BYE", "CANCEL", "INVITE", "MESSAGE", "OPTIONS", "REGISTER"),
    "extensions": (),
}
PROXY: dict[str, Any] = {"extensions": (), "proxy": True}


@dataclass(frozen=True)
class Accept:
    """Parsed, and nothing stands against acting on it."""


@dataclass(frozen=True)
class Unframed:
    """Refused by the parser; None: dropped in silence."""

    status: int | None


@dataclass(frozen=True)
class Unfit:
    """Parsed, but a user agent server answers with this status."""

    status: int
    header: str | None = None


@dataclass(frozen=True)
class Discard:
    """A response that parses and has to be dropped."""


Verdict = Accept | Unframed | Unfit | Discard

VERDICTS: dict[str, Verdict] = {
    "badaspec.dat": Unfit(400),
    "badbranch.dat": Unfit(400),
    "baddate.dat": Accept(),  # Date is nothing we act on
    "baddn.dat": Unframed(400),  # the file also lacks the empty line
    "badinv01.dat": Unfit(400),
    "badvers.dat": Unfit(505),
    "bcast.dat": Discard(),  # RFC 3261 §8.1.3.3: it has the Via of another element
    "bext01.dat": Unfit(420, "Unsupported"),
    "bigcode.dat": Unframed(None),
    "clerr.dat": Unframed(400),
    "cparam01.dat": Accept(),
    "cparam02.dat": Accept(),
    "dblreq.dat": Accept(),
    "esc01.dat": Accept(),
    "esc02.dat": Unfit(501, "Allow"),
    "escnull.dat": Accept(),
    "escruri.dat": Unfit(400),
    "insuf.dat": Unfit(400),
    "intmeth.dat": Unfit(501, "Allow"),
    "inv2543.dat": Accept(),
    "invut.dat": Accept(),  # the reader of its body answers 415: see the tests of incoming calls
    "longreq.dat": Accept(),
    "ltgtruri.dat": Unfit(400),
    "lwsdisp.dat": Accept(),
    "lwsruri.dat": Unframed(400),
    "lwsstart.dat": Unframed(400),
    "mcl01.dat": Unframed(400),
    "mismatch01.dat": Unfit(400),
    "mismatch02.dat": Unfit(501, "Allow"),
    "mpart01.dat": Accept(),
    "multi01.dat": Unfit(400),
    "ncl.dat": Unframed(400),
    "noreason.dat": Accept(),
    "novelsc.dat": Unfit(416),
    "quotbal.dat": Unfit(400),
    "regaut01.dat": Accept(),  # a registrar challenges anew
    "regbadct.dat": Unfit(400),
    "regescrt.dat": Accept(),
    "scalar02.dat": Unfit(400),
    "scalarlg.dat": Discard(),
    "sdp01.dat": Unfit(406, "Warning"),
    "semiuri.dat": Accept(),
    "test.dat": Unframed(None),  # in the archive, not in the text: its first line is no start line
    "transports.dat": Accept(),
    "trws.dat": Unframed(400),
    "unkscm.dat": Unfit(416),
    "unksm2.dat": Accept(),  # a registrar looks for the address-of-record
    "unreason.dat": Accept(),
    "wsinv.dat": Accept(),
    "zeromf.dat": Accept(),
}


def read(name: str) -> bytes:
    return (VECTORS / name).read_bytes()


def request(name: str) -> Request:
    message = parse(read(name))
    assert isinstance(message, Request)
    return message


def judge(data: bytes) -> Verdict:
    try:
        message = parse(data)
    except MessageRefused as refused:
        return Unframed(refused.status_hint)
    if isinstance(message, Response):
        return Accept() if check_response(message) is None else Discard()
    refusal = check_request(message, **USER_AGENT)
    if refusal is None:
        return Accept()
    parse(Response.answer(message, refusal.status, refusal.reason, headers=refusal.headers).to_bytes())
    return Unfit(refusal.status, refusal.headers[0][0] if refusal.headers else None)


def test_no_message_is_left_out() -> None:
    assert len(VERDICTS) == 50
    assert list(VERDICTS) == [entry["file"] for entry in MANIFEST]
    assert sorted(VERDICTS) == sorted(path.name for path in VECTORS.glob("*.dat"))


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: entry["file"])
def test_the_bytes_are_those_of_the_rfc(entry: dict[str, Any]) -> None:
    data = read(entry["file"])
    assert (len(data), hashlib.sha1(data).hexdigest()) == (entry["octets"], entry["sha1"])


@pytest.mark.parametrize(("name", "verdict"), VERDICTS.items(), ids=list(VERDICTS))
def test_verdict(name: str, verdict: Verdict) -> None:
    assert judge(read(name)) == verdict


@pytest.mark.parametrize("name", [name for name, verdict in VERDICTS.items() if isinstance(verdict, Unframed)])
def test_a_refused_request_can_be_answered(name: str) -> None:
    with pytest.raises(MessageRefused) as caught:
        parse(read(name))
    partial = caught.value.partial
    assert (partial is None) == (caught.value.status_hint is None)
    if partial is not None:
        answer = parse(Response.answer(partial, 400).to_bytes())
        assert answer.call_id == partial.call_id
        assert len(answer.vias) == len(partial.headers.get_all("Via"))


@pytest.mark.parametrize("name", [name for name, verdict in VERDICTS.items() if not isinstance(verdict, Unframed)])
def test_an_untouched_message_goes_out_as_it_came(name: str) -> None:
    message = parse(read(name))
    head, _, body = (message.raw or b"").partition(b"\r\n\r\n")
    expected = head.split(b"\r\n") + (
        [] if "Content-Length" in message.headers else [b"Content-Length: %d" % len(body)]
    )
    if name == "badvers.dat":
        expected[0] = expected[0].replace(b"SIP/7.0", b"SIP/2.0")
    assert message.to_bytes() == b"\r\n".join([*expected, b"", body])


def test_bext01_for_a_proxy() -> None:
    message = request("bext01.dat")
    assert check_request(message, **USER_AGENT) == RequestRefusal(
        420, "Bad Extension", (("Unsupported", "nothingsupportsthis, nothingsupportsthiseither"),)
    )
    assert check_request(message, **PROXY) == RequestRefusal(
        420, "Bad Extension", (("Unsupported", "noproxiessupportthis, nordoanyproxiessupportthis"),)
    )


def test_zeromf_for_a_proxy() -> None:
    """483 comes from the one that would forward it: see the tests of the proxy core."""
    assert check_request(request("zeromf.dat"), **PROXY) is None


def test_unksm2_is_read() -> None:
    message = request("unksm2.dat")
    assert (message.to.uri.scheme, message.from_.uri.scheme, message.contacts[0].uri.scheme) == ("isbn", "http", "name")


def test_a_proxy_forwards_what_a_user_agent_refuses() -> None:
    for name in ("esc02.dat", "intmeth.dat", "sdp01.dat"):
        assert check_request(request(name), **PROXY) is None


def test_wsinv_reads_through_all_its_spaces() -> None:
    message = request("wsinv.dat")
    assert message.to.tag == "1918181833n"
    assert message.from_.display == 'J Rosenberg \\"'
    assert message.from_.tag == "98asjd8"
    assert message.max_forwards == 68
    assert str(message.cseq) == "9 INVITE"
    assert [str(via) for via in message.vias] == [
        "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw",
        "SIP/2.0/TCP spindle.example.com   ; branch  =   z9hG4bK9ikj8",
        "SIP/2.0/UDP 192.168.255.111   ; branch= z9hG4bK30239",
    ]
    assert [via.branch for via in message.vias] == ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]
    assert message.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert message.headers.get("Subject") == ""
    assert message.headers.get("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    contact = message.contacts[0]
    assert (contact.display, contact.params.get("newparam"), contact.q) == ('Quoted string ""', "newvalue", 0.33)
    assert message.uri.params.get("unknownparam") == ""


def test_intmeth_reads_every_odd_character() -> None:
    message = request("intmeth.dat")
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert message.uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert message.uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert message.to.display == "BEL:\x07 NUL:\ufffd DEL:\x7f"
    assert message.from_.display == "token1~` token2'+_ token3*%!.-"
    assert message.from_.params.get("fromParam''~+*_!.-%") == "работающий"


def test_esc01_is_unescaped_before_it_is_compared() -> None:
    message = request("esc01.dat")
    assert message.uri.username == "sips:user@example.com"
    assert message.to.uri.username == "user"
    uri = message.contacts[0].uri
    assert (uri.username, list(uri.params.items())) == ("caller", [("lr", None), ("name", "value%41")])


def test_escnull_keeps_its_nulls() -> None:
    contacts = request("escnull.dat").contacts
    assert [str(contact) for contact in contacts] == ["<sip:%00@host5.example.com>", "<sip:%00%00@host5.example.com>"]


def test_semiuri_has_a_user_with_semicolon() -> None:
    uri = request("semiuri.dat").uri
    assert (uri.username, uri.host) == ("user;par=u@example.net", "example.com")


def test_cparam_tells_header_parameters_from_uri_parameters() -> None:
    one, other = request("cparam01.dat").contacts[0], request("cparam02.dat").contacts[0]
    assert ("unknownparam" in one.params, "unknownparam" in one.uri.params) == (True, False)
    assert ("unknownparam" in other.params, "unknownparam" in other.uri.params) == (False, True)


def test_regescrt_keeps_the_escaped_route() -> None:
    assert request("regescrt.dat").contacts[0].uri.headers.get("Route") == "<sip:sip.example.com>"


def test_dblreq_ends_where_its_length_says() -> None:
    message = request("dblreq.dat")
    assert (message.method, message.body) == ("REGISTER", b"")
    assert message.raw == read("dblreq.dat")[: len(message.raw or b"")]


def test_longreq_is_beyond_what_a_smaller_element_takes() -> None:
    assert len(request("longreq.dat").vias) == 34
    with pytest.raises(MessageRefused) as caught:
        parse(read("longreq.dat"), limits=Limits(message_size=2048))
    assert caught.value.status_hint == 513


def test_mpart01_splits_at_its_boundary() -> None:
    message = request("mpart01.dat")
    parts = leaves(message.content_type or MediaType("", ""), message.body)
    assert [part.content_type.essence for part in parts] == ["text/plain", "application/octet-stream"]
    assert parts[0].body == b"Hello"
    assert parts[1].body.startswith(b"0\x82\x01R\x06")
    assert len(parts[1].body) == 342


def test_regaut01_names_its_scheme() -> None:
    (credentials,) = request("regaut01.dat").auth("Authorization")
    assert (credentials.scheme, credentials.params.get("opaque-data")) == ("NoOneKnowsThisScheme", "here")


def test_response_reasons() -> None:
    empty, full = parse(read("noreason.dat")), parse(read("unreason.dat"))
    assert isinstance(empty, Response)
    assert isinstance(full, Response)
    assert (empty.status, empty.reason) == (100, "")
    assert full.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"


@pytest.mark.parametrize("name", ["ncl.dat", "mcl01.dat", "baddate.dat"])
def test_a_stream_is_cut_or_closed(name: str) -> None:
    framer = StreamFramer()
    if name == "baddate.dat":
        assert framer.feed(read(name)) == [read(name)]
    else:
        with pytest.raises(FrameRefused):
            framer.feed(read(name))


def test_clerr_on_a_stream_waits_for_the_rest() -> None:
    framer = StreamFramer()
    assert framer.feed(read("clerr.dat")) == []
    assert framer.pending == len(read("clerr.dat"))
