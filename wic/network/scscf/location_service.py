"""Location service of the home domain (RFC 3261 §10): the only place that changes bindings of registered users.

A binding comes, changes and ends by a REGISTER, by the passing of time, or by the network itself (TS 24.229 §5.4.1.5,
§5.4.1.6). The state of a registration is its bindings in the HSS; every change to one is an event of RFC 3680 §4.7.1, and
the table `BINDING` says which event may follow in which state. A change is committed in the HSS first, and told to the
observers then: what has been notified survives a crash.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby
from typing import TYPE_CHECKING, Final, Protocol

from wic.registration.reg_event.reginfo import ContactEvent
from wic.sip.state_table import StateTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wic.network.hss import Hss, StoredBinding

_log = logging.getLogger(__name__)


class BindingState(Enum):
    """State of a binding at the S-CSCF."""

    INIT = "Init"
    ACTIVE = "Active"
    TERMINATED = "Terminated"


BINDING: Final = StateTable(
    name="Binding at the S-CSCF",
    clause="RFC 3680 §4.7.2",
    initial=BindingState.INIT,
    final=BindingState.TERMINATED,
    rows={
        (BindingState.INIT, ContactEvent.REGISTERED): BindingState.ACTIVE,
        (BindingState.ACTIVE, ContactEvent.REFRESHED): BindingState.ACTIVE,
        (BindingState.ACTIVE, ContactEvent.SHORTENED): BindingState.ACTIVE,
        (BindingState.ACTIVE, ContactEvent.UNREGISTERED): BindingState.TERMINATED,
        (BindingState.ACTIVE, ContactEvent.EXPIRED): BindingState.TERMINATED,
        (BindingState.ACTIVE, ContactEvent.DEACTIVATED): BindingState.TERMINATED,
        (BindingState.ACTIVE, ContactEvent.PROBATION): BindingState.TERMINATED,
        (BindingState.ACTIVE, ContactEvent.REJECTED): BindingState.TERMINATED,
    },
)


@dataclass(frozen=True, slots=True)
class BindingChange:
    """Change of one binding."""

    binding: StoredBinding
    """As it is after the change, or as it was before it ended."""
    event: ContactEvent
    retry_after: int | None = None
    """Seconds to wait before registering again, with `PROBATION`."""


class BindingObserver(Protocol):
    """Observer of changes, told after the HSS has committed them."""

    def changed(self, impi: str, changes: Sequence[BindingChange], *, now: float) -> None:
        """Take note of changes to the bindings of one subscriber, at least one; `now` is in seconds of the epoch."""
        ...


class LocationService:
    """Changes bindings, and tells the observers."""

    def __init__(self, hss: Hss) -> None:
        self._hss = hss
        self._observers: list[BindingObserver] = []

    def add_observer(self, observer: BindingObserver) -> None:
        """Tell an observer of changes from now on."""
        self._observers.append(observer)

    # By a REGISTER

    def change(
        self, impi: str, changes: Sequence[BindingChange], *, known: Iterable[StoredBinding], now: float
    ) -> None:
        """Change bindings of one subscriber; those of one registration set together, or not at all.

        Args:
            impi: private identity of the subscriber.
            changes: no two of the same binding.
            known: the bindings that it has now.
            now: seconds of the epoch.

        Raises:
            StorageFailed: the HSS cannot store them.
        """
        active = {(each.registration_set, each.key) for each in known}
        done: list[BindingChange] = []
        try:
            for number, group in groupby(changes, key=lambda change: change.binding.registration_set):
                # An event that the table does not have in this state is a mistake of this program, and changes nothing.
                store, remove, together = [], [], list(group)
                for change in together:
                    state = BindingState.ACTIVE if (number, change.binding.key) in active else BindingState.INIT
                    if self._move(state, change) is BindingState.ACTIVE:
                        store.append(change.binding)
                    else:
                        remove.append(change.binding.key)
                self._hss.change_bindings(impi, store=store, remove=remove, registration_set=number)
                done += together
        finally:
            self._tell(impi, done, now)  # also if the next set cannot be stored: what is stored will not change again

    # By time

    def expire(self, *, now: float) -> None:
        """End the bindings that have expired.

        Raises:
            StorageFailed: the HSS cannot store it.
        """
        for impi, bindings in groupby(self._hss.expire(now=now), key=lambda binding: binding.impi):
            changes = [BindingChange(binding, ContactEvent.EXPIRED) for binding in bindings]
            for change in changes:
                self._move(BindingState.ACTIVE, change)
            self._tell(impi, changes, now)

    # By the network

    def flow_failed(self, binding: StoredBinding, *, now: float) -> None:
        """End a binding whose flow has failed, unless it has got another one in the meantime (RFC 5626 §7).

        Raises:
            StorageFailed: the HSS cannot store it.
        """
        known = self._hss.bindings(binding.impi, registration_set=binding.registration_set, now=now)
        if any((each.key, each.path) == (binding.key, binding.path) for each in known):
            _log.info("the flow of a binding of %s has failed", binding.impi)
            ended = BindingChange(binding, ContactEvent.DEACTIVATED)
            self.change(binding.impi, [ended], known=known, now=now)

    def deregister(self, impi: str, event: ContactEvent, *, retry_after: int | None = None, now: float) -> bool:
        """End all bindings of a subscriber; return whether there was any (TS 24.229 §5.4.1.5).

        The event tells the UE whether it may register again; with `PROBATION` it waits `retry_after` seconds before.

        Raises:
            StorageFailed: the HSS cannot store it.
        """
        known = self._hss.bindings(impi, now=now)
        self.change(impi, [BindingChange(each, event, retry_after) for each in known], known=known, now=now)
        return bool(known)

    def reauthenticate(self, impi: str, *, within: int, now: float) -> bool:
        """Demand that a subscriber authenticates again; return whether it is registered (TS 24.229 §5.4.1.6).

        Args:
            impi: private identity of the subscriber.
            within: seconds after which its bindings end if it does not.
            now: seconds of the epoch.

        Raises:
            StorageFailed: the HSS cannot store it.
        """
        known = self._hss.bindings(impi, now=now)
        # A demand never makes a registration longer.
        shorter = [replace(each, prove=True, expires_at=min(each.expires_at, now + within)) for each in known]
        changes = [BindingChange(each, ContactEvent.SHORTENED) for each in shorter]
        self.change(impi, changes, known=known, now=now)
        return bool(known)

    def _move(self, state: BindingState, change: BindingChange) -> BindingState:
        following = BINDING.rows[state, change.event]
        _log.debug("%s: %s, %s -> %s", change.binding.contact, change.event.value, state.value, following.value)
        return following

    def _tell(self, impi: str, changes: Sequence[BindingChange], now: float) -> None:
        if changes:
            for observer in self._observers:
                observer.changed(impi, changes, now=now)
