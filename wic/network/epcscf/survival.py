"""What becomes of a registered WIC whose connection goes, and of one that comes back over another."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Protocol

from wic.network.epcscf.associations import same_binding
from wic.network.epcscf.flow_tokens import Owner
from wic.sip.headers.address import NameAddr
from wic.sip.timers import TimerQueue

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from wic.network.epcscf.associations import Association, DeviceKey
    from wic.network.epcscf.parts import Parts
    from wic.network.epcscf.sessions import Sessions
    from wic.sip.flow import Flow
    from wic.sip.timers import ScheduledTimer
    from wic.sip.uri import Uri

_log = logging.getLogger(__name__)

_LONGEST_PAUSE = 600.0
"""The longest Retry-After in seconds for which a connection is kept; who is to wait longer comes back over another."""


class Watcher(Protocol):
    """Who watches the registration state of users at their registrar (TS 24.229 §5.2.3)."""

    def watch(self, impi: str, impu: str, path: Uri, *, now: float) -> None:
        """Begin, or go on; the user has just registered."""
        ...

    def keep(self, impi: str, impus: Collection[str], *, now: float) -> None:
        """End, but for these default public user identities: with the others nobody is registered here any more."""
        ...


@dataclass(frozen=True, slots=True)
class _Absence:
    """A connection that is gone, and who may come back from it."""

    until: float
    awaited: dict[str, tuple[DeviceKey, ...]]
    """By private identity, the devices by which it is known again."""


class Survival:
    """Keeps the calls of a WIC for a while after its connection broke.

    Who comes back is known by private identity, instance and reg-id, all in a REGISTER that the core has accepted:
    somebody else who only claims the same instance gets nothing.

    Args:
        parts: of the eP-CSCF.
        sessions: the calls.
        watcher: is told who is registered here.
    """

    def __init__(self, parts: Parts, sessions: Sessions, watcher: Watcher | None = None) -> None:
        self._parts = parts
        self._sessions = sessions
        self._watcher = watcher
        self._absent: dict[Flow, _Absence] = {}  # in the order of their ends
        self._awaited: dict[DeviceKey, Flow] = {}
        self._waits: Counter[str] = Counter()  # for each private identity
        self._timers = TimerQueue()
        self._looks: dict[Flow, ScheduledTimer] = {}  # when to see whether anybody is registered over a connection

    def is_absent(self, owner: Owner) -> bool:
        """Tell whether a WIC has lost its connection and may come back."""
        absence = self._absent.get(owner.flow)
        return absence is not None and owner.impi in absence.awaited

    def may_return(self, owner: Owner, *, now: float) -> bool:
        """Tell whether a WIC whose connection is gone is or will be waited for."""
        own = self._parts.associations.over(owner.flow, owner.impi)
        return self.is_absent(owner) or self._waits_for(own, now)

    # registrations

    def registered(self, association: Association, *, now: float) -> None:
        """Take a new or refreshed association, with the calls of the connection that it replaces."""
        before = self._parts.associations.store(association)
        before |= {self._awaited[key] for key in association.devices if key in self._awaited}
        for old in before - {association.flow}:
            self._move(association.impi, old, association.flow, now)
        self._look_later(association.flow, now)
        if self._watcher is not None:
            path = self._parts.path(association.flow)
            self._watcher.watch(association.impi, association.impus[0], path, now=now)

    def _move(self, impi: str, old: Flow, new: Flow, now: float) -> None:
        """Let dialogs and calls go on over a new connection, and end the old one (RFC 5626 §6: it is replaced)."""
        _log.info("%s goes on over %s instead of %s", impi, new, old)
        here, there = Owner(old, impi), Owner(new, impi)
        self._parts.tokens.move(here, there)
        self._parts.dialogs.move(here, there)
        self._sessions.move(here, there, now=now)
        self._await_no_more(here)
        for association in self._parts.associations.over(old, impi):
            self._parts.associations.remove(association)
        if not self._parts.associations.over(old):
            self._hang_up(old, "registered over another connection")

    def removed(self, association: Association, *, now: float) -> None:
        """Drop an association that the core has ended (TS 24.371 §6A.3, TS 24.229 §5.2.5.1 and §5.2.5.2).

        Transactions that are pending over its connection end by themselves, and calls may still be ended.
        """
        self._parts.associations.remove(association)
        self._look_later(association.flow, now)
        self._unwatch(association.impi, now)

    def terminated(self, impi: str, impu: str, contacts: Iterable[Uri], *, now: float) -> None:
        """Drop what the registrar says has ended, by its reg event package (TS 24.229 §5.2.5.2).

        Args:
            impi: whose registration.
            impu: the default public user identity of the set that has ended; a contact may serve other sets as well.
            contacts: of the bindings that are gone.
            now: the time.
        """
        ended = [NameAddr("", uri) for uri in contacts]
        for association in self._parts.associations.under(impi):
            if association.impus[0] != impu:
                continue
            if any(same_binding(own, each) for own in association.contacts for each in ended):
                _log.info("the network has deregistered %s", association.impu)
                self.removed(association, now=now)

    def _unwatch(self, impi: str, now: float) -> None:
        if self._watcher is not None and not self._waits[impi]:
            here = {association.impus[0] for association in self._parts.associations.under(impi)}
            self._watcher.keep(impi, here, now=now)

    # connections

    def opened(self, flow: Flow, *, now: float) -> None:
        """Take note of a connection, over which somebody should register soon."""
        self._look_later(flow, now)

    def told_to_wait(self, flow: Flow, pause: float, *, now: float) -> None:
        """Take note that the core has told a WIC to register later: it may wait over the connection it has."""
        self._look_later(flow, now + min(pause, _LONGEST_PAUSE))

    def _look_later(self, flow: Flow, now: float) -> None:
        """Look at a connection when a registration over it expires; if there is none, after a while."""
        ends = [association.expires_at for association in self._parts.associations.over(flow)]
        self._look_no_more(flow)
        at = min(ends, default=now + self._parts.options.linger)
        self._looks[flow] = self._timers.schedule(at, partial(self._look, flow))

    def _look_no_more(self, flow: Flow) -> None:
        timer = self._looks.pop(flow, None)
        if timer is not None:
            timer.cancel()

    def _look(self, flow: Flow, now: float) -> None:
        """Drop what has expired, and hang up where nobody was registered for a while; a call may go on."""
        registered = self._parts.associations.over(flow)
        for association in registered:
            if association.expires_at <= now:
                _log.info("the registration of %s has expired", association.impu)
                self.removed(association, now=now)
        if registered or self._sessions.over(flow):
            self._look_later(flow, now)
        else:
            self._look_no_more(flow)
            self._hang_up(flow, "nobody is registered over this connection")

    def flow_closed(self, flow: Flow, *, now: float) -> None:
        """Wait for the WICs of a connection that is gone, and end the calls of those who cannot come back.

        It may be told more than once: again with each message for which the connection would have been needed.
        """
        gone: dict[str, list[Association]] = {}
        for association in self._parts.associations.over(flow):
            self._parts.associations.remove(association)
            gone.setdefault(association.impi, []).append(association)
        self._await(flow, gone, now)
        awaited = self._absent[flow].awaited if flow in self._absent else {}
        self._look_no_more(flow)
        self._parts.tokens.close(flow, awaited.keys())
        self._parts.dialogs.close(flow, awaited.keys())
        self._sessions.flow_closed(flow, awaited.keys())
        for impi in gone.keys() - awaited.keys():
            self._unwatch(impi, now)

    def _await(self, flow: Flow, gone: dict[str, list[Association]], now: float) -> None:
        awaited = {
            impi: tuple(key for each in associations for key in each.devices)
            for impi, associations in gone.items()
            if self._waits_for(associations, now)
        }
        if awaited:
            self._waits.update(awaited.keys())
            self._absent[flow] = _Absence(now + self._parts.options.grace, awaited)
            self._awaited |= dict.fromkeys((key for keys in awaited.values() for key in keys), flow)

    def _waits_for(self, associations: Iterable[Association], now: float) -> bool:
        known_again = any(each.devices and each.expires_at > now for each in associations)
        return known_again and self._parts.options.grace > 0

    def _await_no_more(self, wic: Owner) -> None:
        absence = self._absent.get(wic.flow)
        if absence is None or wic.impi not in absence.awaited:
            return
        self._waits -= Counter([wic.impi])
        for key in absence.awaited.pop(wic.impi, ()):
            if self._awaited.get(key) == wic.flow:
                del self._awaited[key]
        if not absence.awaited:
            del self._absent[wic.flow]

    def _hang_up(self, flow: Flow, reason: str) -> None:
        connection = self._parts.node.driver.connection(flow)
        if connection is not None:
            self._parts.tasks.start(connection.close(reason))

    # time (a `TimerSource` of the driver)

    def next_timeout(self) -> float | None:
        """Return when the next wait is over."""
        absence = next(iter(self._absent.values()), None)
        look = self._timers.next_timeout()
        if absence is None or look is None:
            return look if absence is None else absence.until
        return min(absence.until, look)

    def handle_timeout(self, *, now: float) -> None:
        """End the calls of WICs that did not come back, and connections over which nobody is registered."""
        for gone in list(takewhile(lambda flow: self._absent[flow].until <= now, self._absent)):
            for wic in [Owner(gone, impi) for impi in self._absent[gone].awaited]:
                _log.info("%s did not come back", wic.impi)
                self._await_no_more(wic)
                self._parts.tokens.forget(wic)
                self._parts.dialogs.forget(wic)
                self._sessions.abandon(wic)
                self._unwatch(wic.impi, now)
        self._timers.handle_timeout(now)
