"""Tables of the eP-CSCF's machines: complete, and without a way out of the end."""

from __future__ import annotations

import pytest

from wic.network.epcscf.tables import LEG, UE, LegInput, LegState, UeInput, UeState


@pytest.mark.parametrize(("table", "states", "inputs"), [(UE, UeState, UeInput), (LEG, LegState, LegInput)])
def test_every_state_is_reached_and_only_the_final_one_is_never_left(table, states, inputs):
    assert {table.initial, *table.rows.values()} == set(states)
    assert {state for state, _ in table.rows} == set(states) - {table.final}
    assert {given for _, given in table.rows} == set(inputs)


@pytest.mark.parametrize("state", [state for state in LegState if state is not LegState.ENDED])
def test_a_call_can_end_at_any_time(state):
    assert LEG.rows[state, LegInput.END] is LegState.ENDED


def test_a_registration_brings_a_ue_back_from_every_state_but_the_end():
    registered = {state: UE.rows.get((state, UeInput.REGISTERED)) for state in UeState}
    assert registered.pop(UeState.GONE) is None
    assert set(registered.values()) == {UeState.REGISTERED}
