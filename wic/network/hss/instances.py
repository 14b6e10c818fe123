"""Instances of a registered UE, which GRUUs lead to (RFC 5627)."""

from __future__ import annotations

import os
from dataclasses import dataclass

from wic.network.hss.database import Database

_KEY_OCTETS = 64


@dataclass(frozen=True, slots=True)
class Instance:
    """A UE with at least one binding."""

    number: int
    """Never given twice; another Call-ID brings another one."""
    impi: str
    registration_set: int
    instance: str
    """The value of `+sip.instance`, with its angle brackets."""
    first_cseq: int
    """CSeq of the first REGISTER since which temporary GRUUs are valid (RFC 5628 §5.2)."""


class Instances(Database):
    """The table of instances; a trigger removes one together with its last binding."""

    def instance_of(self, impi: str, registration_set: int, instance: str) -> Instance | None:
        """Return an instance of a registered subscriber."""
        row = self._db.execute(
            "SELECT number, impi, registration_set, instance, first_cseq FROM instance"
            " WHERE impi = ? AND registration_set = ? AND instance = ?",
            (impi, registration_set, instance),
        ).fetchone()
        return None if row is None else Instance(*row)

    def instance(self, number: int) -> Instance | None:
        """Return the instance with this number; None if it is gone."""
        row = self._db.execute(
            "SELECT number, impi, registration_set, instance, first_cseq FROM instance WHERE number = ?", (number,)
        ).fetchone()
        return None if row is None else Instance(*row)

    def gruu_key(self) -> bytes:
        """Return what temporary GRUUs are sealed with: made once, so that they outlive a restart."""
        with self.transaction() as db:
            db.execute("INSERT OR IGNORE INTO secret VALUES ('gruu', ?)", (os.urandom(_KEY_OCTETS),))
            (value,) = db.execute("SELECT value FROM secret WHERE name = 'gruu'").fetchone()
            return bytes(value)
