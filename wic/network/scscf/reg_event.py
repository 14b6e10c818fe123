"""The notifier of the S-CSCF for the registration event package (TS 24.229 §5.4.2.1, RFC 3680)."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from wic.errors import StorageFailed
from wic.network.scscf.reg_event_documents import Documents
from wic.network.scscf.reg_event_store import StoredSubscription, SubscriptionStore
from wic.network.scscf.reg_event_watchers import find_watcher
from wic.registration.reg_event.reginfo import REGINFO, ContactEvent
from wic.sip.errors import MalformedHeader
from wic.sip.events import RequestReceived, ResponseReceived, TransactionTimedOut, TransportFailed
from wic.sip.headers.address import NameAddr
from wic.sip.subscription.notifier import NotifierOptions, NotifierSubscription, SubscribeRefused, grant
from wic.sip.timers import TimerQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wic.network.hss import Hss, StoredBinding
    from wic.network.scscf.changes import BindingChange
    from wic.network.scscf.reg_event_documents import GruuFinder
    from wic.sip.dialog import Dialog
    from wic.sip.endpoint import Endpoint
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.message import Request
    from wic.sip.proxy.core import ProxyContext
    from wic.sip.uri import Uri

__all__ = ["RegEventNotifier", "RegEventNotifierOptions", "wants_reg_event"]

_log = logging.getLogger(__name__)

_PACKAGE: Final = "reg"
_MAY_WAIT: Final = frozenset({ContactEvent.REGISTERED, ContactEvent.CREATED, ContactEvent.REFRESHED})
_COME_BACK: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class RegEventNotifierOptions:
    """What the operator decides; times in seconds."""

    min_expires: int = 60
    """Shorter subscriptions get 423."""
    max_expires: int = 600_000
    """Longest subscription."""
    interval: float = 5.0
    """Between two NOTIFYs of one subscription, unless the second tells of an end (RFC 3680 §4)."""
    max_subscriptions: int = 16
    """Of one watcher to one registration; the oldest gives way to one more."""


def wants_reg_event(request: Request) -> bool:
    """Whether a request is a SUBSCRIBE to registration state; one that cannot be read is not."""
    try:
        return request.method == "SUBSCRIBE" and request.event is not None and request.event.package == _PACKAGE
    except MalformedHeader:
        return False


class RegEventNotifier:
    """Tells users, and the eP-CSCFs in their Path, what becomes of registrations; a `BindingObserver`.

    The shell gives it SUBSCRIBEs outside dialogs by `subscribe`, and the events that its proxy core does not know by
    `handle`; it is a timer source of the driver.

    Args:
        endpoint: sends and receives, in the proxy role.
        hss: who the users are and where they are registered; also keeps the subscriptions.
        contact: URI of the S-CSCF.
        flow_to: finds the way to the next hop.
        clock: the time of the endpoint.
        wall_clock: seconds of the epoch, in which bindings end.
        gruus: finds GRUUs; None = there are none.
        options: what the operator decides.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        hss: Hss,
        *,
        contact: Uri,
        flow_to: Callable[[Uri], Flow | None],
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        gruus: GruuFinder | None = None,
        options: RegEventNotifierOptions | None = None,
    ) -> None:
        chosen = options or RegEventNotifierOptions()
        self.hss = hss
        self.store = SubscriptionStore(hss)
        self.documents = Documents(gruus)
        self.clock = clock
        self.wall_clock = wall_clock
        self._endpoint = endpoint
        self._contact = NameAddr("", contact)
        self._flow_to = flow_to
        self._max = chosen.max_subscriptions
        self._options = NotifierOptions(
            package=_PACKAGE,
            content_type=REGINFO,
            min_expires=chosen.min_expires,
            max_expires=chosen.max_expires,
            default_expires=3761,  # RFC 3680 §4.3
            interval=chosen.interval,
        )
        self._timers = TimerQueue()
        self._watches: dict[tuple[str, int], dict[_Watch, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._watches.values()))

    # SUBSCRIBE

    def subscribe(self, context: ProxyContext, impu: str, asserted: Sequence[Uri], *, now: float) -> None:
        """Answer a SUBSCRIBE outside a dialog, and begin to notify.

        Args:
            context: of the request.
            impu: the public user identity that the Request-URI means, in canonical form.
            asserted: who the trusted network says asks; empty where nobody is trusted.
            now: the time of the endpoint.
        """
        transaction = context.transaction
        watcher = find_watcher(self.hss, impu, asserted, transaction.request.contacts, now=self.wall_clock())
        if watcher is None:
            # TS 24.229 §5.4.2.1.1: for the user itself, and for the P-CSCF in its Path.
            context.reject(403, now=now)
            return
        try:
            granted = grant(transaction.request, self._options, tag=transaction.tag, contact=self._contact)
        except SubscribeRefused as refused:
            context.reject(refused.status_hint or 400, now=now, headers=refused.headers)
            return
        watch = _Watch(self, watcher.impi, watcher.registration_set, watcher.name)
        subscription = self._begin(watch, granted.dialog, granted.event, now + granted.expires)
        self._make_room(watch, now)
        watch.keep()
        context.respond(granted.response, now=now)
        if granted.expires:
            subscription.notify(now=now)
        else:
            subscription.end("timeout", now=now)

    def _begin(self, watch: _Watch, dialog: Dialog, event: str, expires_at: float) -> NotifierSubscription:
        watch.subscription = NotifierSubscription(
            self._endpoint,
            dialog,
            options=self._options,
            event=event,
            contact=self._contact,
            expires_at=expires_at,
            keeper=watch,
            timers=self._timers,
            flow_to=self._flow_to,
        )
        self._watches.setdefault(watch.key, {})[watch] = None
        return watch.subscription

    def _make_room(self, newest: _Watch, now: float) -> None:
        same = [each for each in self._watches[newest.key] if each.watcher == newest.watcher]
        for each in same[: max(0, len(same) - self._max)]:
            each.subscription.end("probation", retry_after=_COME_BACK, now=now)

    def restore(self, *, now: float) -> None:
        """Go on with the subscriptions of an earlier run; who has missed something is told."""
        wall = self.wall_clock()
        for stored in self.store.load():
            dialog = stored.dialog()
            if stored.expires_at <= wall:
                self.store.remove(dialog.id)
                continue
            watch = _Watch(self, stored.impi, stored.registration_set, stored.watcher)
            watch.version, watch.told = stored.version, stored.told
            subscription = self._begin(watch, dialog, stored.event, now + stored.expires_at - wall)
            bound = self._bindings(*watch.key)
            if not bound:
                subscription.end("noresource", now=now)
            elif _keys(bound) != watch.told:
                subscription.notify(now=now)

    # what happens

    def changed(self, impi: str, changes: Sequence[BindingChange], *, now: float) -> None:
        """Tell the watchers of a subscriber what has changed, after the REGISTER that did it has its answer.

        Args:
            impi: of the subscriber.
            changes: to its bindings.
            now: seconds of the epoch; the time of the endpoint is asked for separately.
        """
        for number in sorted({change.binding.registration_set for change in changes}):
            watches = tuple(self._watches.get((impi, number), ()))
            here = [change for change in changes if change.binding.registration_set == number]
            for watch in watches:
                watch.pending |= {change.binding.key: change for change in here}
            if watches:
                urgent = any(change.event not in _MAY_WAIT for change in here)
                self._timers.schedule(self.clock(), partial(self._tell, watches, urgent))

    def _tell(self, watches: Sequence[_Watch], urgent: bool, now: float) -> None:
        over = not self.bindings(watches[0])
        for watch in watches:
            if over:
                watch.subscription.end("noresource", now=now)
            else:
                watch.subscription.changed(urgent=urgent, now=now)

    def handle(self, event: Event, *, now: float) -> bool:
        """Take an event of the endpoint; return whether it belonged to a subscription."""
        match event:
            case RequestReceived(dialog=dialog) if dialog is not None:
                owner = dialog.owner
            case ResponseReceived(transaction) | TransactionTimedOut(transaction) | TransportFailed(transaction):
                owner = transaction.owner
            case _:
                return False
        if not isinstance(owner, NotifierSubscription):
            return False
        owner.handle(event, now=now)
        return True

    def next_timeout(self) -> float | None:
        """Return when `handle_timeout` is due, or None."""
        return self._timers.next_timeout()

    def handle_timeout(self, *, now: float) -> None:
        """Send what has waited, and end what is over."""
        self._timers.handle_timeout(now)

    # for watches

    def bindings(self, watch: _Watch) -> list[StoredBinding]:
        """Return the bindings that a watch is about."""
        return self._bindings(*watch.key)

    def forget(self, watch: _Watch) -> None:
        """Let go of a subscription that is over."""
        watches = self._watches[watch.key]
        del watches[watch]
        if not watches:
            del self._watches[watch.key]

    def _bindings(self, impi: str, registration_set: int) -> list[StoredBinding]:
        return self.hss.bindings(impi, now=self.wall_clock(), registration_set=registration_set)


