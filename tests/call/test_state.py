from __future__ import annotations

import pytest

from wic.call import CallState
from wic.call.state import INCOMING_CALL, OUTGOING_CALL, CallInput


def reached(table, start):
    states = {start}
    while more := {after for (state, _), after in table.rows.items() if state in states} - states:
        states |= more
    return states


@pytest.mark.parametrize("table", [OUTGOING_CALL, INCOMING_CALL])
def test_a_call_can_end_from_every_state_and_goes_nowhere_after(table):
    for state in reached(table, table.initial) - {table.final}:
        assert table.rows[state, CallInput.OVER] is CallState.ENDED
    assert reached(table, table.final) == {CallState.ENDED}


def test_the_two_machines_have_every_state_between_them():
    outgoing, incoming = (reached(table, table.initial) for table in (OUTGOING_CALL, INCOMING_CALL))
    assert outgoing | incoming == set(CallState)
    assert outgoing & incoming == {CallState.CONFIRMED, CallState.ENDING, CallState.ENDED}


def test_no_bye_is_sent_before_a_dialog_is_confirmed():
    """RFC 3261 §15: the callee must not send a BYE on an early dialog, nor before the ACK."""
    assert {state for state, given in INCOMING_CALL.rows if given is CallInput.BYE} == {
        CallState.ACCEPTED,  # the ACK never came: §13.3.1.4
        CallState.CONFIRMED,
    }
