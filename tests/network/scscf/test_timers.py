"""Timer sources: operator commands of another process, and expiry of bindings."""

from __future__ import annotations

import pytest

from tests.support.waiting import until
from wic.network.hss import CommandAction, CommandOutcome, Hss
from wic.network.scscf.timers import OperatorCommandPoller
from wic.registration.reg_event.reginfo import ContactEvent

IMPI = "alice@ims.example"
KEY = "sip:alice@host.invalid"
CONTACT = "Contact: <sip:bob@x.invalid>"
VOUCHED_FOR = (
    'Authorization: Digest username="bob@ims.example", realm="ims.example", nonce="", uri="sip:ims.example", '
    'response="", integrity-protected="auth-done"'
)


def register(registrar, *lines: str, **more: str) -> None:
    assert registrar.register(registrar.digest("auth-done"), *lines, **more).startswith("SIP/2.0 200 ")


@pytest.mark.usefixtures("with_password")
def test_commands_wait_until_the_database_can_be_written(make_registrar, hss, hold, caplog) -> None:
    registrar = make_registrar()
    register(registrar)
    number = hss.submit_command(IMPI, CommandAction.DEREGISTER, reason="rejected", now=registrar.now)
    poller = OperatorCommandPoller(hss, registrar.location_service, lambda: registrar.now, due=0.0)
    other = hold(hss)
    poller.handle_timeout(now=1.0)
    assert hss.command_outcome(number) is None
    assert "database is locked" in caplog.text
    assert poller.next_timeout() == 6.0
    other.rollback()
    poller.handle_timeout(now=6.0)
    assert hss.command_outcome(number) is CommandOutcome.DONE


@pytest.mark.usefixtures("with_password")
def test_commands_of_another_process_are_executed(make_registrar, hss, tmp_path) -> None:
    registrar = make_registrar()
    register(registrar)
    poller = OperatorCommandPoller(hss, registrar.location_service, lambda: registrar.now, due=5.0)
    assert poller.next_timeout() == 5.0
    with Hss(tmp_path / "hss.db", realm="ims.example") as operator:
        numbers = [
            operator.submit_command(IMPI, CommandAction.REAUTHENTICATE, seconds=60, now=registrar.now),
            operator.submit_command(IMPI, CommandAction.DEREGISTER, reason="probation", seconds=9, now=registrar.now),
            operator.submit_command(IMPI, CommandAction.DEREGISTER, reason="rejected", now=registrar.now),
        ]
        poller.handle_timeout(now=5.0)
        outcomes = [operator.command_outcome(number) for number in numbers]
        assert outcomes == [CommandOutcome.DONE, CommandOutcome.DONE, CommandOutcome.NOT_REGISTERED]
        assert [event for _, changes in registrar.told[1:] for event in changes] == [
            (KEY, "shortened", None),
            (KEY, "probation", 9),
        ]
        # no command is executed twice, and none that was abandoned
        register(registrar)
        operator.submit_command(IMPI, CommandAction.DEREGISTER, reason="rejected", now=registrar.now - 61)
        poller.handle_timeout(now=5.25)
        poller.handle_timeout(now=5.5)  # the database has not changed since
        assert hss.bindings(IMPI, now=registrar.now)
        assert poller.next_timeout() == 5.75


async def test_a_running_scscf_executes_a_command_at_once(running, tmp_path) -> None:
    with Hss(tmp_path / "hss.db", realm="ims.example") as operator:
        number = operator.submit_command(IMPI, CommandAction.DEREGISTER, reason="deactivated", now=1e9)
        await until(lambda: operator.command_outcome(number) is not None)
        assert operator.command_outcome(number) is CommandOutcome.DONE
        assert operator.bindings(IMPI, now=1e9) == []


async def test_expired_bindings_are_removed(running):
    running.bind("bob", expires_at=1e9 - 1)
    running.scscf.expiry.handle_timeout(now=0)
    assert [binding.impi for binding in running.hss.bindings("bob@ims.example", now=0)] == []
    assert running.scscf.expiry.next_timeout() == 60.0


async def test_a_shorter_binding_advances_the_deadline(running):
    """A binding that ends while the next look is a minute away ends in time."""
    expiry, now = running.scscf.expiry, running.scscf.node.driver.now
    expiry.handle_timeout(now=now)
    assert expiry.next_timeout() == now + 60
    running.send("REGISTER", "sip:ims.example", VOUCHED_FOR, CONTACT, "Expires: 7")
    await running.peer.expect("SIP/2.0 200")
    assert 7 <= expiry.next_timeout() - now < 17
    running.scscf.location_service.reauthenticate("bob@ims.example", within=2, now=1e9)
    assert 2 <= expiry.next_timeout() - now < 12
    running.scscf.location_service.deregister("bob@ims.example", ContactEvent.REJECTED, now=1e9)
    assert 2 <= expiry.next_timeout() - now < 12


async def test_bindings_end_when_the_database_can_be_written_again(running, hold, caplog):
    running.bind("bob", expires_at=1e9 - 1)
    other = hold(running.hss)
    running.scscf.expiry.handle_timeout(now=0)
    assert running.scscf.expiry.next_timeout() == 5.0
    assert "database is locked" in caplog.text
    other.rollback()
    running.scscf.expiry.handle_timeout(now=5.0)
    assert running.hss.bindings("bob@ims.example", now=0) == []
