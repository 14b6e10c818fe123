"""The notifier's side of an event subscription (RFC 6665 §4.2), a usage of `Endpoint` without I/O."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from wic.errors import RemoteProtocolError
from wic.option_checks import NumericOptions
from wic.sip.dialog import Dialog
from wic.sip.errors import MalformedHeader
from wic.sip.events import RequestReceived, ResponseReceived, TransactionTimedOut, TransportFailed
from wic.sip.headers.values import SubscriptionState
from wic.sip.message import Message, Response
from wic.sip.subscription.rules import ENDS_USAGE
from wic.sip.subscription.tables import NOTIFIER, NotifierInput, NotifierState
from wic.sip.validate import bad_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.sip.endpoint import Endpoint
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Request
    from wic.sip.timers import ScheduledTimer, TimerQueue
    from wic.sip.transaction.client import ClientTransaction
    from wic.sip.uri import Uri

__all__ = [
    "GrantedSubscription",
    "NotifierOptions",
    "NotifierSubscription",
    "SubscribeRefused",
    "SubscriptionKeeper",
    "grant",
]

logger = logging.getLogger(__name__)

# RFC 5626 §5.3.1: 430 says that the flow behind a token of the dialog's route set is gone, and no other will have it.
_ENDS: Final = ENDS_USAGE | {408, 430}


@dataclass(frozen=True, kw_only=True, slots=True)
class NotifierOptions(NumericOptions):
    """Settings of a notifier by event package and operator; times in seconds."""

    may_be_zero: ClassVar = ("min_expires", "interval")
    package: str
    """Event package, such as `reg`."""
    content_type: str
    """Media type of the bodies."""
    min_expires: int = 60
    """Shorter subscriptions get 423."""
    max_expires: int = 600_000
    default_expires: int = 3600
    """For those who do not ask for a time."""
    interval: float = 5.0
    """Between two NOTIFYs, unless the second is urgent."""


class SubscribeRefused(RemoteProtocolError):
    """SUBSCRIBE that cannot be granted.

    Attributes:
        status_hint: the status that answers it.
        headers: the header fields that go with it.
    """

    def __init__(self, message: str, *, status_hint: int, headers: tuple[tuple[str, object], ...] = ()) -> None:
        super().__init__(message, status_hint=status_hint)
        self.headers = headers


class SubscriptionKeeper(Protocol):
    """Services of the owner of a subscription: bodies, storage, and its release."""

    def compose(self, *, full: bool, now: float) -> bytes:
        """Return the next body: the full state, or what has changed since the last one."""
        ...

    def keep(self) -> None:
        """Write down dialog and expiry, if they are to survive; called before the peer learns of a change."""
        ...

    def over(self) -> None:
        """Let go of the subscription: it is terminated."""
        ...


@dataclass(frozen=True, slots=True)
class GrantedSubscription:
    """A SUBSCRIBE that can be accepted."""

    response: Response
    """The 200, to be sent before the first NOTIFY."""
    dialog: Dialog
    event: str
    """The Event of every NOTIFY, with the id of the SUBSCRIBE."""
    expires: int
    """Seconds; 0 where only the state was asked for."""


def grant(request: Request, options: NotifierOptions, *, tag: str, contact: NameAddr) -> GrantedSubscription:
    """Judge a SUBSCRIBE outside a dialog (RFC 6665 §4.2.1).

    Raises:
        SubscribeRefused: it cannot be granted.
        MalformedHeader: it cannot be read.
    """
    expires = _judge(request, options)
    response = _accepted(request, tag, contact, expires)
    return GrantedSubscription(response, Dialog.from_request(request, response), str(request.event), expires)


@dataclass(slots=True, eq=False, repr=False)
class NotifierSubscription:
    """One subscription: keeps its time and its NOTIFYs, one at a time.

    Its timers run in a queue that many may share; the owner of the queue lets it fire.
    """

    endpoint: Endpoint
    """Sends and receives; it gets the dialog."""
    dialog: Dialog
    """The notifier's side of the dialog."""
    options: NotifierOptions = field(kw_only=True)
    """Rules of the package."""
    event: str = field(kw_only=True)
    """Value of the Event header field."""
    contact: NameAddr = field(kw_only=True)
    """Contact of this element."""
    expires_at: float = field(kw_only=True)
    """Time at which it ends unless it is refreshed, in the clock of `now`."""
    keeper: SubscriptionKeeper = field(kw_only=True)
    """Its owner."""
    timers: TimerQueue = field(kw_only=True)
    """Queue in which its timers run."""
    flow_to: Callable[[Uri], Flow | None] = field(kw_only=True)
    """Finds the way to the next hop; None = there is none."""
    _state: NotifierState = NOTIFIER.initial
    _reason: str = ""
    _retry_after: int | None = None
    _wanted: bool | None = None
    _missed: bool = False
    _earliest: float = 0.0
    _transaction: ClientTransaction | None = None
    _pause: ScheduledTimer | None = None
    _expiry: ScheduledTimer = field(init=False)

    def __post_init__(self) -> None:
        self.dialog.owner = self
        self.endpoint.add_dialog(self.dialog)
        self._expiry = self.timers.schedule(self.expires_at, self._expired)

    @property
    def state(self) -> NotifierState:
        """State of the subscription."""
        return self._state

    # commands

    def notify(self, *, now: float) -> None:
        """Tell the full state at once."""
        self._want(full=True, urgent=True, now=now)

    def changed(self, *, urgent: bool = False, now: float) -> None:
        """Tell what has changed: at once where it is urgent, else when the interval allows it."""
        self._want(full=self._missed, urgent=urgent, now=now)

    def end(self, reason: str, *, retry_after: int | None = None, now: float) -> None:
        """End it with a last NOTIFY (RFC 6665 §4.2.2); harmless when it has ended.

        Args:
            reason: one of those of RFC 6665 §4.1.3.
            retry_after: seconds before the subscriber should try again.
            now: the time.
        """
        if self._state is NotifierState.ACTIVE:
            self._reason, self._retry_after = reason, retry_after
            self._take(NotifierInput.END)
            self._want(full=True, urgent=True, now=now)

    # what happens

    def handle(self, event: Event, *, now: float) -> None:
        """Take an event of the endpoint that concerns this subscription."""
        match event:
            case RequestReceived():
                self._request(event, now)
            case ResponseReceived(transaction, response) if transaction is self._transaction and response.is_final:
                self._transaction = None
                self._answered(response, now)
            case TransactionTimedOut(transaction) if transaction is self._transaction:
                self._over()  # RFC 6665 §4.2.2: the subscriber is gone
            case TransportFailed(transaction) if transaction is self._transaction:
                self._transaction = None
                self._undelivered(now)

    def _request(self, event: RequestReceived, now: float) -> None:
        if self._state is not NotifierState.ACTIVE:
            self.endpoint.reply(event.transaction, 481, now=now)
        elif event.request.method != "SUBSCRIBE":
            self.endpoint.reply(event.transaction, 405, now=now, headers=[("Allow", "SUBSCRIBE")])
        else:
            try:
                self._refresh(event, now)
            except SubscribeRefused as refused:
                self.endpoint.reply(event.transaction, refused.status_hint or 400, now=now, headers=refused.headers)
            except MalformedHeader as error:
                self.endpoint.reply(event.transaction, 400, bad_request(str(error)).reason, now=now)

    def _refresh(self, event: RequestReceived, now: float) -> None:
        """Take a SUBSCRIBE within the dialog: a refresh, or the end (RFC 6665 §4.2.1.4)."""
        request = event.request
        expires = _judge(request, self.options)
        if str(request.event) != self.event:  # RFC 6665 §4.5.2
            raise SubscribeRefused("another subscription", status_hint=481)
        self.expires_at = now + expires
        self._expiry.cancel()
        self._expiry = self.timers.schedule(self.expires_at, self._expired)
        self._take(NotifierInput.SUBSCRIBE)
        self.keeper.keep()
        response = _accepted(request, event.transaction.tag, self.contact, expires)
        self.endpoint.respond(event.transaction, response, now=now)  # §4.2.1.2: before the NOTIFY
        if expires:
            self.notify(now=now)
        else:
            self.end("timeout", now=now)

    def _expired(self, now: float) -> None:
        self.end("timeout", now=now)  # §4.2.1.4

    # NOTIFY

    def _want(self, *, full: bool, urgent: bool, now: float) -> None:
        if self._state is NotifierState.TERMINATED:
            return
        self._wanted = full or bool(self._wanted)
        if urgent:
            self._earliest = now
        self._flush(now)

    def _flush(self, now: float) -> None:
        """Send what is wanted, unless a NOTIFY has no answer yet or came too short ago."""
        if self._wanted is None or self._transaction is not None:
            return
        if now < self._earliest:
            if self._pause is None:
                self._pause = self.timers.schedule(self._earliest, self._paused)
            return
        flow = self.flow_to(self.dialog.next_hop)  # RFC 3261 §12.2.1.1
        if flow is None:
            self._over()
            return
        body = self.keeper.compose(full=self._wanted, now=now)
        self._wanted, self._missed = None, False
        self._earliest = now + self.options.interval
        request = self.dialog.create_request("NOTIFY", self._headers(now), body)
        self.keeper.keep()
        self._transaction = self.endpoint.send_request(request, flow, now=now, owner=self)

    def _paused(self, now: float) -> None:
        self._pause = None
        self._flush(now)

    def _headers(self, now: float) -> list[tuple[str, object]]:
        if self._state is NotifierState.ENDING:
            state = SubscriptionState.terminated(self._reason, self._retry_after)
        else:
            state = SubscriptionState.active(max(1, round(self.expires_at - now)))
        return [
            ("Contact", self.contact),
            ("Event", self.event),
            ("Subscription-State", state),
            ("Content-Type", self.options.content_type),
        ]

    def _answered(self, response: Response, now: float) -> None:
        if response.status in _ENDS or self._was_last:  # §4.2.2
            self._over()
        elif response.status >= 300:
            self._undelivered(now, response.retry_delay())
        else:
            self.dialog.receive_response(response)
            self._flush(now)

    def _undelivered(self, now: float, wait: float | None = None) -> None:
        """Go on after a failure that may pass: the next NOTIFY tells everything, after Retry-After if that is given."""
        if self._was_last:
            self._over()
            return
        self._missed = True
        if wait is not None:
            self._earliest = max(self._earliest, now + wait)
        if self._wanted is not None or wait is not None:
            self._wanted = True
        self._flush(now)

    @property
    def _was_last(self) -> bool:
        return self._state is NotifierState.ENDING and self._wanted is None

    def _over(self) -> None:
        self._take(NotifierInput.NOTIFIED if self._was_last else NotifierInput.FAILED)
        self._expiry.cancel()
        if self._pause is not None:
            self._pause.cancel()
        self._transaction = self._wanted = None
        self.endpoint.remove_dialog(self.dialog)
        self.keeper.over()

    def _take(self, given: NotifierInput) -> None:
        self._move(NOTIFIER.rows[self._state, given])

    def _move(self, state: NotifierState) -> None:
        logger.debug("notifier of %s: %s -> %s", self.options.package, self._state, state)
        self._state = state


