"""Operator commands in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.network.hss import CommandAction, CommandOutcome, OperatorCommand

if TYPE_CHECKING:
    from wic.network.hss import Hss

IMPI = "alice@ims.example"


def test_a_command_is_pending_until_it_has_an_outcome(hss: Hss) -> None:
    number = hss.submit_command(IMPI, CommandAction.DEREGISTER, reason="rejected", now=10.0)
    deregister = OperatorCommand(number=number, impi=IMPI, action=CommandAction.DEREGISTER, reason="rejected")
    assert hss.pending_commands(now=70.0) == [deregister]
    assert hss.command_outcome(number) is None
    hss.complete_command(number, CommandOutcome.DONE)
    assert hss.command_outcome(number) is CommandOutcome.DONE
    assert hss.pending_commands(now=70.0) == []
    hss.delete_command(number)
    assert hss.command_outcome(number) is None


def test_an_abandoned_command_is_deleted(hss: Hss) -> None:
    hss.submit_command(IMPI, CommandAction.DEREGISTER, reason="rejected", now=9.0)
    assert hss.pending_commands(now=70.0) == []
