from collections import Counter

import pytest

from wic.sip.timers import Timer
from wic.sip.transaction.tables import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    TABLES,
    TransactionInput,
    TransactionState,
    TransactionTable,
)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
class TestEveryTable:
    def test_no_state_has_two_rows_for_one_input(self, table: TransactionTable) -> None:
        assert max(Counter((row.state, row.input) for row in table.rows).values()) == 1

    def test_every_state_can_be_reached(self, table: TransactionTable) -> None:
        reached, new = set(), {table.initial}
        while new:
            reached |= new
            new = {row.next for row in table.rows if row.state in reached} - reached
        assert reached == set(table.live)

    def test_every_state_can_be_left_for_the_end(self, table: TransactionTable) -> None:
        leading = {TransactionState.TERMINATED}
        while True:
            more = {row.state for row in table.rows if row.next in leading} | leading
            if more == leading:
                break
            leading = more
        assert leading == set(table.live)

    def test_nothing_happens_after_the_end(self, table: TransactionTable) -> None:
        assert not any(row.state is TransactionState.TERMINATED for row in table.rows)

    def test_a_timer_is_started_only_where_it_means_something(self, table: TransactionTable) -> None:
        assert set(table.timers) <= table.live[table.initial]
        for row in table.rows:
            assert set(row.timers) <= table.live[row.next], row


def test_live_timers_are_those_with_rows() -> None:
    assert INVITE_CLIENT.live[TransactionState.CALLING] == {Timer.A, Timer.B}
    assert INVITE_CLIENT.live[TransactionState.TERMINATED] == set()
    assert INVITE_CLIENT.by_input[TransactionState.CALLING, TransactionInput.SUCCESS].next is TransactionState.ACCEPTED


def test_silent_states_are_those_that_tell_nothing_more() -> None:
    done = {TransactionState.COMPLETED, TransactionState.TERMINATED}
    assert INVITE_CLIENT.silent == NON_INVITE_CLIENT.silent == NON_INVITE_SERVER.silent == done
    assert INVITE_SERVER.silent == {TransactionState.CONFIRMED, TransactionState.TERMINATED}
