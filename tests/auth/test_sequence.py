from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.auth import SequenceArray, SequenceCounter, SequenceRules
from wic.auth.sequence import Freshness

HIGHEST = 2**48 - 1


def sqn(seq: int, ind: int = 0) -> int:
    return seq << 5 | ind


def array(**entries: int) -> SequenceArray:
    """An array with some entries, such as `i3=7`."""
    return SequenceArray(tuple(entries.get(f"i{ind}", 0) for ind in range(32)))


def test_a_number_is_fresh_once() -> None:
    before = SequenceArray()
    assert before.judge(sqn(1, 3)) is Freshness.FRESH
    after = before.accepted(sqn(1, 3))
    assert after.judge(sqn(1, 3)) is Freshness.USED
    assert after.judge(sqn(2, 3)) is Freshness.FRESH
    assert before == SequenceArray()


def test_each_index_has_its_own_past() -> None:
    """TS 33.102 §C.2.2: vectors that were fetched by several nodes may be used out of order."""
    late = array(i1=100)
    assert late.judge(sqn(7, 2)) is Freshness.FRESH
    assert late.judge(sqn(100, 1)) is Freshness.USED
    assert late.judge(sqn(0, 2)) is Freshness.USED


def test_a_jump_is_limited() -> None:
    """§C.2.1: delta, by the highest of all."""
    highest = array(i1=1000)
    assert highest.judge(sqn(1000 + 2**28, 5)) is Freshness.FRESH
    assert highest.judge(sqn(1001 + 2**28, 5)) is Freshness.TOO_FAR
    assert highest.judge(sqn(1003, 5), SequenceRules(delta=2)) is Freshness.TOO_FAR


def test_the_age_may_be_limited() -> None:
    """§C.2.2: L."""
    limited = SequenceRules(age_limit=10)
    assert array(i1=100).judge(sqn(91, 2), limited) is Freshness.FRESH
    assert array(i1=100).judge(sqn(90, 2), limited) is Freshness.TOO_OLD


def test_an_array_at_its_end_takes_nothing_any_more() -> None:
    end = SequenceArray((2**43 - 1,) * 32)
    assert end.sqn_ms >> 5 == 2**43 - 1
    assert end.judge(0) is Freshness.USED
    assert end.judge(HIGHEST) is Freshness.USED


def test_sqn_ms_is_the_highest_accepted() -> None:
    assert SequenceArray().sqn_ms == 0
    assert SequenceArray().accepted(sqn(9, 4)).accepted(sqn(7, 30)).sqn_ms == sqn(9, 4)


def test_an_array_of_one_entry_knows_no_index() -> None:
    assert SequenceArray((0,)).accepted(77).sqn_ms == 77


@pytest.mark.parametrize("entries", [(), (0,) * 3, (0,) * 2**17, (-1,), (2**43,) + (0,) * 31])
def test_arrays_that_cannot_be(entries: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="sequence array"):
        SequenceArray(entries)


@given(st.lists(st.integers(0, HIGHEST), max_size=30))
def test_nothing_is_accepted_twice(numbers: list[int]) -> None:
    state, accepted = SequenceArray(), []
    for number in numbers * 2:
        if state.judge(number) is Freshness.FRESH:
            state = state.accepted(number)
            accepted.append(number)
    assert len(accepted) == len(set(accepted))
    assert state.sqn_ms >> 5 == max((number >> 5 for number in accepted), default=0)


def test_a_counter_takes_one_index_after_the_other() -> None:
    counter = SequenceCounter()
    for expected in (sqn(1, 1), sqn(2, 2), sqn(3, 3)):
        counter = counter.next()
        assert counter.sqn == expected
    assert SequenceCounter(sqn(40, 31)).next().sqn == sqn(41, 0)


def test_a_counter_begins_anew_at_its_end() -> None:
    assert SequenceCounter(HIGHEST).next().sqn == 0


@pytest.mark.parametrize(
    ("counter", "sqn_ms", "after"),
    [
        (sqn(5), sqn(9, 3), sqn(9, 3)),  # behind: it goes where the USIM is
        (sqn(5), sqn(5, 3), sqn(5)),  # the next one is fresh
        (sqn(2**30), sqn(5), sqn(5)),  # so far ahead that the USIM does not follow
        (sqn(2**28 + 4), sqn(5), sqn(2**28 + 4)),
        (sqn(2**28 + 5), sqn(5), sqn(5)),
    ],
)
def test_resynchronisation(counter: int, sqn_ms: int, after: int) -> None:
    """TS 33.102 §6.3.5: a counter that is ahead is not set back, or an old AUTS would make numbers come again."""
    assert SequenceCounter(counter).resynchronised(sqn_ms).sqn == after


@given(sqn_he=st.integers(0, HIGHEST), seen=st.integers(0, HIGHEST - 32))
def test_after_a_resynchronisation_the_next_number_is_fresh(sqn_he: int, seen: int) -> None:
    usim = SequenceArray().accepted(seen)
    following = SequenceCounter(sqn_he).resynchronised(usim.sqn_ms).next()
    assert usim.judge(following.sqn) is Freshness.FRESH