def _judge(request: Request, options: NotifierOptions) -> int:
    """Return the seconds to grant.

    Raises:
        SubscribeRefused: another package, too short a time, or a body that the subscriber cannot read.
        MalformedHeader: the request cannot be read.
    """
    if request.event is None or request.event.package != options.package:
        headers = (("Allow-Events", options.package),)
        raise SubscribeRefused("no such event package", status_hint=489, headers=headers)  # §8.3.2
    ranges = request.usable(Message.accept)
    if ranges and not any(each.accepts(options.content_type) for each in ranges):
        # RFC 6665 §4.2.1.1: a body of another kind is all that there would be.
        raise SubscribeRefused("no acceptable body", status_hint=406, headers=(("Accept", options.content_type),))
    asked = options.default_expires if request.expires is None else request.expires
    if 0 < asked < options.min_expires:  # §4.2.1.1
        raise SubscribeRefused("too short a time", status_hint=423, headers=(("Min-Expires", options.min_expires),))
    return min(asked, options.max_expires)  # §4.2.1.1: shorter, never longer


def _accepted(request: Request, tag: str, contact: NameAddr, expires: int) -> Response:
    headers = [("Contact", contact), ("Expires", expires)]
    return Response.answer(request, 200, to_tag=tag, headers=headers)
