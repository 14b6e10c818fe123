"""The subscription of a WIC to its own registration (TS 24.229 §5.1.1.3, §5.1.1.5A, §5.1.1.7; RFC 3680)."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, Final

from wic.registration.reg_event.events import (
    IdentitiesReported,
    RegEventActive,
    RegEventEvent,
    RegEventFailed,
    RegisteredIdentity,
    RegistrationShortened,
    RegistrationTerminated,
    Termination,
)
from wic.registration.reg_event.reginfo import ContactEvent
from wic.registration.reg_event.watch import RegistrationWatch
from wic.sip.errors import MalformedUri
from wic.sip.headers import NameAddr
from wic.sip.subscription.requests import SubscriptionParty
from wic.sip.subscription.tables import SubscriberState
from wic.sip.timers import TimerQueue
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from wic.auth import Authenticator
    from wic.registration.binding import Binding
    from wic.registration.reg_event.reginfo import ContactInfo
    from wic.registration.reg_event.table import BoundContact, TableChange
    from wic.sip.endpoint import Endpoint
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.subscription.events import SubscriptionEnded

__all__ = ["RegEventSubscription"]

_EXPIRES: Final = 600_000  # seconds to ask for (TS 24.229 §5.1.1.3)
_NONE: Final[frozenset[str]] = frozenset()
_STANDING: Final = frozenset({SubscriberState.NOTIFY_WAIT, SubscriberState.PENDING, SubscriberState.ACTIVE})


@dataclass(slots=True, eq=False, repr=False)
class RegEventSubscription:
    """Subscription to the state of the contact of this side, and its meaning; a usage of `Endpoint`, without I/O.

    The shell hands endpoint events to `handle`, takes events with `next_event`, and calls `handle_timeout` when
    `next_timeout` is due.
    """

    endpoint: Endpoint  # its methods have to include NOTIFY
    _: KW_ONLY
    contact: NameAddr  # as it is registered, with `+sip.instance` and `reg-id`
    credentials: Authenticator | None = None  # None cannot answer challenges
    user_agent: str | None = None
    _timers: TimerQueue = field(default_factory=TimerQueue, init=False)
    _events: list[RegEventEvent] = field(default_factory=list, init=False)
    _flow: Flow | None = field(default=None, init=False)
    _watch: RegistrationWatch | None = field(default=None, init=False)
    _active: bool = field(default=False, init=False)
    _granted: Uri | None = field(default=None, init=False)  # our URI as the registrar keeps it
    _seen: bool = field(default=False, init=False)  # whether the network has named the contact by our URI
    _held: frozenset[str] = field(default=_NONE, init=False)  # addresses-of-record that our contact is bound to
    _rivals: set[tuple[str, str]] = field(default_factory=set, init=False)  # and those with other URIs of our instance
    _identities: tuple[RegisteredIdentity, ...] = field(default=(), init=False)
    _implicit: set[str] = field(default_factory=set, init=False)  # addresses-of-record without a REGISTER of their own

    @property
    def stands(self) -> bool:
        """Whether there is a subscription, or one is being made; not if another one will be tried later."""
        return self._watch is not None and self._watch.subscription.state in _STANDING

    @property
    def is_leaving(self) -> bool:
        """Whether the last NOTIFY of a subscription is waited for."""
        return self._watch is not None and self._watch.subscription.state is SubscriberState.LEAVING

    # commands

    def follow(self, binding: Binding, flow: Flow, *, now: float, anew: bool = False) -> None:
        """Subscribe, or go on as the registration does now; where it was begun `anew`, the registrar has no subscription."""
        if self._flow is None:
            self.subscribe(binding=binding, flow=flow, now=now)
        elif anew and self.stands:  # the registrar has dropped it with the former registration
            self.drop()
            self.subscribe(binding=binding, flow=flow, now=now)
        elif flow != self._flow:
            self.moved(binding=binding, flow=flow, now=now)
        else:
            self.renewed(binding=binding, flow=flow)
        self._flow = flow

    def subscribe(self, *, binding: Binding, flow: Flow, now: float) -> None:
        """Subscribe, after the registration was made.

        Raises:
            LocalProtocolError: there is a subscription already.
        """
        if self._watch is None:
            self._watch = self._new_watch()
        self._watch.subscription.subscribe(self._subscriber(binding, flow), now=now)

    def moved(self, *, binding: Binding, flow: Flow, now: float) -> None:
        """Go on over another flow, after the registration has moved there."""
        if self._watch is not None:
            self._watch.subscription.move(self._subscriber(binding, flow), now=now)

    def renewed(self, *, binding: Binding, flow: Flow) -> None:
        """Take note of another Service-Route, GRUU or default identity, for SUBSCRIBEs to come."""
        if self._watch is not None:
            self._watch.subscription.use(self._subscriber(binding, flow))

    def leave(self, *, now: float) -> None:
        """Wait for the NOTIFY with which the subscription ends, for the registration has ended (TS 24.229 §5.1.1.6)."""
        if self._watch is not None:
            self._watch.subscription.leave(now=now)

    def drop(self) -> None:
        """Forget the subscription without a SUBSCRIBE: without a registration there is none (TS 24.229 §5.1.1.6)."""
        if self._watch is not None:
            self._watch.drop()
        self._watch = None
        self._identities = ()
        self._implicit.clear()
        self._active = self._seen = False
        self._held, self._rivals = _NONE, set()

    # what happens

    def handle(self, event: Event, *, now: float) -> bool:
        """Take an event of the endpoint; return whether it belonged to the subscription."""
        return self._watch is not None and self._watch.handle(event, now=now)

    def next_event(self) -> RegEventEvent | None:
        """Return, once, the next thing that happened, or None."""
        return self._events.pop(0) if self._events else None

    def next_timeout(self) -> float | None:
        """Return when `handle_timeout` is due, or None."""
        return self._timers.next_timeout()

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due."""
        self._timers.handle_timeout(now)

    # SUBSCRIBE

    def _new_watch(self) -> RegistrationWatch:
        return RegistrationWatch(
            self.endpoint,
            expires=_EXPIRES,
            headers=() if self.user_agent is None else (("User-Agent", self.user_agent),),
            timers=self._timers,
            on_change=self._changed,
            on_end=self._ended,
            credentials=self.credentials,
        )

    def _subscriber(self, binding: Binding, flow: Flow) -> SubscriptionParty:
        self._granted = binding.contact.uri
        # TS 24.229 §5.1.1.3: a SIP URI that is the default identity, or the registered one; what is barred is neither.
        uris = (each for each in binding.identities if each.scheme in ("sip", "sips"))
        identity = next(uris, binding.default_identity)
        return SubscriptionParty(
            resource=identity,
            identity=identity,
            contact=NameAddr("", binding.public_gruu or self.contact.uri),
            flow=flow,
            routes=binding.routes,
        )

    # NOTIFY

    def _changed(self, change: TableChange) -> None:
        assert self._watch is not None
        if not self._active:
            self._active = True
            self._events.append(RegEventActive())
        known = [each for each in self._watch.table if self._is_own(each.info)]
        self._seen = self._seen or any(self._is_here(each.info) for each in known)
        own = [each for each in known if self._is_ours(each.info)]
        rivals = {(each.aor, each.info.uri) for each in known if not self._is_ours(each.info)}
        self._events += self._terminations(change, frozenset(each.aor for each in own), rivals)
        shortened = [each.info.expires for each in change.active if self._is_own(each.info) and _is_shortened(each)]
        if shortened:  # TS 24.229 §5.1.1.5A
            self._events.append(RegistrationShortened(min(each for each in shortened if each is not None)))
        for each in own:
            if each.info.event is ContactEvent.CREATED:  # RFC 3680 §4.7.1: along with another identity
                self._implicit.add(each.aor)
            elif each.info.event is ContactEvent.REGISTERED:
                self._implicit.discard(each.aor)
        found = (_identity(each, implicit=each.aor in self._implicit) for each in own)
        identities = tuple(identity for identity in found if identity is not None)
        # A temporary GRUU more makes none of those before invalid (RFC 5627 §3.2).
        lasting = tuple(replace(each, temporary_gruu=None) for each in identities)
        if lasting != self._identities:
            self._identities = lasting
            self._events.append(IdentitiesReported(identities))

    def _terminations(
        self, change: TableChange, held: frozenset[str], rivals: set[tuple[str, str]]
    ) -> list[RegistrationTerminated]:
        """Say for each reason at which addresses-of-record our contact is not bound any more.

        One rule for all shapes of a document: they may give our place to another contact under its id or under another
        one, by one document for all addresses-of-record or for some of them, or not speak of it any more.

        Args:
            change: changes by the document.
            held: addresses-of-record that our contact is bound to now.
            rivals: those with the URI of another contact of our instance.
        """
        # What is not named any more, or is another device's now, has expired; the last reason concerns all that are left.
        ends: dict[str, tuple[Termination, float | None]] = dict.fromkeys(
            sorted(self._held), (Termination.EXPIRED, None)
        )
        for each in change.ended:
            if self._is_ours(each.info):
                wait = each.info.retry_after if each.info.event is ContactEvent.PROBATION else None  # RFC 3680 §5.1
                ends[each.aor] = Termination(each.info.event.value), wait
        # RFC 5626 §6: one that came with the end of ours has replaced it; an earlier run may have left others.
        ends |= {aor: (Termination.REPLACED, None) for aor, _ in rivals - self._rivals if aor in ends}
        self._held, self._rivals = held, rivals
        self._implicit &= held
        found = {aor: end for aor, end in ends.items() if aor not in held}
        # Not in the order of the addresses-of-record, which means nothing: the last reason concerns all that are left.
        # So another client is told of last, which ends the registrations that have expired along with it.
        reasons = [reason for reason in Termination if any(each is reason for each, _ in found.values())]
        return [
            RegistrationTerminated(
                reason,
                max((wait for each, wait in found.values() if each is reason and wait is not None), default=None),
                tuple(uri for aor, (each, _) in found.items() if each is reason and (uri := _uri(aor)) is not None),
                last=not held and reason is reasons[-1],
            )
            for reason in reasons
        ]

    def _is_ours(self, info: ContactInfo) -> bool:
        """Tell whether a contact of our instance is that of this client, as far as the network's URIs can tell."""
        # A registrar that has named our URI once names it always; another one may rewrite it.
        return self._is_here(info) or (not self._seen and self._is_own(info))

    def _is_own(self, info: ContactInfo) -> bool:
        """Tell whether a contact is ours: same instance and reg-id, or the same URI (RFC 5626 §6)."""
        instance = info.param("+sip.instance")
        if instance is not None and instance == self.contact.params.get("+sip.instance"):
            return info.param("reg-id") in (None, self.contact.params.get("reg-id"))
        return self._is_here(info)

    def _is_here(self, info: ContactInfo) -> bool:
        """Tell whether a contact has the URI of this client, also where the registrar has rewritten it."""
        uri = _uri(info.uri)
        return uri is not None and any(uri.matches(own) for own in (self.contact.uri, self._granted) if own is not None)

    def _ended(self, event: SubscriptionEnded) -> None:
        self._active = False
        self._events.append(RegEventFailed(event.error, event.reason, event.retry_after))


def _is_shortened(contact: BoundContact) -> bool:
    return contact.info.event is ContactEvent.SHORTENED and contact.info.expires is not None


def _identity(contact: BoundContact, *, implicit: bool) -> RegisteredIdentity | None:
    info, uri = contact.info, _uri(contact.aor)
    if uri is None:
        return None
    return RegisteredIdentity(
        uri=uri,
        public_gruu=_uri(info.pub_gruu),
        temporary_gruu=None if info.temp_gruu is None else _uri(info.temp_gruu.uri),
        implicit=implicit,
    )


def _uri(text: str | None) -> Uri | None:
    try:
        return None if text is None else Uri.parse(text)
    except MalformedUri:
        return None
