"""What the S-CSCF does by itself: it ends bindings in time, and does what an operator orders."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from wic.errors import StorageFailed
from wic.network.hss import CommandAction, CommandOutcome
from wic.registration.reg_event.reginfo import ContactEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wic.network.hss import Hss, OperatorCommand
    from wic.network.scscf.changes import BindingChange
    from wic.network.scscf.network_deregistration import Removals

_log = logging.getLogger(__name__)

_LONGEST_SLEEP = 60.0
_SHORTEST_SLEEP = 0.1
_LOOK_EVERY = 0.25
_TRY_AGAIN = 5.0
"""After the database could not be written."""


class Expiry:
    """Removes bindings whose time is over; a timer source of the driver, and a `BindingObserver`.

    The HSS may be changed by another process, so it is looked at again after a minute at most.
    """

    def __init__(
        self, hss: Hss, removals: Removals, wall_clock: Callable[[], float], *, clock: Callable[[], float]
    ) -> None:
        self._hss = hss
        self._removals = removals
        self._wall_clock = wall_clock
        self._clock = clock
        self._due = clock()

    def changed(self, impi: str, changes: Sequence[BindingChange], *, now: float) -> None:
        """Wake up for a binding that ends before the next look."""
        ends = [change.binding.expires_at for change in changes if not change.event.terminates]
        if ends:
            self._due = min(self._due, self._clock() + max(_SHORTEST_SLEEP, min(ends) - now))

    def next_timeout(self) -> float | None:
        """Return when the next binding may end."""
        return self._due

    def handle_timeout(self, *, now: float) -> None:
        """Remove what is over."""
        wall = self._wall_clock()
        self._due = now + _TRY_AGAIN
        try:
            self._removals.expire(now=wall)
        except StorageFailed as error:
            _log.error("bindings whose time is over stay: %s", error)
            return
        following = self._hss.next_expiry()
        wait = _LONGEST_SLEEP if following is None else following - wall
        self._due = now + min(_LONGEST_SLEEP, max(_SHORTEST_SLEEP, wait))


class OrderBook:
    """Does what other processes have ordered; a timer source of the driver.

    It looks into the table only if somebody else has written to the database since the last time.
    """

    def __init__(self, hss: Hss, removals: Removals, wall_clock: Callable[[], float], *, due: float) -> None:
        self._hss = hss
        self._removals = removals
        self._wall_clock = wall_clock
        self._due = due
        self._seen: int | None = None

    def next_timeout(self) -> float | None:
        """Return when to look next."""
        return self._due

    def handle_timeout(self, *, now: float) -> None:
        """Do what was ordered."""
        self._due = now + _LOOK_EVERY
        seen = self._hss.data_version()
        if seen == self._seen:
            return
        try:
            self._carry_out_all(self._wall_clock())
        except StorageFailed as error:
            _log.error("orders wait: %s", error)
            self._due = now + _TRY_AGAIN
        else:
            self._seen = seen

    def _carry_out_all(self, now: float) -> None:
        for order in self._hss.pending_commands(now=now):
            registered = self._carry_out(order, now)
            self._hss.complete_command(
                order.number, CommandOutcome.DONE if registered else CommandOutcome.NOT_REGISTERED
            )

    def _carry_out(self, order: OperatorCommand, now: float) -> bool:
        """Do it; return whether the subscriber was registered."""
        _log.info("ordered to %s %s", order.action.value, order.impi)
        match order.action:
            case CommandAction.DEREGISTER:
                event = ContactEvent(order.reason)
                retry_after = order.seconds if event is ContactEvent.PROBATION else None
                return self._removals.deregister(order.impi, event, retry_after=retry_after, now=now)
            case CommandAction.REAUTHENTICATE:
                return self._removals.reauthenticate(order.impi, within=order.seconds, now=now)
