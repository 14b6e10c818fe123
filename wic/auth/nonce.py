"""Nonces that a server can check without keeping them, and the counts that show a replay."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

_WINDOW = 64  # counts that may come out of order
_SALT = 12  # octets
_MAC = 16  # octets
_STAMP = 8  # octets, in milliseconds


@dataclass(frozen=True, slots=True)
class NonceFactory:
    """Maker of nonces out of time, random octets and a keyed hash over both (RFC 7616 §3.3)."""

    key: bytes = field(repr=False)  # secret, at least 16 octets
    lifetime: float = field(default=300.0, kw_only=True)  # seconds for which a nonce is good

    def __post_init__(self) -> None:
        if len(self.key) < 16:
            raise ValueError("a nonce key has at least 16 octets")

    def make(self, salt: str, *, now: float) -> str:
        """Return a nonce; `salt` is random, so that two nonces of one moment differ."""
        stamp = max(0, int(now * 1000)).to_bytes(_STAMP, "big")
        part = stamp + hashlib.sha256(salt.encode()).digest()[:_SALT]
        return base64.b64encode(part + self._mac(part)).decode()

    def issued(self, nonce: str, *, now: float) -> float | None:
        """Return when a nonce was made, in seconds; None if it is not ours or too old."""
        try:
            octets = base64.b64decode(nonce.encode("ascii"), validate=True)
        except (ValueError, binascii.Error):
            return None
        part, mac = octets[: _STAMP + _SALT], octets[_STAMP + _SALT :]
        if not hmac.compare_digest(mac, self._mac(part)):  # constant time: no MAC can be guessed octet by octet
            return None
        issued = int.from_bytes(part[:_STAMP], "big") / 1000
        return issued if issued - 0.001 <= now <= issued + self.lifetime else None  # the stamp is rounded to 1 ms

    def _mac(self, part: bytes) -> bytes:
        return hmac.digest(self.key, part, "sha256")[:_MAC]


class CountWindow(NamedTuple):
    """Counts of one nonce that were used: the highest, and those up to 63 before it."""

    highest: int = 0
    bits: int = 0

    def use(self, count: int) -> CountWindow | None:
        """Return the window after a count was used; None if it was before, or is too far behind."""
        ahead = count - self.highest
        if ahead > 0:
            bits = ((self.bits << ahead) | 1) & ((1 << _WINDOW) - 1) if ahead < _WINDOW else 1
            return CountWindow(count, bits)
        bit = 1 << -ahead if -ahead < _WINDOW else 0
        return CountWindow(self.highest, self.bits | bit) if bit and not self.bits & bit else None


UNUSED = CountWindow()
"""The window of a fresh nonce."""


@dataclass(slots=True, eq=False, repr=False)
class ReplayGuard:
    """Used counts of nonces, in bounded memory.

    Only nonces that a right response was made with are kept, so that clients without the password cannot
    fill the table. A nonce that had to be forgotten, and every older one, counts as used up.
    """

    capacity: int = 65536
    _seen: OrderedDict[str, tuple[CountWindow, float]] = field(default_factory=OrderedDict, init=False)
    _forgotten: float = field(default=-1.0, init=False)  # when the newest nonce that is not remembered was made

    def use(self, nonce: str, count: int, issued: float) -> bool:
        """Mark a count of a nonce as used; return whether it was still free.

        Counts may come out of order by up to 63.
        """
        # A nonce that is not in the table is new, or was forgotten: then it is at most as old as what was forgotten last.
        window, _ = self._seen.get(nonce, (UNUSED, issued))
        if window == UNUSED and issued <= self._forgotten:
            return False
        used = window.use(count)
        if used is None:
            return False
        self._seen[nonce] = used, issued
        self._seen.move_to_end(nonce)
        if len(self._seen) > self.capacity:
            _, (_, oldest) = self._seen.popitem(last=False)
            self._forgotten = max(self._forgotten, oldest)
        return True
