"""The eP-CSCF's own subscriptions to the registrations of its WICs (TS 24.229 §5.2.3, §5.2.5.2, TS 24.371 §6A.3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from wic.registration.reg_event.watch import RegistrationWatch
from wic.sip.errors import MalformedUri
from wic.sip.events import RequestReceived, ResponseReceived, TransactionTimedOut, TransportFailed
from wic.sip.headers.address import NameAddr
from wic.sip.params import UriParams
from wic.sip.subscription.requests import SubscriptionParty
from wic.sip.subscription.subscriber import Subscription
from wic.sip.subscription.tables import SubscriberState
from wic.sip.timers import TimerQueue
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from wic.network.epcscf.charging import Charging
    from wic.network.node import Node
    from wic.registration.reg_event.table import TableChange
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.subscription.events import SubscriptionEnded
    from wic.sip.timers import ScheduledTimer

__all__ = ["RegEventWatcher"]

_log = logging.getLogger(__name__)

_EXPIRES: Final = 600_000
"""Seconds: no registration is longer (TS 24.229 §5.2.3)."""

_LIVE: Final = frozenset({SubscriberState.NOTIFY_WAIT, SubscriberState.PENDING, SubscriberState.ACTIVE})
Ended: TypeAlias = Callable[[str, str, list[Uri]], None]
"""Is told a private identity, the default public one of a set, and the contacts that are registered no more for it."""


@dataclass(slots=True, eq=False)
class _Watched:
    """A registration that is watched, or was until a moment ago."""

    impi: str
    impu: str
    """The default one of the set."""
    watch: RegistrationWatch = field(init=False)
    until: ScheduledTimer | None = None
    """When to let go of it, since nobody is registered any more; None while somebody is."""


class RegEventWatcher:
    """Subscribes once for each default public user identity, and tells which contacts the network has ended.

    Args:
        node: the eP-CSCF's shell.
        core: where SUBSCRIBEs go.
        charging: marks them.
        on_ended: is told what has ended, after the NOTIFY has its answer.
    """

    def __init__(self, node: Node, core: Flow, charging: Charging, on_ended: Ended) -> None:
        self._node = node
        self._core = core
        self._charging = charging
        self._on_ended = on_ended
        self._own = node.mw.uri(params=UriParams())
        self._timers = TimerQueue()
        self._watches: dict[str, dict[str, _Watched]] = {}  # by private and default public identity
        self._by_subscription: dict[Subscription, _Watched] = {}
        self._ended: list[tuple[str, str, list[Uri]]] = []

    def __len__(self) -> int:
        return sum(map(len, self._watches.values()))

    def watch(self, impi: str, impu: str, path: Uri, *, now: float) -> None:
        """Subscribe, unless that has been done for this registration, or was refused.

        Args:
            impi: who has registered.
            impu: its default public user identity.
            path: what stands in the Path of this registration.
            now: the time.
        """
        watches = self._watches.setdefault(impi, {})
        if impu in watches:
            return
        watched = watches[impu] = self._new_watch(impi, impu, path)
        subscription = watched.watch.subscription
        self._by_subscription[subscription] = watched
        contact = NameAddr("", self._own)
        subscriber = SubscriptionParty(resource=Uri.parse(impu), identity=self._own, contact=contact, flow=self._core)
        subscription.subscribe(subscriber, now=now)

    def keep(self, impi: str, impus: Collection[str], *, now: float) -> None:
        """Let go of somebody's subscriptions but for those that are still needed.

        They are considered cancelled (TS 24.229 §5.2.5.1), but what the registrar has yet to say is answered.

        Args:
            impi: whose.
            impus: the default public user identities with which there are registrations.
            now: the time.
        """
        watched = self._watches.get(impi, {})
        for each in [each for impu, each in watched.items() if impu not in impus]:
            self._cancel(each, now)

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
        # What still comes for one that is forgotten is answered as well.
        watched = self._by_subscription.get(owner)
        (owner if watched is None else watched.watch).handle(event, now=now)
        while self._ended:
            self._on_ended(*self._ended.pop(0))
        return True

    def next_timeout(self) -> float | None:
        """Return when `handle_timeout` is due, or None."""
        return self._timers.next_timeout()

    def handle_timeout(self, *, now: float) -> None:
        """Refresh, or try again."""
        self._timers.handle_timeout(now)

    def _new_watch(self, impi: str, impu: str, path: Uri) -> _Watched:
        # TS 24.229 §5.2.3: in its own name, as an element of the trust domain, and as it stands in Path.
        headers = (("P-Asserted-Identity", NameAddr("", path)), ("P-Charging-Vector", self._charging.vector()))
        watched = _Watched(impi, impu)
        watched.watch = RegistrationWatch(
            self._node.endpoint,
            expires=_EXPIRES,
            headers=headers,
            timers=self._timers,
            on_change=partial(self._changed, watched),
            on_end=partial(self._over, watched),
        )
        return watched

    def _changed(self, watched: _Watched, change: TableChange) -> None:
        """Note which contacts are gone for every identity of the set."""
        if watched.until is not None:
            return  # it is about a registration that had ended before
        bound = {contact.info.uri for contact in watched.watch.table}
        gone = {contact.info.uri: None for contact in change.ended if contact.info.uri not in bound}
        uris = [uri for text in gone if (uri := _uri(text)) is not None]
        if uris:
            self._ended.append((watched.impi, watched.impu, uris))

    def _over(self, watched: _Watched, event: SubscriptionEnded) -> None:
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
            wait = self._node.endpoint.options.timers.timeout
            watched.until = self._timers.schedule(now + wait, lambda _: self._let_go(watched))
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
