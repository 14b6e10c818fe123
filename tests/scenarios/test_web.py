"""Scenario 2, by web authentication (TS 24.371 §6.2.2, §6.4.2, §A.3.2): the token on W2, and the assertion on Mw."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from .web import claims_of, forge, token_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Network, RegisterRun, Terminal

FORMS = {
    "rfc8898": r"Bearer ([\w.~+/=-]+)",
    "annex-a": r'Bearer access_token="([\w.~+/=-]+)"',
}


@pytest.fixture(scope="module", params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    """Form of the token in Authorization."""
    return request.param


@pytest.fixture(scope="module")
def carol(register_once: Callable[..., RegisterRun], form: str) -> RegisterRun:
    """carol's bot registers and deregisters, with an IMPU that the network does not know."""
    return register_once("carol", bearer_form=form, impu="sip:carol-at-work@ims.example")


def token_in(register, form: str) -> str:
    found = re.fullmatch(FORMS[form], register.one("Authorization"))
    assert found is not None, register.one("Authorization")
    return found[1]


def test_every_register_carries_the_token(carol: RegisterRun, form: str) -> None:
    assert carol.code == 0, carol.stderr
    # TS 24.371 §6.2.2 i); RFC 8898 §2.1 or table A.3.2-1.
    claims = claims_of(token_in(carol.registers[0], form))
    assert claims["impi"] == "carol@ims.example"
    assert claims["aud"] == "sip:ims.example"
    assert {token_in(each, form) for each in carol.registers} == {token_in(carol.registers[0], form)}
    # No challenge was needed.
    assert [each.status for each in carol.answers] == [200, 200]


def test_the_identities_of_the_token_replace_others(carol: RegisterRun) -> None:
    # TS 24.371 §6.2.2 ii): what the WIC has chosen; §6.4.2: what the token allows.
    for each in carol.registers:
        assert each.one("To") == "<sip:carol-at-work@ims.example>"
    for each in carol.mw_registers:
        assert each.one("To") == "<sip:carol@ims.example>"
        assert each.one("From").startswith("<sip:carol@ims.example>;tag=")
    for each in carol.answers:
        assert each.one("To").startswith("<sip:carol-at-work@ims.example>;tag=")
        assert each.one("From").startswith("<sip:carol-at-work@ims.example>;tag=")
    assert carol.answers[0].one("P-Associated-URI") == "<sip:carol@ims.example>"


def test_the_epcscf_speaks_as_a_trusted_node(carol: RegisterRun) -> None:
    for each in carol.mw_registers:
        # TS 24.371 table A.3.2-2, without authorization-entity: the WAF is the network's own.
        assert each.credentials() == (
            "Digest",
            {
                "username": '"carol@ims.example"',
                "realm": '"ims.example"',
                "nonce": '""',
                "uri": '"sip:ims.example"',
                "response": '""',
                "integrity-protected": '"auth-done"',
            },
        )


def test_the_token_goes_no_further_than_the_epcscf(carol: RegisterRun, form: str) -> None:
    token = token_in(carol.registers[0], form).encode()
    captured = b"".join(each.message.raw for each in carol.network.captured())
    assert token not in captured
    assert b"Bearer" not in captured
    assert token not in carol.network.capture.read_bytes()
    assert token.decode() not in carol.stderr


def test_the_registration_lasts_as_long_as_the_token(carol: RegisterRun, form: str) -> None:
    # TS 24.371 §6.4.3; the WIC asks for 600000 s.
    remaining = claims_of(token_in(carol.registers[0], form))["exp"] - time.time()
    assert carol.registers[0].one("Expires") == "600000"
    for granted in (carol.mw_registers[0].one("Expires"), carol.answers[0].parameter("Contact", "expires")):
        assert remaining - 1 <= int(granted) <= remaining + 20
    assert carol.document["expires"] <= 3600


def test_invalid_tokens(network: Network, terminal: Terminal, tmp_path: Path) -> None:
    waf, own = network.ready["waf"], network.directory / "waf.sqlite"
    tokens = {
        "expired": forge(own, waf, ago=7200),
        "for another audience": forge(own, waf, audience="sip:other.example"),
        "of another WAF with our name": forge(tmp_path / "waf.sqlite", waf),
        "unsigned": "eyJhbGciOiJub25lIn0." + token_of(network, "carol").split(".")[1] + ".",
    }
    for name, token in tokens.items():
        with network.tap() as tap:
            terminal.tap = tap
            run = terminal.register("carol", token=token, client_id=None, client_secret=None)
        assert run.code == 1, name
        # RFC 8898 §2.2, RFC 6750 §3.1
        scheme, challenge = run.answers[-1].credentials("WWW-Authenticate")
        assert (run.answers[-1].status, scheme) == (401, "Bearer")
        assert challenge["error"] == '"invalid_token"'
        assert challenge["authz_server"] == f'"{waf}"'
        assert "token" in run.error, name
        assert token not in run.stderr
        assert not run.mw_registers, "the core got a REGISTER"
