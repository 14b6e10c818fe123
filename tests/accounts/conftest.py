"""Settings of accounts that work, to be changed by tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

Settings = dict[str, object]

K = "465b5ce8b199b49faa5f0a2ee238a6bc"
OPC = "cd63cb71954a9f4e48a5994e37a02baf"


@pytest.fixture
def digest_settings() -> Callable[..., Settings]:
    """Make the settings of an account with a password; a change to None takes a key away."""

    def make(**changes: object) -> Settings:
        plain: Settings = {"server": "wss://h.example/", "impu": "sip:a@h.example", "impi": "a@h.example"}
        if changes.keys().isdisjoint({"auth", "password_file", "password_env"}):
            plain["password"] = "sesame"
        return {key: value for key, value in (plain | changes).items() if value is not None}

    return make


@pytest.fixture
def aka_settings(digest_settings: Callable[..., Settings]) -> Callable[..., Settings]:
    """Make the settings of an account with a USIM."""
    return lambda **changes: digest_settings(**({"auth": "aka", "k": K, "opc": OPC} | changes))


@pytest.fixture
def bearer_settings(digest_settings: Callable[..., Settings]) -> Callable[..., Settings]:
    """Make the settings of an account of a web user."""
    return lambda **changes: digest_settings(**({"auth": "bearer", "waf": "https://waf.example"} | changes))
