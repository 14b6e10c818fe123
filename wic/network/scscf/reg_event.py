"""Notifier of the S-CSCF for the registration event package (TS 24.229 §5.4.2.1, RFC 3680).

    SUBSCRIBE      --> RegEventNotifier.subscribe --> WatcherSubscription, 200, first NOTIFY
    BindingChange  --> RegEventNotifier.changed   --> its pending changes  --> NOTIFY
    NOTIFY answered, SUBSCRIBE within the dialog, timers --> NotifierSubscription (RFC 6665)

Users watch their own registration, and the eP-CSCFs in its Path watch it for them. A subscription is in the database
before its watcher learns of it, together with what the watcher has been told: after a restart the dialog goes on, and
a watcher that has missed something is notified.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from wic.errors import StorageFailed
from wic.network.hss import identities_of
from wic.network.scscf.gruu import instance_of
from wic.network.scscf.reg_event_store import StoredSubscription, SubscriptionStore
from wic.network.scscf.reginfo_composer import ReginfoComposer
from wic.registration.reg_event.reginfo import REGINFO, ContactEvent
from wic.sip.errors import MalformedHeader
from wic.sip.events import owner_of
from wic.sip.headers.address import NameAddr
from wic.sip.params import UriParams
from wic.sip.subscription.notifier import NotifierOptions, NotifierSubscription, SubscribeRefused, grant
from wic.sip.timers import TimerQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wic.network.hss import Hss, StoredBinding
    from wic.network.node import Node
    from wic.network.scscf.gruu import GruuFactory
    from wic.network.scscf.location_service import BindingChange
    from wic.network.scscf.options import RegEventNotifierOptions
    from wic.sip.dialog import Dialog
    from wic.sip.events import Event
    from wic.sip.message import Request
    from wic.sip.proxy.core import ProxyContext
    from wic.sip.uri import Uri

__all__ = ["RegEventNotifier", "wants_reg_event"]

_log = logging.getLogger(__name__)

_PACKAGE: Final = "reg"
_DEFAULT_EXPIRES: Final = 3761
"""Seconds of a subscription whose SUBSCRIBE asks for no time (RFC 3680 §4.4)."""
_MAY_WAIT: Final = frozenset({ContactEvent.REGISTERED, ContactEvent.CREATED, ContactEvent.REFRESHED})
"""Events whose NOTIFY may wait for the interval; the others tell of an end, or demand something of the UE."""
_PROBATION: Final = 3600
"""Seconds after which a watcher whose subscription gave way to another one may subscribe again."""


def wants_reg_event(request: Request) -> bool:
    """Tell whether a request is a SUBSCRIBE to registration state; one that cannot be read is not."""
    try:
        return request.method == "SUBSCRIBE" and request.event is not None and request.event.package == _PACKAGE
    except MalformedHeader:
        return False


class RegEventNotifier:
    """Notifies users, and the eP-CSCFs in their Path, of changes to registrations; a `BindingObserver`.

    The S-CSCF gives it SUBSCRIBEs outside dialogs by `subscribe`, and the events that its proxy core does not know by
    `handle`; its `timers` are a timer source of the driver.
    """

    def __init__(
        self,
        node: Node,
        hss: Hss,
        options: RegEventNotifierOptions,
        gruus: GruuFactory,
        wall_clock: Callable[[], float],
    ) -> None:
        self.hss = hss
        self.node = node
        self.wall_clock = wall_clock  # seconds of the epoch, in which bindings end
        self.composer = ReginfoComposer(gruus)
        self.store = SubscriptionStore(hss)
        self.timers = TimerQueue()
        self.contact = NameAddr("", node.mw.uri(params=UriParams()))
        self.options = NotifierOptions(
            package=_PACKAGE,
            content_type=REGINFO,
            min_expires=options.min_expires,
            max_expires=options.max_expires,
            default_expires=_DEFAULT_EXPIRES,
            interval=options.interval,
        )
        self._max_subscriptions = options.max_subscriptions
        self._subscriptions: dict[tuple[str, int], dict[WatcherSubscription, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._subscriptions.values()))

    def subscribe(self, context: ProxyContext, impu: str, asserted: Sequence[Uri], *, now: float) -> None:
        """Answer a SUBSCRIBE outside a dialog, and begin to notify.

        Args:
            context: of the request.
            impu: the public user identity that the Request-URI means, in canonical form.
            asserted: identities that the trusted network asserts; empty from outside the trust domain.
            now: the time of the driver.

        Raises:
            MalformedHeader: the request cannot be read.
        """
        transaction = context.transaction
        watcher = find_watcher(self.hss, impu, asserted, transaction.request.contacts, now=self.wall_clock())
        if watcher is None:
            # TS 24.229 §5.4.2.1.1: only the user itself, and the P-CSCF in its Path, may subscribe.
            context.reject(403, now=now)
            return
        try:
            granted = grant(transaction.request, self.options, tag=transaction.tag, contact=self.contact)
        except SubscribeRefused as refused:
            context.reject(refused.status_hint or 400, now=now, headers=refused.headers)
            return
        # The subscription is stored, then accepted, then notified.
        begun = WatcherSubscription(self, watcher, granted.dialog, granted.event, now + granted.expires)
        watching = self._subscriptions.setdefault(watcher.key, {})
        watching[begun] = None
        # A UE that restarts leaves subscriptions behind, and each costs a NOTIFY at every change: the oldest gives way.
        same = [each for each in watching if each.watcher.name == watcher.name]
        for oldest in same[: max(0, len(same) - self._max_subscriptions)]:
            oldest.subscription.end("probation", retry_after=_PROBATION, now=now)
        begun.keep()
        context.respond(granted.response, now=now)
        # RFC 6665 §4.2.1.2: the full state follows at once; with "Expires: 0" that is the only NOTIFY.
        if granted.expires:
            begun.subscription.notify(now=now)
        else:
            begun.subscription.end("timeout", now=now)

    def changed(self, impi: str, changes: Sequence[BindingChange], *, now: float) -> None:
        """Notify the watchers of a subscriber, once the REGISTER that made the changes has its answer."""
        for number in sorted({change.binding.registration_set for change in changes}):
            watching = tuple(self._subscriptions.get((impi, number), ()))
            here = [change for change in changes if change.binding.registration_set == number]
            # Changes between two NOTIFYs are put together, and of each binding only the last one counts.
            for each in watching:
                each.pending |= {change.binding.key: change for change in here}
            if watching:
                urgent = any(change.event not in _MAY_WAIT for change in here)
                # The REGISTER that made the changes is still being answered: its 200 goes out before the NOTIFY.
                self.timers.schedule(self.node.driver.now, partial(self._notify, watching, urgent))

    def _notify(self, watching: Sequence[WatcherSubscription], urgent: bool, now: float) -> None:
        # TS 24.229 §5.4.2.1.2: the NOTIFY about the last contact ends the subscription.
        is_last = not watching[0].bindings()
        for each in watching:
            if is_last:
                each.subscription.end("noresource", now=now)
            else:
                each.subscription.changed(urgent=urgent, now=now)

    def handle(self, event: Event, *, now: float) -> bool:
        """Take an event of the endpoint; return whether it belonged to a subscription."""
        owner = owner_of(event)
        if not isinstance(owner, NotifierSubscription):
            return False
        owner.handle(event, now=now)
        return True

    def restore(self, *, now: float) -> None:
        """Continue the subscriptions of an earlier run, and notify the watchers that have missed a change."""
        wall = self.wall_clock()
        for stored in self.store.load():
            dialog = stored.dialog()
            if stored.expires_at <= wall:
                self.store.remove(dialog.id)
                continue
            watcher = AuthorizedWatcher(stored.impi, stored.registration_set, stored.watcher)
            restored = WatcherSubscription(self, watcher, dialog, stored.event, now + stored.expires_at - wall)
            restored.version, restored.told = stored.version, stored.told
            self._subscriptions.setdefault(watcher.key, {})[restored] = None
            bindings = restored.bindings()
            # The registration may have ended, or changed, after the last NOTIFY that was stored.
            if not bindings:
                restored.subscription.end("noresource", now=now)
            elif _keys(bindings) != stored.told:
                restored.subscription.notify(now=now)

    def forget(self, subscription: WatcherSubscription) -> None:
        """Forget a subscription that has ended."""
        watching = self._subscriptions[subscription.watcher.key]
        del watching[subscription]
        if not watching:
            del self._subscriptions[subscription.watcher.key]


class WatcherSubscription:
    """One subscription with what its watcher has been told; the keeper of its `NotifierSubscription`."""

    def __init__(
        self, notifier: RegEventNotifier, watcher: AuthorizedWatcher, dialog: Dialog, event: str, expires_at: float
    ) -> None:
        self.watcher = watcher
        self.version = 0
        """Version of the next document."""
        self.told: tuple[str, ...] = ()
        """Keys of the bindings that the watcher knows of."""
        self.pending: dict[str, BindingChange] = {}
        """The last change of each binding since the last document."""
        self._notifier = notifier  # owns it
        self.subscription = NotifierSubscription(
            notifier.node.endpoint,
            dialog,
            options=notifier.options,
            event=event,
            contact=notifier.contact,
            expires_at=expires_at,
            keeper=self,
            timers=notifier.timers,
            flow_to=notifier.node.flow_to,
        )

    def bindings(self) -> list[StoredBinding]:
        """Return the bindings of the watched registration."""
        notifier, watcher = self._notifier, self.watcher
        return notifier.hss.bindings(watcher.impi, now=notifier.wall_clock(), registration_set=watcher.registration_set)

    # SubscriptionKeeper

    def compose(self, *, full: bool, now: float) -> bytes:
        """Return the next document; `now` is the time of the driver."""
        notifier, watcher = self._notifier, self.watcher
        subscriber = notifier.hss.subscriber(watcher.impi)
        identities = () if subscriber is None else subscriber.associated(watcher.registration_set)
        bindings, changes = self.bindings(), list(self.pending.values())
        document = notifier.composer.compose(
            self.version, identities, bindings, changes, impi=watcher.impi, full=full, now=notifier.wall_clock()
        )
        self.pending.clear()
        self.version += 1
        self.told = _keys(bindings)
        return document.to_xml()

    def keep(self) -> None:
        """Store the subscription as its watcher is about to know it."""
        notifier, watcher, subscription = self._notifier, self.watcher, self.subscription
        dialog = subscription.dialog
        stored = StoredSubscription(
            call_id=dialog.id.call_id,
            local_tag=dialog.id.local_tag,
            remote_tag=dialog.id.remote_tag,
            impi=watcher.impi,
            registration_set=watcher.registration_set,
            watcher=watcher.name,
            event=subscription.event,
            version=self.version,
            told=self.told,
            # The driver's clock begins anew with the process; what is stored is in the time of day.
            expires_at=notifier.wall_clock() + subscription.expires_at - notifier.node.driver.now,
            local=str(dialog.local),
            remote=str(dialog.remote),
            remote_target=str(dialog.remote_target),
            routes=tuple(map(str, dialog.route_set)),
            local_cseq=dialog.local_cseq,
            remote_cseq=dialog.remote_cseq,
            secure=dialog.secure,
        )
        try:
            notifier.store.save(stored)
        except StorageFailed as error:
            self._not_stored(error)

    def over(self) -> None:
        """Forget the subscription."""
        _log.debug("the subscription of %s to the registration of %s has ended", self.watcher.name, self.watcher.impi)
        try:
            self._notifier.store.remove(self.subscription.dialog.id)
        except StorageFailed as error:
            self._not_stored(error)
        self._notifier.forget(self)

    def _not_stored(self, error: StorageFailed) -> None:
        # It goes on in memory: after a restart the watcher has to subscribe again, or is notified once too often.
        _log.error("a subscription to the registration of %s would not outlive a restart: %s", self.watcher.impi, error)


def _keys(bindings: Sequence[StoredBinding]) -> tuple[str, ...]:
    return tuple(binding.key for binding in bindings)


@dataclass(frozen=True, slots=True)
class AuthorizedWatcher:
    """Watcher of a registration, by the asserted identity of its SUBSCRIBE."""

    impi: str
    """Private identity of the subscriber that is watched."""
    registration_set: int
    name: str
    """`user` for the subscriber itself, or the address of an element in its Path."""

    @property
    def key(self) -> tuple[str, int]:
        """The registration that is watched."""
        return self.impi, self.registration_set


def find_watcher(
    hss: Hss, impu: str, asserted: Sequence[Uri], contacts: Sequence[NameAddr], *, now: float
) -> AuthorizedWatcher | None:
    """Return the watcher that sends a SUBSCRIBE; None if it may not watch (TS 24.229 §5.4.2.1.1).

    Several subscribers may share a public identity, and each of them watches its own registration. The Contact of the
    SUBSCRIBE tells which of them it is, or the URI that its eP-CSCF has written into Path; without either it is the
    first of them.

    Args:
        hss: subscribers and bindings.
        impu: the public user identity to be watched, in canonical form.
        asserted: identities that the trusted network asserts.
        contacts: of the SUBSCRIBE.
        now: seconds of the epoch.
    """
    uncertain = None
    for holder in hss.holders(impu):
        number = next(each.registration_set for each in holder.identities if each.impu == impu)
        bindings = hss.bindings(holder.impi, registration_set=number, now=now)
        usable = {each.impu for each in holder.associated(number)}
        hops = [NameAddr.parse(path).uri for binding in bindings for path in binding.path]
        for uri in asserted:
            # A barred identity cannot watch: no other party may learn of it (TS 23.228 §5.2.1).
            if bindings and not usable.isdisjoint(identities_of(uri, hss.realm)):
                name = "user"
                is_certain = any(_is_registered(each.uri, binding) for each in contacts for binding in bindings)
            elif uri.is_sip and (uri.host.lower(), uri.port) in [(hop.host.lower(), hop.port) for hop in hops]:
                # The user part of a hop is the flow token of one WIC.
                name = f"{uri.host}:{uri.port}"
                is_certain = any((hop.user, hop.host.lower()) == (uri.user, uri.host.lower()) for hop in hops)
            else:
                continue
            watcher = AuthorizedWatcher(holder.impi, number, name)
            if is_certain:
                return watcher
            uncertain = uncertain or watcher
    return uncertain


def _is_registered(contact: Uri, binding: StoredBinding) -> bool:
    """Tell whether a contact is that of a binding, or its public GRUU."""
    instance = instance_of(contact)
    if instance is not None:
        return instance == binding.instance
    return NameAddr.parse(binding.contact).uri.matches(contact)
