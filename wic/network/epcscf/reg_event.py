"""Subscriptions of the eP-CSCF to the registration state of its UEs (TS 24.229 §5.2.3, §5.2.5.2, TS 24.371 §6A.3).

The reg event package is how a P-CSCF learns that the network has ended a registration. There is one subscription for
each default public user identity, as long as it is registered here. A subscription that is needed no more is considered
cancelled without a SUBSCRIBE (§5.2.5.1); the registrar's last NOTIFYs are still answered, and change nothing.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wic.registration.reg_event.watch import RegistrationWatch
from wic.sip.errors import MalformedUri
from wic.sip.events import owner_of
from wic.sip.headers.address import NameAddr
from wic.sip.params import UriParams
from wic.sip.subscription.requests import SubscriptionParty
from wic.sip.subscription.subscriber import Subscription
from wic.sip.subscription.tables import SubscriberState
from wic.sip.timers import TimerQueue
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Collection

    from wic.network.epcscf.context import EPcscfContext
    from wic.registration.reg_event.table import TableChange
    from wic.sip.events import Event
    from wic.sip.subscription.events import SubscriptionEnded
    from wic.sip.timers import ScheduledTimer

__all__ = ["RegEventWatcher"]

_log = logging.getLogger(__name__)

_EXPIRES: Final = 600_000
"""Seconds: no registration is longer (TS 24.229 §5.2.3)."""

_LIVE: Final = frozenset({SubscriberState.NOTIFY_WAIT, SubscriberState.PENDING, SubscriberState.ACTIVE})


@dataclass(frozen=True, slots=True)
class ContactsEnded:
    """The registrar has ended bindings of an identity set."""

    impi: str
    impu: str
    """The default public user identity of the set; a contact may serve other sets as well."""
    contacts: tuple[Uri, ...]


@dataclass(slots=True, eq=False)
class _Watched:
    """A registration that is watched, or was until a moment ago."""

    impi: str
    impu: str
    """The default one of the set."""
    watch: RegistrationWatch
    until: ScheduledTimer | None = None
    """End of the time in which its last NOTIFYs are answered; None while it is registered."""


class RegEventWatcher:
    """Subscriber to the registration state of the eP-CSCF's UEs."""

    def __init__(self, context: EPcscfContext) -> None:
        self._context = context
        self._own = context.node.mw.uri(params=UriParams())
        self.timers = TimerQueue()
        """Refreshes, further attempts, and ends of cancelled subscriptions; a `TimerSource` of the driver."""
        self._watches: dict[str, dict[str, _Watched]] = {}  # by private and default public identity
        self._by_subscription: dict[Subscription, _Watched] = {}
        self._events: deque[ContactsEnded] = deque()

    def __len__(self) -> int:
        return sum(map(len, self._watches.values()))

    def watch(self, impi: str, impu: str, path: Uri, *, now: float) -> None:
        """Subscribe, unless that has been done for this registration, or was refused.

        Args:
            impi: the private identity.
            impu: the default public user identity of the set that is registered.
            path: the URI in the Path of this registration.
            now: by the driver's clock.
        """
        watches = self._watches.setdefault(impi, {})
        if impu in watches:
            return
        watched = watches[impu] = self._new_watch(impi, impu, path)
        subscription = watched.watch.subscription
        self._by_subscription[subscription] = watched
        contact = NameAddr("", self._own)
        subscriber = SubscriptionParty(
            resource=Uri.parse(impu), identity=self._own, contact=contact, flow=self._context.core
        )
        subscription.subscribe(subscriber, now=now)

    def keep(self, impi: str, impus: Collection[str], *, now: float) -> None:
        """Consider the subscriptions of a user cancelled, but for those to sets that are registered (TS 24.229 §5.2.5.1)."""
        watched = self._watches.get(impi, {})
        for each in [each for impu, each in watched.items() if impu not in impus]:
            self._cancel(each, now)

    def handle(self, event: Event, *, now: float) -> bool:
        """Take an event of the endpoint; return whether it belonged to a subscription."""
        owner = owner_of(event)
        if not isinstance(owner, Subscription):
            return False
        # What still comes for one that is forgotten is answered as well.
        watched = self._by_subscription.get(owner)
        (owner if watched is None else watched.watch).handle(event, now=now)
        return True

    def next_event(self) -> ContactsEnded | None:
        """Return what the registrar has ended, once; the NOTIFY that said so has been answered."""
        return self._events.popleft() if self._events else None

    def _new_watch(self, impi: str, impu: str, path: Uri) -> _Watched:
        # TS 24.229 §5.2.3: in its own name, as an element of the trust domain, and as it stands in Path.
        headers = (("P-Asserted-Identity", NameAddr("", path)), ("P-Charging-Vector", self._context.charging_vector()))
        watch = RegistrationWatch(
            self._context.node.endpoint,
            expires=_EXPIRES,
            headers=headers,
            timers=self.timers,
            on_change=lambda change: self._changed(watched, change),
            on_end=lambda event: self._ended(watched, event),
        )
        watched = _Watched(impi, impu, watch)
        return watched

    def _changed(self, watched: _Watched, change: TableChange) -> None:
        """Note which contacts are gone for every identity of the set."""
        if watched.until is not None:
            return  # it is about a registration that had ended before
        bound = {contact.info.uri for contact in watched.watch.table}
        gone = {contact.info.uri: None for contact in change.ended if contact.info.uri not in bound}
        uris = tuple(uri for text in gone if (uri := _uri(text)) is not None)
        if uris:
            self._events.append(ContactsEnded(watched.impi, watched.impu, uris))

    def _ended(self, watched: _Watched, event: SubscriptionEnded) -> None:
        if watched.until is not None:
            watched.until.cancel()
            self._let_go(watched)
        elif event.error is not None:
            # It stays known, so that a core without this service is not asked again with every refresh.
            _log.info("the subscription to the registration of %s failed: %s", watched.impu, event.error)
        elif event.retry_after is None:
            self._remove(watched)
            self._let_go(watched)

    def _cancel(self, watched: _Watched, now: float) -> None:
        self._remove(watched)
        if watched.watch.subscription.state in _LIVE:
            wait = self._context.node.endpoint.options.timers.timeout
            watched.until = self.timers.schedule(now + wait, lambda _: self._let_go(watched))
        else:
            self._let_go(watched)

    def _remove(self, watched: _Watched) -> None:
        watches = self._watches[watched.impi]
        del watches[watched.impu]
        if not watches:
            del self._watches[watched.impi]

    def _let_go(self, watched: _Watched) -> None:
        """Forget a subscription: its NOTIFYs get 481 from now on."""
        watched.watch.drop()
        del self._by_subscription[watched.watch.subscription]


def _uri(text: str) -> Uri | None:
    try:
        return Uri.parse(text)
    except MalformedUri:
        return None
