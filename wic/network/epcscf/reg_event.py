"""The eP-CSCF's own subscriptions to the registrations of its WICs (TS 24.229 §5.2.3, TS 24.371 §6A.3)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from wic.registration.reg_event_watch import RegistrationWatch
from wic.sip.events import RequestReceived, ResponseReceived, TransactionTimedOut, TransportFailed
from wic.sip.headers.address import NameAddr
from wic.sip.subscription import Subscription
from wic.sip.subscription_options import Subscriber
from wic.sip.subscription_tables import SubscriberState
from wic.sip.timer_queue import TimerQueue
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.network.epcscf.associations import Association
    from wic.registration.reg_event_table import TableChange
    from wic.registration.reginfo import ContactInfo
    from wic.sip.endpoint import Endpoint
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.subscription_events import SubscriptionEnded

__all__ = ["RegEventWatcher"]

_log = logging.getLogger(__name__)

_EXPIRES: Final = 600_000
"""Seconds: no registration is longer (TS 24.229 §5.2.3)."""


class RegEventWatcher:
    """Subscribes once for each default public user identity, and tells which contacts the network has ended.

    Args:
        endpoint: sends and receives, in the proxy role.
        own: SIP URI of the eP-CSCF, as it stands in Path.
        route: returns the way of a SUBSCRIBE for an association: its routes and its flow.
        on_ended: is told an address-of-record and the contacts that are not registered for it any more.
        headers: returns further header fields of a new SUBSCRIBE, such as P-Charging-Vector.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        own: Uri,
        route: Callable[[Association], tuple[tuple[NameAddr, ...], Flow]],
        on_ended: Callable[[str, tuple[ContactInfo, ...]], None],
        headers: Callable[[], tuple[tuple[str, object], ...]] = tuple,
    ) -> None:
        self._endpoint = endpoint
        self._own = own
        self._route = route
        self._on_ended = on_ended
        self._headers = headers
        self._timers = TimerQueue()
        self._watches: dict[str, RegistrationWatch] = {}
        self._by_subscription: dict[Subscription, RegistrationWatch] = {}

    def __len__(self) -> int:
        return len(self._watches)

    def registered(self, association: Association, *, now: float) -> None:
        """Subscribe, unless that has been done for this registration, or refused (TS 24.229 §5.2.3)."""
        impu = association.impus[0] if association.impus else association.impu
        if impu in self._watches:
            return
        watch = self._new_watch(impu)
        routes, flow = self._route(association)
        subscriber = Subscriber(
            resource=Uri.parse(impu), identity=self._own, contact=NameAddr("", self._own), flow=flow, routes=routes
        )
        watch.subscription.subscribe(subscriber, now=now)

    def forget(self, impu: str, *, now: float) -> None:
        """End the subscription to a default public user identity: nobody is registered with it here any more."""
        watch = self._watches.pop(impu, None)
        if watch is not None:
            watch.subscription.unsubscribe(now=now)
            if watch.subscription.state is SubscriberState.TERMINATED:
                del self._by_subscription[watch.subscription]

    def handle(self, event: Event, *, now: float) -> bool:
        """Take an event of the endpoint; return whether it belonged to a subscription."""
        match event:
            case RequestReceived(transaction, dialog=dialog):
                owner = transaction.owner if dialog is None else dialog.owner
            case ResponseReceived(transaction) | TransactionTimedOut(transaction) | TransportFailed(transaction):
                owner = transaction.owner
            case _:
                return False
        if not isinstance(owner, Subscription):
            return False
        # What still comes for one that has ended is answered as well.
        return self._by_subscription.get(owner, owner).handle(event, now=now)

    def next_timeout(self) -> float | None:
        """Return when `handle_timeout` is due, or None."""
        return self._timers.next_timeout()

    def handle_timeout(self, *, now: float) -> None:
        """Refresh, or try again."""
        self._timers.handle_timeout(now)

    def _new_watch(self, impu: str) -> RegistrationWatch:
        # TS 24.229 §5.2.3: in its own name, as an element of the trust domain.
        headers = (("P-Asserted-Identity", NameAddr("", self._own)), *self._headers())
        watch = RegistrationWatch(
            self._endpoint,
            expires=_EXPIRES,
            headers=headers,
            timers=self._timers,
            on_change=self._changed,
            on_end=lambda event: self._ended(impu, watch, event),
        )
        self._watches[impu] = self._by_subscription[watch.subscription] = watch
        return watch

    def _changed(self, change: TableChange) -> None:
        ended: dict[str, list[ContactInfo]] = {}
        for contact in change.ended:
            ended.setdefault(contact.aor, []).append(contact.info)
        for aor, contacts in ended.items():
            self._on_ended(aor, tuple(contacts))

    def _ended(self, impu: str, watch: RegistrationWatch, event: SubscriptionEnded) -> None:
        if event.error is not None:
            _log.info("the subscription to the registration of %s failed: %s", impu, event.error)
        elif event.reason == "noresource" and self._watches.get(impu) is watch:
            del self._watches[impu]  # with the registration; the next one is watched anew
        if event.retry_after is None and self._watches.get(impu) is not watch:
            del self._by_subscription[watch.subscription]
