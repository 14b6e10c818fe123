"""The subscriber's side of an event subscription (RFC 6665 §4.1), a usage of `Endpoint` without I/O.

One subscription, one dialog: the first NOTIFY or 2xx makes it, and NOTIFYs of other forks get 481.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Final

from wic.errors import AuthenticationFailed, LocalProtocolError, RemoteProtocolError
from wic.sip.dialog import Dialog
from wic.sip.errors import MalformedHeader
from wic.sip.events import RequestReceived, ResponseReceived, TransactionTimedOut, TransportFailed, owner_of
from wic.sip.masking import masked
from wic.sip.message import Response
from wic.sip.subscription.events import NotifyReceived, SubscriptionEnded, SubscriptionEvent, SubscriptionFailed
from wic.sip.subscription.requests import SubscribeSeries
from wic.sip.subscription.rules import ENDS_USAGE, MAY_PASS, PAUSE, pause, refresh_after, retry_after_end
from wic.sip.subscription.tables import SUBSCRIBER, SubscriberInput, SubscriberState
from wic.sip.validate import bad_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.sip.endpoint import Endpoint
    from wic.sip.events import Event
    from wic.sip.headers.values import SubscriptionState
    from wic.sip.message import Request
    from wic.sip.subscription.requests import SubscriberCredentials, SubscriptionOptions, SubscriptionParty
    from wic.sip.timers import ScheduledTimer, TimerQueue
    from wic.sip.transaction.client import ClientTransaction

__all__ = ["Subscription"]

logger = logging.getLogger(__name__)

_MAX_ROUNDS: Final = 5
_MAX_EXPIRES: Final = 2**31 - 1
_SETTLED: Final = 60.0
"""Seconds that a subscription has to last for its end to count as the first of a row."""


class _Timer(Enum):
    REFRESH = "refresh"
    EXPIRY = "expiry"
    N = "Timer N"
    RETRY = "another attempt"


_LIVE: Final = frozenset({SubscriberState.NOTIFY_WAIT, SubscriberState.PENDING, SubscriberState.ACTIVE})


@dataclass(slots=True, eq=False, repr=False)
class Subscription:
    """Makes a subscription, keeps it, makes it anew where that makes sense, and ends it.

    Its timers run in a queue that many may share; the owner of the queue lets it fire. The listener is called with
    each event, at the end of what caused it.
    """

    endpoint: Endpoint
    """Sends and receives."""
    options: SubscriptionOptions
    """Subject of the subscription."""
    timers: TimerQueue
    """Queue in which its timers run."""
    listener: Callable[[SubscriptionEvent], None]
    """Takes its events."""
    credentials: SubscriberCredentials | None = None
    """Answers challenges; None cannot."""
    check: Callable[[Request], None] | None = None
    """Looks at a NOTIFY before it is answered; RemoteProtocolError says how to refuse it."""
    _state: SubscriberState = SUBSCRIBER.initial
    _party: SubscriptionParty | None = None
    _dialog: Dialog | None = None
    _transaction: ClientTransaction | None = None
    _running: dict[_Timer, ScheduledTimer] = field(default_factory=dict)
    _series: SubscribeSeries = field(init=False)
    _rounds: int = 0
    _expires: int = field(init=False)
    _expires_at: float | None = None
    _began: float = 0.0
    _failures: int = 0
    _not_before: float = 0.0

    def __post_init__(self) -> None:
        self._series = SubscribeSeries(self.endpoint.random_source, self.options)
        self._expires = self.options.expires

    @property
    def state(self) -> SubscriberState:
        """State of the subscription."""
        return self._state

    @property
    def expires_at(self) -> float | None:
        """Time at which it ends unless it is refreshed, in the clock of `now`; None as long as that is unknown."""
        return self._expires_at

    # commands

    def subscribe(self, subscriber: SubscriptionParty, *, now: float) -> None:
        """Subscribe, in a new dialog; not before the time that a Retry-After named.

        Raises:
            LocalProtocolError: there is a subscription already.
        """
        if self._state in _LIVE or self._state is SubscriberState.LEAVING:
            raise LocalProtocolError("there is a subscription already")
        self._failures = 0
        self._party = subscriber
        if now < self._not_before:
            self._take(SubscriberInput.WAIT)
            self._start(_Timer.RETRY, self._not_before)
        else:
            self._begin(now)

    def refresh(self, *, now: float) -> None:
        """Renew it before it is due, to be told the full state; without effect while there is nothing to renew."""
        if self._dialog is not None and self._transaction is None and self._state in _LIVE:
            self._rounds = 0
            self._send(now)  # RFC 6665 §4.1.2.2: a refresh within the dialog

    def use(self, subscriber: SubscriptionParty) -> None:
        """Take another way from the next SUBSCRIBE on."""
        self._party = subscriber

    def move(self, subscriber: SubscriptionParty, *, now: float) -> None:
        """Go on by another way, as after a reconnection: refresh, or try now what was to be tried later."""
        self.use(subscriber)
        if self._state is not SubscriberState.WAITING:
            self.refresh(now=now)
        elif now >= self._not_before:
            self._begin(now)

    def unsubscribe(self, *, now: float) -> None:
        """End it (RFC 6665 §4.1.2.3); harmless where there is none.

        Ends in `SubscriptionEnded` where there was one.
        """
        if self._state is SubscriberState.WAITING:
            self.drop()
        elif self._state in _LIVE:
            established = self._dialog is not None
            self._take(SubscriberInput.UNSUBSCRIBE)
            self._stop(_Timer.REFRESH)
            if established:
                self._rounds = 0
                self._send(now)
            # Without a dialog there is nothing to end yet: its first NOTIFY or 2xx will say where to.
            self._start(_Timer.N, now + self.endpoint.options.timers.timeout)

    def leave(self, *, now: float) -> None:
        """Take it as ended by what the notifier knows already, and wait for the NOTIFY that says so.

        Ends in `SubscriptionEnded` if there was a dialog to wait in.
        """
        if self._state in _LIVE and self._dialog is not None and self._transaction is None:
            self._take(SubscriberInput.UNSUBSCRIBE)
            self._stop(_Timer.REFRESH)
            self._start(_Timer.N, now + self.endpoint.options.timers.timeout)
        else:
            self.drop()

    def drop(self) -> None:
        """Forget it without a word: NOTIFYs get 481 from now on."""
        self._let_go()
        self._take(SubscriberInput.OVER)

    # what happens

    def handle(self, event: Event, *, now: float) -> bool:
        """Take an event of the endpoint; return whether it belonged to this subscription."""
        if owner_of(event) is not self:
            return False
        if isinstance(event, RequestReceived):
            self._request(event, now)
        elif (
            isinstance(event, (ResponseReceived, TransactionTimedOut, TransportFailed))
            and event.transaction is self._transaction
        ):
            self._progress(event, event.transaction.request, now)
        return True

    def _progress(
        self, event: ResponseReceived | TransactionTimedOut | TransportFailed, request: Request, now: float
    ) -> None:
        if isinstance(event, ResponseReceived):
            if event.response.is_final:
                self._transaction = None
                self._answered(request, event.response, now)
            return
        self._transaction = None
        if isinstance(event, TransportFailed):
            self._failed(SubscriptionFailed(f"the connection was lost: {event.reason}", request=request), PAUSE, now)
        else:
            self._failed(SubscriptionFailed("the SUBSCRIBE was not answered", request=request), PAUSE, now)

    # SUBSCRIBE

    def _begin(self, now: float) -> None:
        self._let_go()
        self._take(SubscriberInput.SUBSCRIBE)
        self._series = SubscribeSeries(self.endpoint.random_source, self.options)
        self._rounds = 0
        self._expires = self.options.expires
        self._began = now
        self.endpoint.await_dialog(self._series.call_id, self._series.tag, self)  # §4.4.1: a NOTIFY may be first
        # RFC 6665 §4.1.2.4: Timer N is 64*T1.
        self._start(_Timer.N, now + self.endpoint.options.timers.timeout)
        self._send(now)

    def _send(self, now: float) -> None:
        self._rounds += 1
        assert self._party is not None
        expires = 0 if self._state is SubscriberState.LEAVING else self._expires  # §4.1.2.3
        request = self._series.build(self._party, self._dialog, expires)
        if self.credentials is not None:
            self.credentials.authorize(request)
        self._transaction = self.endpoint.send_request(request, self._party.flow, now=now, owner=self)

    # its answers

    def _answered(self, request: Request, response: Response, now: float) -> None:
        if response.status in (401, 407):  # RFC 3261 §22.2, §22.3
            self._challenged(request, response, now)
        elif response.status < 300:
            self._accepted(request, response, now)
        elif response.status == 423 and self._raise_expires(response):  # §4.1.2.1
            self._send(now)
        else:
            self._refused(request, response, now)

    def _challenged(self, request: Request, response: Response, now: float) -> None:
        if self.credentials is None or self._rounds >= _MAX_ROUNDS:
            self._refused(request, response, now)
            return
        try:
            self.credentials.challenged(request, response)
        except AuthenticationFailed as error:
            self._end(now, error=error)
        else:
            self._send(now)

    def _raise_expires(self, response: Response) -> bool:
        """Ask for what a 423 demands (RFC 6665 §4.1.2.1); False if it makes no sense."""
        least = response.usable(Response.min_expires)
        if least is None or not self._expires < least <= _MAX_EXPIRES or self._rounds >= _MAX_ROUNDS:
            return False
        self._expires = least
        return self._state is not SubscriberState.LEAVING

    def _accepted(self, request: Request, response: Response, now: float) -> None:
        try:
            if self.credentials is not None:
                self.credentials.accepted(request, response)
        except AuthenticationFailed as error:
            self._end(now, error=error)
            return
        if self._dialog is None:
            try:
                self._establish(Dialog.from_response(request, response, owner=self), now)
            except MalformedHeader as error:
                # RFC 6665 §4.4.1: the NOTIFY makes the dialog; Timer N bounds the wait for it.
                logger.info("the answer to a SUBSCRIBE makes no dialog: %s", masked(str(error)))
        elif response.to.tag == self._dialog.id.remote_tag:
            self._dialog.receive_response(response)
            self._failures = 0
        told = response.usable(Response.expires)
        granted = self._expires if told is None else min(told, self._expires)
        if granted and self._state in _LIVE:
            if self._dialog is None:
                self._expires_at = now + granted  # to be refreshed once a NOTIFY has made the dialog
            else:
                self._lasts(granted, now)

    def _establish(self, dialog: Dialog, now: float) -> None:
        self.endpoint.cease_to_await_dialog(self._series.call_id, self._series.tag)
        self._dialog = dialog
        self.endpoint.add_dialog(dialog)
        if self._state is SubscriberState.LEAVING and self.options.expires:
            self._rounds = 0
            self._send(now)  # it was to be ended before it had begun

    def _lasts(self, seconds: float, now: float) -> None:
        """Take note of how long it lasts."""
        self._expires_at = now + seconds
        self._start(_Timer.EXPIRY, self._expires_at)
        self._start(_Timer.REFRESH, now + refresh_after(seconds))

    def _refused(self, request: Request, response: Response, now: float) -> None:
        text = f"the subscription to {self.options.package!r} was refused: {response.summary}"
        error = SubscriptionFailed(text, request=request, response=response)
        wait = response.retry_delay()
        if wait is not None:
            self._not_before = now + wait
        elif response.status in MAY_PASS:
            wait = PAUSE
        if self._dialog is not None and response.status == 481:  # §4.1.2.2: the dialog is gone
            self._end(now, error=error, retry=wait or 0.0)
        elif self._dialog is not None and response.status in ENDS_USAGE:  # RFC 5057 §5.1
            self._end(now, error=error, retry=wait)
        else:
            self._failed(error, wait, now)

    def _failed(self, error: SubscriptionFailed, wait: float | None, now: float) -> None:
        """Handle a SUBSCRIBE that failed; a subscription that exists goes on until it expires."""
        if self._state in _LIVE and self._expires_at is not None and now < self._expires_at:
            if wait is not None:
                self._failures += 1
                self._start(_Timer.REFRESH, now + max(wait, pause(self._failures)))
        else:
            self._end(now, error=error, retry=wait)

    # NOTIFY

    def _request(self, event: RequestReceived, now: float) -> None:
        status = self._disorder(event)
        if status is not None:
            self.endpoint.reply(event.transaction, status, now=now)
        elif event.request.method != "NOTIFY":
            self.endpoint.reply(event.transaction, 405, now=now, headers=[("Allow", "NOTIFY")])
        else:
            try:
                self._notified(event, now)
            except MalformedHeader as error:
                self.endpoint.reply(event.transaction, 400, bad_request(str(error)).reason, now=now)
            except RemoteProtocolError as error:
                status = error.status_hint or 400
                headers = [("Accept", ", ".join(self.options.accept))] if status == 415 else []
                self.endpoint.reply(event.transaction, status, now=now, headers=headers)

    def _disorder(self, event: RequestReceived) -> int | None:
        """Return the status for a request that belongs to no dialog of ours, or not here in its order."""
        request = event.request
        if event.dialog is not None:
            return None if event.dialog is self._dialog else 481  # §4.1.3
        if (request.call_id, request.to.tag) != (self._series.call_id, self._series.tag):
            return 481
        if self._dialog is None:
            return None
        # It arrived together with the one that made the dialog, and the endpoint did not know the dialog yet.
        if request.from_.tag != self._dialog.id.remote_tag:
            return 481
        return None if self._dialog.receive_request(request) else 500

    def _notified(self, event: RequestReceived, now: float) -> None:
        request = event.request
        if request.event is None or request.event.package != self.options.package:
            headers = [("Allow-Events", self.options.package)]  # §4.1.3, §8.3.2: 489
            self.endpoint.reply(event.transaction, 489, now=now, headers=headers)
            return
        state = request.subscription_state
        if state is None:
            raise MalformedHeader("Subscription-State is missing")  # §4.1.3
        retry, expires = retry_after_end(state), state.expires
        dialog = self._dialog or Dialog.from_request(request, Response.answer(request, 200), owner=self)
        if self.check is not None:
            self.check(request)
        if self._dialog is None:
            dialog.local_cseq = self._series.cseq
            self._establish(dialog, now)
        self.endpoint.reply(event.transaction, 200, now=now)
        self._follow(request, state, retry, expires, now)

    def _follow(
        self, request: Request, state: SubscriptionState, retry: float | None, expires: int | None, now: float
    ) -> None:
        fetching = self._state is SubscriberState.LEAVING or not self.options.expires
        if state.state == "terminated" or (fetching and expires == 0):  # §4.1.3, §4.4.3
            self.listener(NotifyReceived(request, state))
            self._end(now, reason=state.reason, retry=retry)
            return
        active = state.state == "active"
        self._take(SubscriberInput.NOTIFY_ACTIVE if active else SubscriberInput.NOTIFY_PENDING)
        if not fetching:
            self._stop(_Timer.N)
            ends = self._expires_at
            if _Timer.EXPIRY not in self._running:
                # As the NOTIFY says, else as the answer has said; before that answer as was asked for.
                granted = self._expires if ends is None else max(1.0, ends - now)
                self._lasts(expires or granted, now)
            # RFC 6665 §4.1.2.4: the notifier may shorten it.
            elif expires and ends is not None and now + expires < ends - 1:
                self._lasts(expires, now)
        self.listener(NotifyReceived(request, state))

    # the end

    def _end(
        self,
        now: float,
        *,
        reason: str | None = None,
        error: SubscriptionFailed | AuthenticationFailed | None = None,
        retry: float | None = None,
    ) -> None:
        if self._state is SubscriberState.LEAVING or not self.options.expires:
            retry = None
        self._let_go()
        self._take(SubscriberInput.OVER)
        if retry is not None:
            self._failures = 1 if now - self._began >= _SETTLED else self._failures + 1
            retry = max(retry, pause(self._failures), self._not_before - now)
            self._take(SubscriberInput.WAIT)
            self._start(_Timer.RETRY, now + retry)
        self.listener(SubscriptionEnded(reason, error, retry))

    def _let_go(self) -> None:
        """Leave dialog, transaction and timers."""
        for timer in _Timer:
            self._stop(timer)
        self.endpoint.cease_to_await_dialog(self._series.call_id, self._series.tag)
        if self._dialog is not None:
            self.endpoint.remove_dialog(self._dialog)
        self._dialog = self._transaction = self._expires_at = None

    # timers

    def _start(self, timer: _Timer, at: float) -> None:
        self._stop(timer)
        self._running[timer] = self.timers.schedule(at, partial(self._expire, timer))

    def _stop(self, timer: _Timer) -> None:
        running = self._running.pop(timer, None)
        if running is not None:
            running.cancel()

    def _expire(self, timer: _Timer, now: float) -> None:
        del self._running[timer]
        match timer:
            case _Timer.REFRESH:
                self.refresh(now=now)
            case _Timer.RETRY:
                self._begin(now)
            case _Timer.EXPIRY:
                self._end(now, error=SubscriptionFailed("the subscription has expired"), retry=0.0)
            case _:  # Timer N
                text = f"no NOTIFY of {self.options.package!r} came"
                leaving = self._state is SubscriberState.LEAVING
                self._end(now, error=None if leaving else SubscriptionFailed(text), retry=PAUSE)

    def _take(self, given: SubscriberInput) -> None:
        following = SUBSCRIBER.rows.get((self._state, given))
        if following is not None:
            self._move(following)

    def _move(self, state: SubscriberState) -> None:
        logger.debug("subscription to %s: %s -> %s", self.options.package, self._state, state)
        self._state = state
