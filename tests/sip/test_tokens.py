from __future__ import annotations

from wic.sip.tokens import MAGIC_COOKIE, CountingTokens, branch, call_id, tag


def test_counting_tokens_replay() -> None:
    one, other = CountingTokens("x"), CountingTokens("x")
    assert [one.hex(4) for _ in range(3)] == [other.hex(32) for _ in range(3)] == ["x1", "x2", "x3"]


def test_what_is_made_of_tokens() -> None:
    tokens = CountingTokens()
    assert branch(tokens) == f"{MAGIC_COOKIE}t1"
    assert (tag(tokens), call_id(tokens)) == ("t2", "t3")
