from __future__ import annotations

from wic.sip.random_source import MAGIC_COOKIE, CountingSource, branch, call_id, tag


def test_counting_tokens_replay() -> None:
    one, other = CountingSource("x"), CountingSource("x")
    assert [one.hex(4) for _ in range(3)] == [other.hex(32) for _ in range(3)] == ["x1", "x2", "x3"]


def test_what_is_made_of_tokens() -> None:
    random_source = CountingSource()
    assert branch(random_source) == f"{MAGIC_COOKIE}t1"
    assert (tag(random_source), call_id(random_source)) == ("t2", "t3")
