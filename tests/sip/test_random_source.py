from __future__ import annotations

from wic.sip.random_source import CountingSource, call_id, tag


def test_counting_tokens_replay() -> None:
    one, other = CountingSource("x"), CountingSource("x")
    assert [one.hex(4) for _ in range(3)] == [other.hex(32) for _ in range(3)] == ["x1", "x2", "x3"]


def test_tags_and_call_ids_come_from_the_source() -> None:
    random_source = CountingSource()
    assert (tag(random_source), call_id(random_source)) == ("t1", "t2")
