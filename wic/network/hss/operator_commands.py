"""What an operator orders from another process, for the S-CSCF that runs to do (TS 24.229 §5.4.1.5, §5.4.1.6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from wic.network.hss.database import Database

_FORGOTTEN_AFTER = 60.0
"""Seconds after which nobody waits for an order any more."""


class CommandAction(Enum):
    """What is to be done to a subscriber."""

    DEREGISTER = "deregister"
    REAUTHENTICATE = "reauthenticate"


class CommandOutcome(Enum):
    """What came of an order."""

    DONE = "done"
    NOT_REGISTERED = "not registered"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorCommand:
    """An order that waits."""

    number: int
    impi: str
    action: CommandAction
    reason: str = ""
    """Of a deregistration: an event of RFC 3680 §5.3."""
    seconds: int = 0
    """After which to register again (`probation`), or until when to have done so (a new proof)."""


class OperatorCommands(Database):
    """The table of orders."""

    def submit_command(
        self, impi: str, action: CommandAction, *, reason: str = "", seconds: int = 0, now: float
    ) -> int:
        """Write an order down; return its number.

        Args:
            impi: whom it is about.
            action: what is to be done.
            reason: see `OperatorCommand`.
            seconds: see `OperatorCommand`.
            now: seconds of the epoch.
        """
        with self.transaction() as db:
            row = db.execute(
                "INSERT INTO orders (impi, action, reason, seconds, given_at) VALUES (?, ?, ?, ?, ?) RETURNING number",
                (impi, action.value, reason, seconds, now),
            ).fetchone()
            return int(row[0])

    def pending_commands(self, *, now: float) -> list[OperatorCommand]:
        """Return the orders that nobody has done yet; those too old for anybody to wait for are dropped."""
        with self.transaction() as db:
            db.execute("DELETE FROM orders WHERE given_at < ?", (now - _FORGOTTEN_AFTER,))
            rows = db.execute(
                "SELECT number, impi, action, reason, seconds FROM orders WHERE outcome IS NULL ORDER BY number"
            ).fetchall()
        return [
            OperatorCommand(number=number, impi=impi, action=CommandAction(action), reason=reason, seconds=seconds)
            for number, impi, action, reason, seconds in rows
        ]

    def complete_command(self, number: int, outcome: CommandOutcome) -> None:
        """Say what came of an order."""
        with self.transaction() as db:
            db.execute("UPDATE orders SET outcome = ? WHERE number = ?", (outcome.value, number))

    def command_outcome(self, number: int) -> CommandOutcome | None:
        """Return what came of an order; None if nobody has done it yet."""
        row = self._db.execute("SELECT outcome FROM orders WHERE number = ?", (number,)).fetchone()
        return None if row is None or row[0] is None else CommandOutcome(row[0])

    def delete_command(self, number: int) -> None:
        """Forget an order, done or not."""
        with self.transaction() as db:
            db.execute("DELETE FROM orders WHERE number = ?", (number,))
