"""Every message of RFC 5118 (IPv6), with the verdict of its section 4."""

from __future__ import annotations

from pathlib import Path

import pytest

from wic.sip.message import Request
from wic.sip.parser import MessageRefused, parse
from wic.sip.validate import check_request

VECTORS = Path(__file__).parent.parent / "vectors" / "rfc5118"

VERDICTS: dict[str, int | None] = {
    "ipv6-good": None,
    "ipv6-bad": 400,
    "port-ambiguous": None,
    "port-unambiguous": None,
    "via-received-param-with-delim": None,
    "via-received-param-no-delim": None,
    "ipv6-in-sdp": None,
    "mult-ip-in-header": None,
    "mult-ip-in-sdp": None,
    "ipv4-mapped-ipv6": None,
    "ipv6-bug-abnf-3-colons": None,
    "ipv6-correct-abnf-2-colons": None,
}


def read(name: str) -> Request:
    message = parse((VECTORS / f"{name}.dat").read_bytes())
    assert isinstance(message, Request)
    return message


def test_no_message_is_left_out() -> None:
    assert len(VERDICTS) == 12
    assert sorted(VERDICTS) == sorted(path.stem for path in VECTORS.glob("*.dat") if "as-printed" not in path.stem)


@pytest.mark.parametrize(("name", "status"), VERDICTS.items(), ids=list(VERDICTS))
def test_verdict(name: str, status: int | None) -> None:
    refusal = check_request(read(name), methods=("INVITE", "BYE", "OPTIONS", "REGISTER"))
    assert (refusal and refusal.status) == status


def test_a_body_shorter_than_its_length_is_refused() -> None:
    with pytest.raises(MessageRefused, match="Content-Length says 268") as caught:
        parse((VECTORS / "ipv6-in-sdp-as-printed.dat").read_bytes())
    assert caught.value.status_hint == 400


def test_where_the_port_begins() -> None:
    ambiguous, unambiguous = read("port-ambiguous").uri, read("port-unambiguous").uri
    assert (ambiguous.host, ambiguous.port) == ("2001:db8::10:5070", None)
    assert (unambiguous.host, unambiguous.port) == ("2001:db8::10", 5070)


@pytest.mark.parametrize("name", ["via-received-param-with-delim", "via-received-param-no-delim"])
def test_received_is_read_with_and_without_brackets(name: str) -> None:
    assert read(name).via.received == "2001:db8::9:255"


def test_received_is_sent_without_brackets() -> None:
    via = read("ipv6-good").via.with_param("received", "2001:db8::9:255")
    assert str(via) == "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111;received=2001:db8::9:255"


def test_both_families_in_one_message() -> None:
    vias = read("mult-ip-in-header").vias
    assert [via.sent_by for via in vias] == ["[2001:db8::9:1]:6050", "192.0.2.1", "[2001:db8::9:255]"]
    assert vias[2].received == "192.0.2.200"
    assert read("ipv4-mapped-ipv6").contacts[0].uri.host == "::ffff:192.0.2.2"


def test_three_colons_are_read_as_two_and_sent_as_two() -> None:
    bug, correct = read("ipv6-bug-abnf-3-colons").uri, read("ipv6-correct-abnf-2-colons").uri
    assert str(bug) == str(correct) == "sip:user@[2001:db8::192.0.2.1]"
