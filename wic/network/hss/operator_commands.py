"""Operator commands to a running S-CSCF: deregistration and re-authentication (TS 24.229 §5.4.1.5, §5.4.1.6).

The operator's command line is another process. It writes a command into the database that both have open, waits for
the outcome, and deletes the command; the S-CSCF polls the table and executes what it finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from wic.network.sqlite_file import SqliteFile

_ABANDONED_AFTER = 60.0
"""Seconds after which the process that gave a command does not wait for it any more."""


class CommandAction(Enum):
    """Action of an operator command."""

    DEREGISTER = "deregister"
    REAUTHENTICATE = "reauthenticate"


class CommandOutcome(Enum):
    """Outcome of an operator command."""

    DONE = "done"
    NOT_REGISTERED = "not registered"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorCommand:
    """Operator command that is not executed yet."""

    number: int
    impi: str
    action: CommandAction
    reason: str = ""
    """Reason of a deregistration: an event of RFC 3680 §4.7.1."""
    seconds: int = 0
    """Wait before registering again (`probation`), or time left to authenticate (`REAUTHENTICATE`)."""


class OperatorCommands(SqliteFile):
    """Table of operator commands; in the database it is called `orders`."""

    def submit_command(
        self, impi: str, action: CommandAction, *, reason: str = "", seconds: int = 0, now: float
    ) -> int:
        """Store a command about a subscriber, given at `now`, in seconds of the epoch; return its number."""
        with self.transaction() as db:
            row = db.execute(
                "INSERT INTO orders (impi, action, reason, seconds, given_at) VALUES (?, ?, ?, ?, ?) RETURNING number",
                (impi, action.value, reason, seconds, now),
            ).fetchone()
            return int(row[0])

    def pending_commands(self, *, now: float) -> list[OperatorCommand]:
        """Return the commands that are not executed yet; abandoned ones are deleted."""
        # A process that was killed cannot delete its command. An S-CSCF that starts within that time still executes it,
        # as the operator asked for; one that starts later, perhaps after days, must not.
        with self.transaction() as db:
            db.execute("DELETE FROM orders WHERE given_at < ?", (now - _ABANDONED_AFTER,))
            rows = db.execute(
                "SELECT number, impi, action, reason, seconds FROM orders WHERE outcome IS NULL ORDER BY number"
            ).fetchall()
        return [
            OperatorCommand(number=number, impi=impi, action=CommandAction(action), reason=reason, seconds=seconds)
            for number, impi, action, reason, seconds in rows
        ]

    def complete_command(self, number: int, outcome: CommandOutcome) -> None:
        """Store the outcome of a command."""
        with self.transaction() as db:
            # One that was deleted meanwhile, because its process waits no longer, stays deleted.
            db.execute("UPDATE orders SET outcome = ? WHERE number = ?", (outcome.value, number))

    def command_outcome(self, number: int) -> CommandOutcome | None:
        """Return the outcome of a command; None while it is not executed."""
        row = self.row("SELECT outcome FROM orders WHERE number = ?", number)
        return None if row is None or row[0] is None else CommandOutcome(row[0])

    def delete_command(self, number: int) -> None:
        """Delete a command, executed or not."""
        with self.transaction() as db:
            db.execute("DELETE FROM orders WHERE number = ?", (number,))
