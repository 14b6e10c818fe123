from __future__ import annotations

import pytest

from wic.sip.errors import MalformedHeader
from wic.sip.headers import Via
from wic.sip.params import Params


def test_parts() -> None:
    via = Via.parse("SIP / 2.0 / UDP Example.com : 5070 ;branch=z9hG4bK1;received=192.0.2.9;rport=4711")
    assert (via.protocol, via.transport, via.host, via.port) == ("SIP/2.0", "UDP", "Example.com", 5070)
    assert (via.branch, via.received, via.rport) == ("z9hG4bK1", "192.0.2.9", 4711)
    assert via.sent_by == "example.com:5070"


def test_absent_parts() -> None:
    via = Via.parse("SIP/2.0/WSS df7jal23ls0d.invalid")
    assert (via.port, via.branch, via.received, via.rport) == (None, None, None, None)
    assert via.sent_by == "df7jal23ls0d.invalid"


@pytest.mark.parametrize("rport", ["rport", "rport=x", "rport=70000", "rport=123456"])
def test_rport_without_a_port(rport: str) -> None:
    assert Via.parse(f"SIP/2.0/UDP a;{rport}").rport is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0 a",
        "SIP/2.0/UDP a:",
        "SIP/2.0/UDP a:70000",
        "SIP/2.0/UDP a;;b",
        "SIP/2.0/UDP [::x]",
        "SIP/2.0/UDP [:]",
    ],
)
def test_malformed(text: str) -> None:
    with pytest.raises(MalformedHeader):
        Via.parse(text)


def test_changes_make_copies() -> None:
    via = Via("SIP/2.0", "TCP", "2001:db8::1", 5060, Params([("branch", "z9hG4bK2"), ("rport", None)]))
    assert str(via) == "SIP/2.0/TCP [2001:db8::1]:5060;branch=z9hG4bK2;rport"
    assert str(via.with_param("rport", "9")) == "SIP/2.0/TCP [2001:db8::1]:5060;branch=z9hG4bK2;rport=9"
    assert str(via.with_params(Params())) == "SIP/2.0/TCP [2001:db8::1]:5060"


@pytest.mark.parametrize(
    "params", ["rport;rport=9;received=h;received=h", "maddr=h;maddr=h", "ttl=1;ttl=2", "keep;keep=30"]
)
def test_what_a_server_has_added_instead_of_filled_in_does_no_harm(params: str) -> None:
    """RFC 3261 §18.2.1, RFC 3581 §4, RFC 6223 §4.4: servers in use do so, and a response is found by its branch."""
    assert Via.parse(f"SIP/2.0/UDP a;branch=z9hG4bK1;{params}").branch == "z9hG4bK1"