class _Watch:
    """One subscription and what its watcher knows; its `SubscriptionKeeper`."""

    subscription: NotifierSubscription

    def __init__(self, notifier: RegEventNotifier, impi: str, registration_set: int, watcher: str) -> None:
        self.key = (impi, registration_set)
        self.watcher = watcher
        self.version = 0
        self.told: tuple[str, ...] = ()
        self.pending: dict[str, BindingChange] = {}
        self._notifier = notifier

    def compose(self, *, full: bool, now: float) -> bytes:
        """Write the next document."""
        notifier, (impi, number) = self._notifier, self.key
        subscriber = notifier.hss.subscriber(impi)
        identities = () if subscriber is None else subscriber.associated(number)
        bindings = notifier.bindings(self)
        changes, wall = list(self.pending.values()), notifier.wall_clock()
        bound = {binding.key: binding for binding in bindings}
        if full:
            ended = [change for change in changes if change.binding.key not in bound and change.event.terminates]
            document = notifier.documents.full(self.version, identities, bindings, ended, now=wall)
        else:
            document = notifier.documents.partial(self.version, identities, bindings, changes, now=wall)
        self.pending.clear()
        self.version += 1
        self.told = _keys(bindings)
        return document.to_xml()

    def keep(self) -> None:
        """Write down what the peer is about to learn."""
        subscription, notifier = self.subscription, self._notifier
        impi, number = self.key
        stored = StoredSubscription.of(
            subscription.dialog,
            impi=impi,
            registration_set=number,
            watcher=self.watcher,
            event=subscription.event,
            version=self.version,
            told=self.told,
            expires_at=notifier.wall_clock() + subscription.expires_at - notifier.clock(),
        )
        with self._if_possible():
            notifier.store.save(stored)

    def over(self) -> None:
        """Forget the subscription."""
        _log.debug("a subscription to the registration of %s is over", self.key[0])
        with self._if_possible():
            self._notifier.store.remove(self.subscription.dialog.id)
        self._notifier.forget(self)

    @contextmanager
    def _if_possible(self) -> Iterator[None]:
        """Go on without it: after a restart the watcher would have to subscribe anew, or be told once too often."""
        try:
            yield
        except StorageFailed as error:
            _log.error("a subscription to the registration of %s would not outlive a restart: %s", self.key[0], error)


def _keys(bindings: Sequence[StoredBinding]) -> tuple[str, ...]:
    return tuple(binding.key for binding in bindings)
