"""Web users and their passwords."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.network.waf.users import PasswordVerifier, hash_password, verify_password

if TYPE_CHECKING:
    from wic.network.waf import Waf


async def test_passwords_that_may_wait() -> None:
    check = PasswordVerifier(cost=16)
    assert not check.is_busy
    waiting = [asyncio.create_task(check.verify(Secret("x"), None)) for _ in range(32)]
    await asyncio.sleep(0)
    assert check.is_busy
    assert await asyncio.gather(*waiting) == [False] * 32
    assert not check.is_busy


def test_passwords_are_kept_as_salted_hashes() -> None:
    stored = hash_password(Secret("correct horse"), cost=16)
    assert "correct" not in stored
    assert stored != hash_password(Secret("correct horse"), cost=16)
    assert verify_password(Secret("correct horse"), stored)
    assert not verify_password(Secret("Correct horse"), stored)


@pytest.mark.parametrize(
    ("name", "password", "impi", "impus"),
    [
        ("", "x", "a@b", ["sip:a@b"]),
        ("n" * 129, "x", "a@b", ["sip:a@b"]),
        (" a", "x", "a@b", ["sip:a@b"]),
        ("a\n", "x", "a@b", ["sip:a@b"]),
        ("a", "", "a@b", ["sip:a@b"]),
        ("a", "x" * 1025, "a@b", ["sip:a@b"]),
        ("a", "x", "", ["sip:a@b"]),
        ("a", "x", "a b", ["sip:a@b"]),
        ("a", "x", "a@b", []),
        ("a", "x", "a@b", ["a@b"]),
        ("a", "x", "a@b", ["sip:a@b\r\n"]),
    ],
)
async def test_malformed_users(waf: Waf, name: str, password: str, impi: str, impus: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        waf.store.users.add(name, Secret(password), impi, impus)
    assert [user.name for user in waf.store.users.all()] == ["carol"]
