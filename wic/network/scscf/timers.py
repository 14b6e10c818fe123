"""Timer sources of the S-CSCF: expiry of bindings, and polling for operator commands.

Both watch a database that other processes change as well, so neither relies on its own memory: a deadline only says
when to look again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from wic.errors import StorageFailed
from wic.network.hss import CommandAction, CommandOutcome
from wic.oauth.clocks import ClockWatch
from wic.registration.reg_event.reginfo import ContactEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wic.network.hss import Hss, OperatorCommand
    from wic.network.scscf.location_service import BindingChange, LocationService

_log = logging.getLogger(__name__)

_LONGEST_SLEEP = 60.0
_SHORTEST_SLEEP = 0.1
_POLL_INTERVAL = 0.25
_RETRY_INTERVAL = 5.0
"""Seconds to wait after the database could not be written."""


class BindingExpiry:
    """Ends the bindings that have expired; a timer source of the driver, and a `BindingObserver`."""

    def __init__(
        self, hss: Hss, location_service: LocationService, wall_clock: Callable[[], float], clock: Callable[[], float]
    ) -> None:
        self._hss = hss
        self._location_service = location_service
        self._wall_clock = wall_clock  # seconds of the epoch, in which bindings end
        self._clock = clock  # of the driver
        self._due = clock()
        self._fault = ""  # of the database, as long as it lasts
        self._watch = ClockWatch(wall=wall_clock(), monotonic=clock())

    def changed(self, impi: str, changes: Sequence[BindingChange], *, now: float) -> None:
        """Advance the deadline for a binding that ends before it."""
        ends = [change.binding.expires_at for change in changes if not change.event.terminates]
        if ends:
            self._due = min(self._due, self._clock() + max(_SHORTEST_SLEEP, min(ends) - now))

    def next_timeout(self) -> float:
        """Return the time at which the next binding may end."""
        return self._due

    def handle_timeout(self, *, now: float) -> None:
        """End the expired bindings, and set the next deadline."""
        wall = self._wall_clock()
        jump = self._watch.look(wall=wall, monotonic=self._clock())
        if jump is not None:
            _log.warning("the time of day has jumped %s: registrations of before end by the new time", jump)
        # First of all, so that an unforeseen error does not make the timer fire without end.
        self._due = now + _RETRY_INTERVAL
        try:
            self._location_service.expire(now=wall)
            following = self._hss.next_expiry()
        except StorageFailed as error:
            if self._fault != str(error):  # once: it may stay for hours
                _log.error("expired bindings stay: %s", error)
            self._fault = str(error)
            return
        self._fault = ""
        # Another process may store a binding that ends earlier, and the time of day may be set: look every minute.
        wait = _LONGEST_SLEEP if following is None else following - wall
        self._due = now + min(_LONGEST_SLEEP, max(_SHORTEST_SLEEP, wait))


class OperatorCommandPoller:
    """Executes operator commands of other processes; a timer source of the driver.

    It reads the table only if another connection has written to the database since the last time.
    """

    def __init__(
        self, hss: Hss, location_service: LocationService, wall_clock: Callable[[], float], *, due: float
    ) -> None:
        self._hss = hss
        self._location_service = location_service
        self._wall_clock = wall_clock
        self._due = due  # by the driver's clock
        self._seen: int | None = None
        self._fault = ""  # of the database, as long as it lasts

    def next_timeout(self) -> float:
        """Return the time at which to look next."""
        return self._due

    def handle_timeout(self, *, now: float) -> None:
        """Execute the pending commands."""
        self._due = now + _POLL_INTERVAL
        try:
            seen = self._hss.data_version()
            if seen == self._seen:
                return
            wall = self._wall_clock()
            for command in self._hss.pending_commands(now=wall):
                was_registered = self._execute(command, wall)
                outcome = CommandOutcome.DONE if was_registered else CommandOutcome.NOT_REGISTERED
                self._hss.complete_command(command.number, outcome)
        except StorageFailed as error:
            if self._fault != str(error):  # once: it may stay for hours
                _log.error("operator commands wait: %s", error)
            self._fault = str(error)
            self._due = now + _RETRY_INTERVAL
        else:
            self._fault = ""
            # Changes of this connection do not count, so that completing commands does not start the next look.
            self._seen = seen

    def _execute(self, command: OperatorCommand, now: float) -> bool:
        """Execute a command; return whether the subscriber was registered."""
        _log.info("operator command: %s %s", command.action.value, command.impi)
        match command.action:
            case CommandAction.DEREGISTER:
                event = ContactEvent(command.reason)
                retry_after = command.seconds if event is ContactEvent.PROBATION else None
                return self._location_service.deregister(command.impi, event, retry_after=retry_after, now=now)
            case CommandAction.REAUTHENTICATE:
                return self._location_service.reauthenticate(command.impi, within=command.seconds, now=now)
