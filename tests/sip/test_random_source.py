from __future__ import annotations

from wic.sip.random_source import CountingSource


def test_counting_tokens_replay() -> None:
    one, other = CountingSource("x"), CountingSource("x")
    assert [one.hex(4) for _ in range(3)] == [other.hex(32) for _ in range(3)] == ["x1", "x2", "x3"]
