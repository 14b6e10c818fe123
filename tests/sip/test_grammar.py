from __future__ import annotations

import pytest

from wic.sip.errors import MalformedHeader
from wic.sip.grammar import is_token, split_list


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", [""]),
        ("one", ["one"]),
        ("one,two ,\tthree", ["one", "two", "three"]),
        ('"a, b" <sip:a@x>, <sip:b,c@x>;q="1,2"', ['"a, b" <sip:a@x>', '<sip:b,c@x>;q="1,2"']),
        (r'"a\", b", c', [r'"a\", b"', "c"]),
        ('"<", ">"', ['"<"', '">"']),
    ],
)
def test_lists_are_split_outside_quotes_and_brackets(text: str, items: list[str]) -> None:
    assert split_list(text) == items


@pytest.mark.parametrize("text", [",", "a,", ",a", "a, ,b", 'a,"b', "a,<b", '"a", b"', r'a,"\"'])
def test_broken_lists_are_refused(text: str) -> None:
    with pytest.raises(MalformedHeader):
        split_list(text)


def test_tokens() -> None:
    assert is_token("z9hG4bK-.!%*_+`'~")
    assert not is_token("")
    assert not is_token("a b")
    assert not is_token("naïve")
