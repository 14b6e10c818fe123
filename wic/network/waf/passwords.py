"""Passwords, hashed with scrypt (RFC 7914)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.auth.secret import Secret

COST = 2**15
"""scrypt's N: 32 MB and some 80 ms for each guess."""
BLOCK = 8
PARALLEL = 1
MEMORY = 256 * 2**20
MAX_PASSWORD = 1024
"""Longest password that is hashed, in characters."""
AT_ONCE = 2
"""Passwords that are checked at the same time."""
WAITING = 32
"""Passwords that may wait for it; a flood must not become a queue without end."""


def hash_password(password: Secret, *, cost: int = COST) -> str:
    """Return what is stored of a password."""
    salt = secrets.token_bytes(16)
    return f"scrypt${cost}${_encode(salt)}${_encode(_scrypt(password, salt, cost))}"


def verify_password(password: Secret, stored: str) -> bool:
    """Tell whether a password is the one that was stored."""
    _, cost, salt, expected = stored.split("$")
    computed = _scrypt(password, base64.b64decode(salt), int(cost))
    return hmac.compare_digest(computed, base64.b64decode(expected))


class PasswordCheck:
    """Checks passwords beside the event loop, and works as long for a user who is not there.

    Args:
        cost: scrypt's N for the password of nobody; that of the others, so that both take the same time.
    """

    def __init__(self, *, cost: int = COST) -> None:
        self._waiting = 0
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._nobody = f"scrypt${cost}${_encode(secrets.token_bytes(16))}${_encode(bytes(32))}"

    @property
    def is_busy(self) -> bool:
        """Tell whether too many passwords wait already."""
        return self._waiting >= WAITING

    async def verify(self, password: Secret, stored: str | None) -> bool:
        """Tell whether a password is right; None is stored for a user who is not there."""
        self._waiting += 1
        try:
            async with self._slots:
                work = partial(verify_password, password, stored or self._nobody)
                right = await asyncio.get_running_loop().run_in_executor(None, work)
        finally:
            self._waiting -= 1
        return right and stored is not None


def _scrypt(password: Secret, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(password.reveal().encode(), salt=salt, n=cost, r=BLOCK, p=PARALLEL, dklen=32, maxmem=MEMORY)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
