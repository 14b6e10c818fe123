"""What becomes of a registered WIC whose connection goes, and of one that comes back over another."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Protocol

from wic.network.epcscf.associations import same_binding
from wic.network.epcscf.flow_tokens import Owner
from wic.sip.headers.address import NameAddr

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wic.network.epcscf.associations import Association, Associations, DeviceKey
    from wic.network.epcscf.flow_tokens import FlowTokens
    from wic.network.epcscf.options import EPcscfOptions
    from wic.network.epcscf.sessions import Sessions
    from wic.network.node import Node
    from wic.network.tasks import Tasks
    from wic.sip.flow import Flow
    from wic.sip.uri import Uri

_log = logging.getLogger(__name__)


class Watcher(Protocol):
    """Who watches the registration state of users at their registrar (TS 24.229 §5.2.3)."""

    def watch(self, impi: str, impu: str, *, now: float) -> None:
        """Begin, or go on; the user has just registered."""
        ...

    def forget(self, impi: str, *, now: float) -> None:
        """End; the user is registered here no more."""
        ...


@dataclass(frozen=True, slots=True)
class _Absence:
    """A WIC without connection that may come back."""

    until: float
    associations: tuple[Association, ...]


class Survival:
    """Keeps the calls of a WIC for a while after its connection broke.

    Who comes back is known by private identity, instance and reg-id, all in a REGISTER that the core has accepted:
    somebody else who only claims the same instance gets nothing.

    Args:
        node: the eP-CSCF's shell.
        associations: who is registered.
        tokens: what leads to connections.
        sessions: the calls.
        tasks: owns the ends of connections.
        options: how long to wait.
        watcher: is told who is registered here.
    """

    def __init__(
        self,
        node: Node,
        associations: Associations,
        tokens: FlowTokens,
        sessions: Sessions,
        tasks: Tasks,
        options: EPcscfOptions,
        watcher: Watcher | None = None,
    ) -> None:
        self._node = node
        self._associations = associations
        self._tokens = tokens
        self._sessions = sessions
        self._tasks = tasks
        self._options = options
        self._watcher = watcher
        self._absent: dict[Owner, _Absence] = {}  # in the order of their ends
        self._awaited: dict[DeviceKey, Owner] = {}
        self._idle: dict[Flow, float] = {}  # likewise

    def is_absent(self, owner: Owner) -> bool:
        """Tell whether a WIC has lost its connection and may come back."""
        return owner in self._absent

    # registrations

    def registered(self, association: Association, *, now: float) -> None:
        """Take a new or refreshed association, with the calls of the connection that it replaces."""
        before = self._associations.store(association)
        before |= {self._awaited[key].flow for key in association.devices if key in self._awaited}
        for old in before - {association.flow}:
            self._move(association.impi, old, association.flow, now)
        self._idle.pop(association.flow, None)
        if self._watcher is not None:
            self._watcher.watch(association.impi, association.impus[0], now=now)

    def _move(self, impi: str, old: Flow, new: Flow, now: float) -> None:
        """Let dialogs and calls go on over a new connection, and end the old one (RFC 5626 §6: it is replaced)."""
        _log.info("%s goes on over %s instead of %s", impi, new, old)
        here, there = Owner(old, impi), Owner(new, impi)
        self._tokens.move(here, there)
        self._sessions.move(here, there, now=now)
        self._forget_absence(here)
        for association in self._associations.over(old, impi):
            self._associations.remove(association)
        if not self._associations.over(old):
            self._hang_up(old, "registered over another connection")

    def removed(self, association: Association, *, now: float) -> None:
        """Drop an association that the core has ended (TS 24.371 §6A.3, TS 24.229 §5.2.5.1 and §5.2.5.2).

        Transactions that are pending over its connection end by themselves, and calls may still be ended.
        """
        self._associations.remove(association)
        if not self._associations.over(association.flow):
            self._linger(association.flow, now)
        self._unwatch(association.impi, now)

    def terminated(self, impi: str, contacts: Iterable[Uri], *, now: float) -> None:
        """Drop what the registrar says has ended, by its reg event package (TS 24.229 §5.2.5.2)."""
        ended = [NameAddr("", uri) for uri in contacts]
        for association in self._associations.under(impi):
            if any(same_binding(own, each) for own in association.contacts for each in ended):
                _log.info("the network has deregistered %s", association.impu)
                self.removed(association, now=now)

    def _linger(self, flow: Flow, now: float) -> None:
        self._idle.pop(flow, None)
        self._idle[flow] = now + self._options.linger

    def _unwatch(self, impi: str, now: float) -> None:
        waiting = any(owner.impi == impi for owner in self._absent)
        if self._watcher is not None and not waiting and not self._associations.under(impi):
            self._watcher.forget(impi, now=now)

    # connections

    def flow_closed(self, flow: Flow, *, now: float) -> None:
        """Wait for the WICs of a connection that is gone, and end the calls of those who cannot come back."""
        until = now + self._options.grace
        gone: dict[str, list[Association]] = {}
        for association in self._associations.over(flow):
            self._associations.remove(association)
            gone.setdefault(association.impi, []).append(association)
        awaited = {
            impi: tuple(associations)
            for impi, associations in gone.items()
            if until > now and any(each.devices and each.expires_at > now for each in associations)
        }
        self._idle.pop(flow, None)
        self._tokens.close(flow, awaited.keys())
        for impi, associations in awaited.items():
            self._absent[Owner(flow, impi)] = _Absence(until, associations)
            self._awaited |= {key: Owner(flow, impi) for each in associations for key in each.devices}
        self._sessions.flow_closed(flow, awaited.keys())
        for impi in gone.keys() - awaited.keys():
            self._unwatch(impi, now)

    def _forget_absence(self, owner: Owner) -> None:
        absence = self._absent.pop(owner, None)
        for association in absence.associations if absence is not None else ():
            for key in association.devices:
                if self._awaited.get(key) == owner:
                    del self._awaited[key]

    def _hang_up(self, flow: Flow, reason: str) -> None:
        for connection in self._node.driver.connections:
            if connection.flow == flow:
                self._tasks.start(connection.close(reason))

    # time (a `TimerSource` of the driver)

    def next_timeout(self) -> float | None:
        """Return when the next wait is over."""
        waits = [absence.until for absence in list(self._absent.values())[:1]]
        waits += list(self._idle.values())[:1]
        return min(waits, default=None)

    def handle_timeout(self, *, now: float) -> None:
        """End the calls of WICs that did not come back, and connections over which nobody is registered any more."""
        for owner in list(takewhile(lambda owner: self._absent[owner].until <= now, self._absent)):
            _log.info("%s did not come back", owner.impi)
            self._forget_absence(owner)
            self._tokens.forget(owner)
            self._sessions.abandon(owner)
            self._unwatch(owner.impi, now)
        for flow in list(takewhile(lambda flow: self._idle[flow] <= now, self._idle)):
            if self._sessions.over(flow):
                self._linger(flow, now)
            else:
                del self._idle[flow]
                self._hang_up(flow, "nobody is registered over this connection any more")
