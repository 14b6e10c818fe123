"""Scenario 1 with SIP Digest (TS 24.371 §6.2.1.2, §6.4.1.2): output of `wic register`, and messages on W2 and Mw."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import RegisterRun, Terminal

# TS 24.229 §5.1.1.1: "SIP Digest without TLS" does without RFC 3329.
SECURITY_AGREEMENT = {"security-client", "security-server", "security-verify"}


@pytest.fixture(scope="module")
def bob(register_once: Callable[..., RegisterRun]) -> RegisterRun:
    """bob registers and deregisters."""
    return register_once("bob")


def test_the_report_of_the_command(bob: RegisterRun) -> None:
    assert bob.code == 0, bob.stderr
    assert bob.document["state"] == "registered"
    assert bob.document["impu"] == "sip:bob@ims.example"
    assert bob.document["scheme"] == "digest"
    assert bob.document["expires"] == 600000


def test_the_connection_is_sip_over_secure_websocket(bob: RegisterRun) -> None:
    session = bob.tap.session
    # RFC 7118 §4: the subprotocol is offered and taken.
    assert re.search(rb"\r\nSec-WebSocket-Protocol: sip\r\n", session.from_wic.head, re.IGNORECASE)
    assert re.search(rb"\r\nSec-WebSocket-Protocol: sip\r\n", session.from_epcscf.head, re.IGNORECASE)
    assert session.from_epcscf.head.startswith(b"HTTP/1.1 101 ")


def test_the_first_register_has_no_proof(bob: RegisterRun) -> None:
    first = bob.registers[0]
    # TS 24.229 §5.1.1.2.1: to the home domain, From and To the IMPU.
    assert first.start == "REGISTER sip:ims.example SIP/2.0"
    assert first.one("From").startswith("<sip:bob@ims.example>;tag=")
    assert first.one("To") == "<sip:bob@ims.example>"
    # TS 24.229 §5.1.1.2.3: username, realm, uri; nonce and response are empty.
    scheme, parameters = first.credentials()
    assert scheme == "Digest"
    assert parameters == {
        "username": '"bob@ims.example"',
        "realm": '"ims.example"',
        "nonce": '""',
        "uri": '"sip:ims.example"',
        "response": '""',
    }
    assert not first.names & SECURITY_AGREEMENT
    assert not {"require", "proxy-require", "route"} & first.names


def test_the_first_register_asks_for_an_outbound_registration(bob: RegisterRun) -> None:
    first = bob.registers[0]
    # TS 24.229 §5.1.1.2.1: 600000 seconds.
    assert first.one("Expires") == "600000"
    assert {"path", "gruu", "outbound"} <= {each.strip() for each in first.one("Supported").split(",")}
    # RFC 7118 §B.1: a name in .invalid, and WSS in Via; RFC 3581 rport, RFC 6223 keep, both without a value.
    assert re.match(r"SIP/2\.0/WSS [0-9a-z]+\.invalid;branch=z9hG4bK", first.one("Via"))
    assert first.parameter("Via", "rport") == ""
    assert first.parameter("Via", "keep") == ""
    assert re.match(r"<sip:bob@[0-9a-z]+\.invalid;transport=ws>;", first.one("Contact"))
    # RFC 5626 §4.2
    assert re.fullmatch(r'"<urn:uuid:[0-9a-f-]{36}>"', first.parameter("Contact", "+sip.instance") or "")
    assert first.parameter("Contact", "reg-id") == "1"


def test_the_challenge_comes_through(bob: RegisterRun) -> None:
    challenge = bob.answers[0]
    assert challenge.status == 401
    for line in challenge.all("WWW-Authenticate"):
        assert re.match(r'Digest realm="ims\.example", nonce="[^"]{16,}"', line)
        assert 'qop="auth"' in line
    assert not challenge.names & (SECURITY_AGREEMENT | {"p-charging-vector", "p-visited-network-id"})


def test_the_second_register_answers_the_strongest_challenge(bob: RegisterRun) -> None:
    first, second = bob.registers[:2]
    offered = bob.answers[0].all("WWW-Authenticate")
    _, parameters = second.credentials()
    # RFC 8760 §2.4: the topmost one that it knows.
    assert f"algorithm={parameters['algorithm']}" in offered[0]
    assert parameters["nonce"] in offered[0]
    # RFC 7616 §3.4: response quoted; qop, nc and algorithm not.
    assert re.fullmatch(r'"[0-9a-f]{64}"', parameters["response"])
    assert (parameters["qop"], parameters["nc"]) == ("auth", "00000001")
    # TS 24.229 §5.1.1.5.1: the same registration goes on.
    assert second.one("Call-ID") == first.one("Call-ID")
    assert second.one("CSeq") == "2 REGISTER"
    assert second.one("Contact") == first.one("Contact")


def test_the_values_of_integrity_protected(bob: RegisterRun) -> None:
    values = [each.credentials()[1].get("integrity-protected") for each in bob.mw_registers]
    # TS 24.371 §6.4.1.2: a) neither association nor answer; b) an answer; c) the association, at deregistration.
    assert values == [None, '"tls-pending"', '"tls-protected"']
    for each in bob.registers:
        assert "integrity-protected" not in each.one("Authorization")


def test_the_epcscf_adds_address_and_path(bob: RegisterRun) -> None:
    for each in bob.mw_registers:
        own, of_the_wic = each.all("Via")
        assert own.startswith("SIP/2.0/")
        # TS 24.371 §6.4.1.2 d) and e)
        assert f";rport={bob.tap.session.port}" in of_the_wic
        assert ";received=127.0.0.1" in of_the_wic
        # TS 24.229 §5.2.2.1: Path with Require; RFC 5626 §5.1: `ob`, and the flow in the user part.
        assert re.fullmatch(r"<sip:[^@;>]+@127\.0\.0\.1:\d+;lr;ob>", each.one("Path"))
        assert each.one("Require") == "path"
        assert each.one("P-Visited-Network-ID") == '"ims.example"'
        # RFC 7315 §5.6, TS 24.229 §7.2A.5: type 1 of the originating IOI.
        assert re.match(r'icid-value="[^"]+";.*orig-ioi="Type 1ims\.example"', each.one("P-Charging-Vector"))
        assert each.one("Max-Forwards") == "69"


def test_the_200_brings_route_identities_and_gruus(bob: RegisterRun) -> None:
    answer = bob.answers[1]
    assert answer.status == 200
    # TS 24.229 §5.4.1.2.2F: Service-Route, P-Associated-URI, and the contact with what is left of its time.
    assert re.fullmatch(r"<sip:orig@127\.0\.0\.1:\d+;lr>", answer.one("Service-Route"))
    assert answer.one("P-Associated-URI") == "<sip:bob@ims.example>"
    assert answer.parameter("Contact", "expires") == "600000"
    # RFC 5627 §5.2
    assert re.match(r'"sip:bob@ims\.example;gr=urn:uuid:', answer.parameter("Contact", "pub-gruu") or "")
    assert re.fullmatch(r'"sip:[^@]+@ims\.example;gr"', answer.parameter("Contact", "temp-gruu") or "")
    # RFC 5626 §6, §4.4: outbound is used, and the flow wants to be kept; RFC 6223 §5.
    assert answer.one("Require") == "outbound"
    assert answer.one("Flow-Timer") == answer.parameter("Via", "keep") == "120"
    assert not answer.names & {"p-charging-vector", "p-visited-network-id", "security-server"}


def test_the_deregistration_ends_it_and_the_connection(bob: RegisterRun) -> None:
    last = bob.registers[-1]
    # TS 24.229 §5.1.1.6, TS 24.371 §6A.2: expires 0 for the same contact, then the WebSocket is closed.
    assert len(bob.registers) == 3
    assert last.one("Expires") == "0"
    assert last.one("Call-ID") == bob.registers[0].one("Call-ID")
    assert last.one("Contact").startswith(bob.registers[0].one("Contact"))
    assert bob.answers[-1].status == 200
    assert "contact" not in bob.answers[-1].names
    assert bob.tap.session.closing[0] == "WIC"
    assert bob.tap.session.is_over


def test_a_wrong_password_is_explained(terminal: Terminal) -> None:
    run = terminal.register("bob", password="not his")
    assert run.code == 1
    assert run.answers[-1].status == 403
    assert "password" in run.error
    assert "not his" not in run.stderr
