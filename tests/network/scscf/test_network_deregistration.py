"""What the network does to bindings by itself (TS 24.229 §5.4.1.5, §5.4.1.6), and on an operator's order."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from wic.network.hss import CommandAction, CommandOutcome, Hss
from wic.network.scscf.timers import OrderBook
from wic.registration.reg_event.reginfo import ContactEvent

IMPI = "alice@ims.example"
KEY = "sip:alice@host.invalid"
pytestmark = pytest.mark.usefixtures("with_password")


def register(desk, *lines: str, **more: str) -> None:
    assert desk.register(desk.digest("auth-done"), *lines, **more).startswith("SIP/2.0 200 ")


def test_a_deregistration_tells_why(make_desk, hss) -> None:
    desk = make_desk()
    register(desk)
    register(desk, contact="<sip:alice@other.invalid>", call_id="c2")
    assert desk.removals.deregister(IMPI, ContactEvent.PROBATION, retry_after=30, now=desk.now)
    assert hss.bindings(IMPI, now=desk.now) == []
    told = [(KEY, "probation", 30), ("sip:alice@other.invalid", "probation", 30)]
    assert desk.told[-1] == (IMPI, told)
    assert not desk.removals.deregister(IMPI, ContactEvent.REJECTED, now=desk.now)


def test_a_new_proof_is_wanted_before_long(make_desk, header, hss) -> None:
    desk = make_desk()
    register(desk)
    assert desk.register(desk.digest("tls-yes")).startswith("SIP/2.0 200 ")
    assert desk.removals.reauthenticate(IMPI, within=60, now=desk.now)
    assert desk.told[-1] == (IMPI, [(KEY, "shortened", None)])
    assert [binding.expires_at - desk.now for binding in hss.bindings(IMPI, now=desk.now)] == [60]
    challenged = desk.register(desk.digest("tls-yes"))
    assert challenged.startswith("SIP/2.0 401 ")
    answer = desk.answer(header(challenged, "WWW-Authenticate")[0], b"sesame", "tls-yes")
    assert desk.register(answer).startswith("SIP/2.0 200 ")
    assert desk.register(desk.digest("tls-yes")).startswith("SIP/2.0 200 ")


def test_a_registration_is_never_made_longer(make_desk, hss) -> None:
    desk = make_desk()
    register(desk, "Expires: 60")
    desk.removals.reauthenticate(IMPI, within=600, now=desk.now)
    assert [binding.expires_at - desk.now for binding in hss.bindings(IMPI, now=desk.now)] == [60]
    assert not desk.removals.reauthenticate("bob@ims.example", within=60, now=desk.now)


def test_a_failed_flow_leaves_the_one_that_replaced_it(make_desk, hss) -> None:
    desk = make_desk()
    register(desk)
    (binding,) = hss.bindings(IMPI, now=desk.now)
    desk.removals.flow_failed(replace(binding, path=("<sip:old@192.0.2.1;lr;ob>",)), now=desk.now)
    assert hss.bindings(IMPI, now=desk.now) == [binding]
    desk.removals.flow_failed(binding, now=desk.now)
    assert hss.bindings(IMPI, now=desk.now) == []
    assert desk.told[-1] == (IMPI, [(KEY, "deactivated", None)])


def test_orders_wait_until_the_database_can_be_written(make_desk, hss, hold, caplog) -> None:
    desk = make_desk()
    register(desk)
    number = hss.submit_command(IMPI, CommandAction.DEREGISTER, reason="rejected", now=desk.now)
    book = OrderBook(hss, desk.removals, lambda: desk.now, due=0.0)
    other = hold(hss)
    book.handle_timeout(now=1.0)
    assert hss.command_outcome(number) is None
    assert "database is locked" in caplog.text
    assert book.next_timeout() == 6.0
    other.rollback()
    book.handle_timeout(now=6.0)
    assert hss.command_outcome(number) is CommandOutcome.DONE


def test_orders_of_another_process_are_carried_out(make_desk, hss, tmp_path) -> None:
    desk = make_desk()
    register(desk)
    book = OrderBook(hss, desk.removals, lambda: desk.now, due=5.0)
    assert book.next_timeout() == 5.0
    with Hss(tmp_path / "hss.db", realm="ims.example") as operator:
        numbers = [
            operator.submit_command(IMPI, CommandAction.REAUTHENTICATE, seconds=60, now=desk.now),
            operator.submit_command(IMPI, CommandAction.DEREGISTER, reason="probation", seconds=9, now=desk.now),
            operator.submit_command(IMPI, CommandAction.DEREGISTER, reason="rejected", now=desk.now),
        ]
        book.handle_timeout(now=5.0)
        outcomes = [operator.command_outcome(number) for number in numbers]
        assert outcomes == [CommandOutcome.DONE, CommandOutcome.DONE, CommandOutcome.NOT_REGISTERED]
        assert [event for _, changes in desk.told[1:] for event in changes] == [
            (KEY, "shortened", None),
            (KEY, "probation", 9),
        ]
        # nothing is done twice, and nothing that nobody waits for
        register(desk)
        operator.submit_command(IMPI, CommandAction.DEREGISTER, reason="rejected", now=desk.now - 61)
        book.handle_timeout(now=5.25)
        book.handle_timeout(now=5.5)  # nobody has written anything since
        assert hss.bindings(IMPI, now=desk.now)
        assert book.next_timeout() == 5.75


async def test_a_running_scscf_sees_an_order_at_once(world, tmp_path) -> None:
    with Hss(tmp_path / "hss.db", realm="ims.example") as operator:
        number = operator.submit_command(IMPI, CommandAction.DEREGISTER, reason="deactivated", now=1e9)
        async with asyncio.timeout(2):
            while operator.command_outcome(number) is None:  # noqa: ASYNC110 - another process has no events either
                await asyncio.sleep(0.02)
        assert operator.command_outcome(number) is CommandOutcome.DONE
        assert operator.bindings(IMPI, now=1e9) == []
