"""Scenario 3, identities of a pool (TS 24.371 §6.2.3, §6.3.2, §6.4.3): leased by the WWSF, and returned."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from .web import claims_of, post, token_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .conftest import Network, RegisterRun, Terminal

GUEST = re.compile(r"sip:guest-\d+@ims\.example")


@pytest.fixture(scope="module")
def guest(register_once: Callable[..., RegisterRun]) -> RegisterRun:
    """A user without a subscription registers and deregisters."""
    return register_once("guest")


@pytest.fixture
def empty_pool(network: Network) -> Iterator[None]:
    """Let one signed-in user lease all identities."""
    url, authorization = f"{network.ready['wwsf']}/pool/lease", f"Bearer {token_of(network, 'carol')}"
    leases = [post(network, url, authorization)["lease"] for _ in range(4)]
    yield
    for lease in leases:
        post(network, f"{url}/{lease}", authorization, method="DELETE")


def test_the_identities_come_with_the_token(guest: RegisterRun) -> None:
    assert guest.code == 0, guest.stderr
    claims = claims_of(guest.registers[0].one("Authorization").removeprefix("Bearer "))
    (impu,) = claims["impu"]
    assert GUEST.fullmatch(impu)
    # TS 24.371 §6.2.3: assigned by the WWSF, IMPU and IMPI, and used as in §6.2.2.
    assert guest.document["impu"] == impu
    assert guest.document["impi"] == claims["impi"] == impu.removeprefix("sip:")
    assert guest.registers[0].one("To") == f"<{impu}>"
    assert claims["wwsf"] == "wwsf"


def test_the_core_sees_a_subscriber_like_any_other(guest: RegisterRun) -> None:
    impu = guest.document["impu"]
    for each in guest.mw_registers:
        _, parameters = each.credentials()
        assert parameters["username"] == f'"{guest.document["impi"]}"'
        assert (parameters["integrity-protected"], parameters["response"]) == ('"auth-done"', '""')
        assert each.one("To") == f"<{impu}>"
    # TS 24.371 §6.4.3: not longer than the lease.
    assert int(guest.mw_registers[0].one("Expires")) <= 3600
    assert guest.answers[0].one("P-Associated-URI") == f"<{impu}>"


def test_deregistration_returns_the_identities(network: Network, terminal: Terminal) -> None:
    # One more than one address may hold, and than the pool has.
    for _ in range(5):
        with network.tap() as tap:
            terminal.tap = tap
            run = terminal.register("guest")
            assert run.code == 0, run.stderr
            assert run.registers[-1].one("Expires") == "0"


def test_two_at_a_time_get_different_identities(network: Network, terminal: Terminal) -> None:
    terminal.stay("guest")
    terminal.tap.wait_for(200, "REGISTER")
    with network.tap() as tap:
        first, terminal.tap = terminal.tap, tap
        run = terminal.register("guest")
    assert run.code == 0, run.stderr
    assert run.registers[0].one("To") != first.session.sent[0].one("To")


@pytest.mark.usefixtures("empty_pool")
def test_an_empty_pool_is_explained(terminal: Terminal) -> None:
    run = terminal.register("guest")
    assert run.code == 1
    assert re.search(r"in use", run.error), run.error
    assert not terminal.tap.sessions, "there is no identity to register"
