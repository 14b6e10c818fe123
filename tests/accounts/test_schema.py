from __future__ import annotations

import pytest

from wic.accounts.schema import SECRETS, SETTINGS, AuthScheme, ValueKind, environment_variable, is_kept, keys_of


def test_every_key_belongs_to_one_scheme_or_to_all() -> None:
    parts = [keys_of(auth) for auth in (None, *AuthScheme)]
    assert sum(map(len, parts)) == len(frozenset().union(*parts))
    assert frozenset().union(*parts) >= SETTINGS.keys()


def test_a_secret_may_stand_in_a_file_or_a_variable() -> None:
    assert SECRETS == ("password", "k", "op", "opc", "client_secret", "token")
    assert keys_of(AuthScheme.DIGEST) == {"password", "password_file", "password_env"}
    assert environment_variable("k") == "WIC_K"


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_defaults_are_of_their_kind(setting) -> None:
    kinds = {ValueKind.NUMBER: int, ValueKind.FLAG: bool, ValueKind.LIST: tuple}
    assert setting.default == "" or isinstance(setting.default, kinds.get(setting.kind, str))
    assert not setting.choices or setting.default in ("", *setting.choices)
    assert setting.meaning
    assert not setting.meaning.endswith(".")


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ("server", False),
        ("k_file", False),
        ("password_env", False),
        ("expires", True),
        ("bearer_in", False),
        ("colour", True),
    ],
)
def test_new_credentials_leave_preferences(key: str, kept: bool) -> None:
    assert is_kept(key, AuthScheme.AKA) is kept
