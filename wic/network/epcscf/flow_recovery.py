"""Flow recovery: what becomes of UEs and calls as W2 connections open, break, and are replaced (RFC 5626).

A connection over which nothing is registered, not yet or not any more, is closed after a while, unless it has a call. A
UE whose connection breaks is waited for: its dialogs and its confirmed calls go on over the connection by which it comes
back. It is recognised by private identity, instance and reg-id, all of them in a REGISTER that the core has accepted;
the instance alone is no secret, for every Contact shows it.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from wic.network.epcscf.tables import LegState, UeInput, UeState
from wic.sip.flow import REPLACED
from wic.sip.headers.address import NameAddr
from wic.sip.timers import TimerQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wic.network.epcscf.association import AssociatedContact, Association
    from wic.network.epcscf.call_legs import CallLegs
    from wic.network.epcscf.context import EPcscfContext
    from wic.network.epcscf.reg_event import ContactsEnded, RegEventWatcher
    from wic.network.epcscf.ue import RegisteredUe, UeIndex, W2Connection
    from wic.sip.flow import Flow

_log = logging.getLogger(__name__)

_LONGEST_PAUSE = 600.0
"""Longest Retry-After in seconds for which a connection is kept; a UE that waits longer comes back over another one."""
_CONNECTION_GONE = "the connection of the WIC is gone"


class FlowRecovery:
    """Lifetimes of connections, registrations and absences."""

    def __init__(
        self, context: EPcscfContext, ues: UeIndex, legs: CallLegs, watcher: RegEventWatcher | None = None
    ) -> None:
        self._context = context
        self._ues = ues
        self._legs = legs
        self._watcher = watcher  # None subscribes to the registration state of no UE
        self.timers = TimerQueue()
        """Ends of registrations, idle connections and absences; a `TimerSource` of the driver."""

    def may_return(self, ue: RegisteredUe, *, now: float) -> bool:
        """Tell whether a UE whose connection is gone is or will be waited for."""
        return ue.state is UeState.ABSENT or (self._context.options.grace > 0 and ue.can_be_recognized(now=now))

    # registrations

    def registered(self, association: Association, connection: W2Connection, *, now: float) -> None:
        """Take a new or refreshed association, with the UE that comes back by it."""
        current = association.without(
            [each.contact for each in association.bound if self._is_overtaken(association, each)]
        )
        if current is None:
            _log.info("overtaken: %s from %s", association, connection.address)
            return
        association = current
        for device in association.devices:
            elsewhere = self._ues.of_device(device)
            if elsewhere is not None and elsewhere.connection is not connection:
                self._come_back(elsewhere, connection, now)
        ue = connection.ues.get(association.impi)
        earlier = None if ue is None else ue.associations.get(association.impu)
        known = earlier and earlier.unexpired(now=now)
        told = (association, connection.address, association.expires_at - now)
        if known is None:
            _log.info("registered: %s from %s for %.0f s", *told)
        else:
            _log.debug("refreshed: %s from %s for %.0f s", *told)
        self._ues.store(association if known is None else association.joined(known), connection)
        self._check_later(connection, now)
        # TS 24.229 §5.2.3: once for each set; the watcher knows whether it has done so.
        if self._watcher is not None:
            path = self._context.path(connection)
            self._watcher.watch(association.impi, association.impus[0], path, now=now)
            if earlier is not None and earlier.impus[0] != association.impus[0]:
                self._stop_watching(association.impi, now)  # the network has made another identity the default one

    def _is_overtaken(self, association: Association, bound: AssociatedContact) -> bool:
        """Tell whether the core has bound a device anew since, and the answer to that came first (RFC 5626 §6)."""
        device = bound.device(association.impi)
        ue = None if device is None else self._ues.of_device(device)
        return ue is not None and device is not None and bound.order < ue.devices[device]

    def _come_back(self, ue: RegisteredUe, connection: W2Connection, now: float) -> None:
        """Let a UE go on over another connection, and close the one that it replaces (RFC 5626 §6)."""
        old = ue.connection
        _log.info("UE %s comes back over %s", ue.impi, connection.flow)
        if ue.grace is not None:
            ue.grace.cancel()
            ue.grace = None
        ue = self._ues.move(ue, connection)
        # The far ends of these calls have had their 200; the WIC still shows the calls.
        while ue.missed_byes:
            self._context.node.endpoint.send_request(ue.missed_byes.pop(0), connection.flow, now=now)
        # Of several identity sets those that do not come along are not registered here any more.
        self.timers.schedule(now + self._context.options.linger, partial(self._stop_watching, ue.impi))
        # Other users may be registered over the old connection.
        if old is not None and not old.associations:
            self._hang_up(old.flow, REPLACED)

    def removed(self, ue: RegisteredUe, association: Association, *, now: float) -> None:
        """Drop an association that the core has ended (TS 24.371 §6A.3, TS 24.229 §5.2.5.1 and §5.2.5.2).

        Transactions that are pending over its connection end by themselves, and calls may still be ended.
        """
        connection = ue.connection
        self._ues.drop(ue, association)
        if ue.is_finished(now=now):
            self._ues.remove(ue, UeInput.FINISHED)
        if connection is not None:
            self._check_later(connection, now)
        self._stop_watching(ue.impi, now)

    def contacts_removed(
        self, ue: RegisteredUe, association: Association, gone: Sequence[NameAddr], *, by: str, now: float
    ) -> None:
        """Let an association go on with the contacts that it has left, or end with the last one; `by` is for the log."""
        left = association.without(gone)
        if left is None:
            _log.info("deregistered by %s: %s", by, association)
            self.removed(ue, association, now=now)
        elif ue.connection is not None:
            self._ues.store(left, ue.connection)

    def contacts_ended(self, event: ContactsEnded, *, now: float) -> None:
        """Drop what the registrar says has ended, by its reg event package (TS 24.229 §5.2.5.2)."""
        ended = [NameAddr("", uri) for uri in event.contacts]
        for ue in self._ues.of_user(event.impi):
            for association in list(ue.associations.values()):
                if association.impus[0] == event.impu:  # a contact may serve other identity sets as well, which go on
                    self.contacts_removed(ue, association, ended, by="the network", now=now)

    def _stop_watching(self, impi: str, now: float) -> None:
        """End the subscriptions for a user's identity sets of which nothing is registered here any more."""
        # An absent UE is still registered at the core, and gets its news when it is back.
        ues = self._ues.of_user(impi)
        if self._watcher is not None and all(ue.state is not UeState.ABSENT for ue in ues):
            here = {each.impus[0] for ue in ues for each in ue.associations.values()}
            self._watcher.keep(impi, here, now=now)

    # connections

    def opened(self, flow: Flow, *, now: float) -> None:
        """Take a connection that has opened; a WIC should register over it soon."""
        self._check_later(self._ues.connect(flow), now)

    def told_to_wait(self, connection: W2Connection, pause: float, *, now: float) -> None:
        """Keep a connection for a WIC that the core has told to register later (TS 24.229 §5.1.1.2.1)."""
        self._check_later(connection, now + min(pause, _LONGEST_PAUSE))

    def _check_later(self, connection: W2Connection, now: float) -> None:
        """Look at a connection when a contact over it expires; without any, after a while."""
        if connection.check is not None:
            connection.check.cancel()
        ends = [each.expires_at for _, association in connection.associations for each in association.bound]
        if not ends or any(ue.state is UeState.DEREGISTERED for ue in connection.ues.values()):
            ends.append(now + self._context.options.linger)
        at = min(ends)
        connection.check = self.timers.schedule(at, partial(self._check, connection))

    def _check(self, connection: W2Connection, now: float) -> None:
        """Drop what has expired or finished, and hang up where nothing was registered for a while; a call may go on."""
        registered = connection.associations  # before what has expired goes: its WIC may still refresh
        for ue, association in registered:
            left = association.unexpired(now=now)
            if left is None:
                _log.info("expired: %s", association)
                self.removed(ue, association, now=now)
            else:
                self._ues.store(left, connection)
        for ue in [ue for ue in connection.ues.values() if ue.is_finished(now=now)]:
            self._ues.remove(ue, UeInput.FINISHED)
        if registered or connection.calls:
            self._check_later(connection, now)
        elif self._context.node.is_open(connection.flow):
            self._hang_up(connection.flow, "no registration over this connection")
        else:
            self.flow_closed(connection.flow, now=now)  # it broke while the eP-CSCF was starting

    def _hang_up(self, flow: Flow, reason: str) -> None:
        connection = self._context.node.driver.connection(flow)
        if connection is not None:
            self._context.tasks.start(connection.close(reason))

    def flow_closed(self, flow: Flow, *, now: float) -> None:
        """Wait for the UEs of a connection that is gone, and end the calls of those that cannot be recognised.

        It may be told more than once: again with each message for which the connection would have been needed.
        """
        connection = self._ues.connection(flow)
        if connection is None:
            return
        self._ues.disconnect(connection)
        if connection.check is not None:
            connection.check.cancel()
        for _, association in connection.associations:
            _log.info("connection lost: %s from %s", association, connection.address)
        for ue in list(connection.ues.values()):
            if not self.may_return(ue, now=now):
                self._forget(ue, UeInput.DROPPED, now)
                continue
            self._ues.detach(ue)
            end = now + self._context.options.grace
            ue.grace = self.timers.schedule(end, partial(self._forget, ue, UeInput.GRACE_OVER))
            for leg in [leg for leg in ue.legs.values() if leg.state is not LegState.CONFIRMED]:
                # A call without ACK ends in any case: its transactions went with the connection.
                self._legs.release(ue, leg, _CONNECTION_GONE)

    def _forget(self, ue: RegisteredUe, reason: UeInput, now: float) -> None:
        """Remove a UE, and end its calls."""
        if reason is UeInput.GRACE_OVER:
            _log.info("UE %s has not come back", ue.impi)
        self._ues.remove(ue, reason)
        for leg in list(ue.legs.values()):
            self._legs.release(ue, leg, _CONNECTION_GONE)
        self._stop_watching(ue.impi, now)
