from __future__ import annotations

import pytest

from wic.sip.subscription.tables import NOTIFIER, SUBSCRIBER, NotifierState, SubscriberState


@pytest.mark.parametrize(("table", "states"), [(SUBSCRIBER, SubscriberState), (NOTIFIER, NotifierState)])
def test_every_state_is_reached_and_left(table, states) -> None:
    assert {table.initial, *table.rows.values()} == set(states)
    assert {state for state, _ in table.rows} >= set(states) - {states.TERMINATED}


def test_a_notifier_does_not_rise_again() -> None:
    assert all(state is not NotifierState.TERMINATED for state, _ in NOTIFIER.rows)
