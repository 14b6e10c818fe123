from __future__ import annotations

import pytest

from wic.auth import FUNCTION_SETS, Milenage, Secret, Tuak, make_functions, parse_key
from wic.errors import ConfigurationError


def test_keys_are_hexadecimal() -> None:
    assert parse_key("k", Secret("00ff" * 8)) == b"\x00\xff" * 8
    assert parse_key("k", Secret("00FF " * 16), sizes=(16, 32)) == b"\x00\xff" * 16


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("secretsecretsecretsecretsecretse", "k has to be written in hexadecimal digits"),
        ("c0ffee", "k has 32 or 64 hexadecimal digits, not 6"),
        ("", "k has 32 or 64 hexadecimal digits, not 0"),
    ],
)
def test_a_malformed_key_is_explained_without_showing_it(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as failed:
        parse_key("k", Secret(text), sizes=(16, 32))
    assert str(failed.value) == words
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__ or failed.value.__context__ is None


def test_function_sets() -> None:
    assert isinstance(make_functions("milenage", bytes(16), op=bytes(16)), Milenage)
    assert isinstance(make_functions("tuak", bytes(32), opc=bytes(32)), Tuak)
    assert FUNCTION_SETS == ("milenage", "tuak")
    with pytest.raises(
        ConfigurationError, match="'comp128' is not a set of AKA functions; choose among milenage, tuak"
    ):
        make_functions("comp128", bytes(16), op=bytes(16))
