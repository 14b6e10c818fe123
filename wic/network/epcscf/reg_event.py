"""The eP-CSCF's own subscriptions to the registrations of its WICs (TS 24.229 §5.2.3, §5.2.5.2, TS 24.371 §6A.3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from wic.registration.reg_event_watch import RegistrationWatch
from wic.sip.errors import MalformedUri
from wic.sip.events import RequestReceived, ResponseReceived, TransactionTimedOut, TransportFailed
from wic.sip.headers.address import NameAddr
from wic.sip.params import UriParams
from wic.sip.subscription import Subscription
from wic.sip.subscription_options import Subscriber
from wic.sip.timer_queue import TimerQueue
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from wic.network.epcscf.charging import Charging
    from wic.network.node import Node
    from wic.registration.reg_event_table import TableChange
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.subscription_events import SubscriptionEnded

__all__ = ["RegEventWatcher"]

_log = logging.getLogger(__name__)

_EXPIRES: Final = 600_000
"""Seconds: no registration is longer (TS 24.229 §5.2.3)."""

_Key: TypeAlias = tuple[str, str]
Ended: TypeAlias = Callable[[str, str, list[Uri]], None]
"""Is told a private identity, the default public one of a set, and the contacts that are registered no more for it."""


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
        self._watches: dict[_Key, RegistrationWatch] = {}
        self._by_subscription: dict[Subscription, RegistrationWatch] = {}
        self._ended: list[tuple[str, str, list[Uri]]] = []

    def __len__(self) -> int:
        return len(self._watches)

    def watch(self, impi: str, impu: str, *, now: float) -> None:
        """Subscribe, unless that has been done for this registration, or was refused.

        Args:
            impi: who has registered.
            impu: its default public user identity.
            now: the time.
        """
        if (impi, impu) in self._watches:
            return
        watch = self._watches[impi, impu] = self._new_watch((impi, impu))
        self._by_subscription[watch.subscription] = watch
        contact = NameAddr("", self._own)
        subscriber = Subscriber(resource=Uri.parse(impu), identity=self._own, contact=contact, flow=self._core)
        watch.subscription.subscribe(subscriber, now=now)

    def keep(self, impi: str, impus: Collection[str], *, now: float) -> None:
        """Let go of somebody's subscriptions but for those that are still needed; a NOTIFY gets 481 then.

        Args:
            impi: whose.
            impus: the default public user identities with which there are registrations.
            now: the time.
        """
        for key in [key for key in self._watches if key[0] == impi and key[1] not in impus]:
            watch = self._watches.pop(key)
            watch.drop()
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
        # What still comes for one that is forgotten is answered as well.
        self._by_subscription.get(owner, owner).handle(event, now=now)
        while self._ended:
            self._on_ended(*self._ended.pop(0))
        return True

    def next_timeout(self) -> float | None:
        """Return when `handle_timeout` is due, or None."""
        return self._timers.next_timeout()

    def handle_timeout(self, *, now: float) -> None:
        """Refresh, or try again."""
        self._timers.handle_timeout(now)

    def _new_watch(self, key: _Key) -> RegistrationWatch:
        # TS 24.229 §5.2.3: in its own name, as an element of the trust domain.
        headers = (("P-Asserted-Identity", NameAddr("", self._own)), ("P-Charging-Vector", self._charging.vector()))
        return RegistrationWatch(
            self._node.endpoint,
            expires=_EXPIRES,
            headers=headers,
            timers=self._timers,
            on_change=partial(self._changed, key),
            on_end=partial(self._over, key),
        )

    def _changed(self, key: _Key, change: TableChange) -> None:
        """Note which contacts are gone for every identity of the set."""
        bound = {contact.info.uri for contact in self._watches[key].table}
        gone = {contact.info.uri: None for contact in change.ended if contact.info.uri not in bound}
        uris = [uri for text in gone if (uri := _uri(text)) is not None]
        if uris:
            self._ended.append((*key, uris))

    def _over(self, key: _Key, event: SubscriptionEnded) -> None:
        if event.error is not None:
            # It stays known, so that a core without this service is not asked again with every refresh.
            _log.info("the subscription to the registration of %s failed: %s", key[1], event.error)
        elif event.retry_after is None:
            del self._by_subscription[self._watches.pop(key).subscription]


def _uri(text: str) -> Uri | None:
    try:
        return Uri.parse(text)
    except MalformedUri:
        return None
