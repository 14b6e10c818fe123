"""The registration of one contact: made, kept, removed (TS 24.229 §5.1.1, RFC 3261 §10.2, RFC 5626 §4.2)."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from wic.errors import AuthenticationFailed, LocalProtocolError, RegistrationFailed
from wic.registration.binding import Binding, read_binding
from wic.registration.events import (
    BindingCreated,
    BindingLost,
    BindingRefreshed,
    BindingRemoved,
    RegisterFailed,
    RegistrationEvent,
)
from wic.sip.errors import MalformedHeader
from wic.sip.events import FlowClosed, ResponseReceived, TransactionTimedOut, TransportFailed
from wic.sip.headers import CSeq, NameAddr, RetryAfter
from wic.sip.message import Request, Response
from wic.sip.tokens import call_id, tag
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from wic.auth import Authenticator
    from wic.registration.identity import Identity
    from wic.sip.client_transaction import ClientTransaction
    from wic.sip.endpoint import Endpoint
    from wic.sip.events import Event
    from wic.sip.flow import Flow

logger = logging.getLogger(__name__)

_MAX_ROUNDS = 5
_MAX_EXPIRES = 2**31 - 1
_TRY_AGAIN = frozenset({408, 500, 504})
_WAIT = frozenset({480, 500, 503, 504, 600})
Failure = RegistrationFailed | AuthenticationFailed


class RegistrationState(Enum):
    """Where a registration stands."""

    UNREGISTERED = "not registered"
    REGISTERING = "a first REGISTER is on its way"
    REGISTERED = "registered"
    REFRESHING = "registered, and a REGISTER is on its way"
    WAITING = "not registered, and told to wait"
    REMOVING = "a REGISTER with expires 0 is on its way"


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistrationOptions:
    """How to register."""

    expires: int = 600000
    """Seconds to ask for (TS 24.229 §5.1.1.2.1)."""
    reg_id: int = 1
    """Number of this flow among those of the device (RFC 5626 §4.2)."""
    user_agent: str | None = None
    longest_wait: float = 1800.0
    """Most seconds that a Retry-After can make this side wait (RFC 5626 §4.5: max-time)."""


_PENDING = frozenset({RegistrationState.REGISTERING, RegistrationState.REFRESHING, RegistrationState.REMOVING})
_DEFAULT_OPTIONS = RegistrationOptions()


class Registration:
    """Registers over one flow and keeps the binding; a usage of `Endpoint`, without I/O.

    The shell hands every endpoint event to `handle`, takes events with `next_event`, and calls
    `handle_timeout` when `next_timeout` is due.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        identity: Identity,
        flow: Flow,
        credentials: Authenticator,
        options: RegistrationOptions = _DEFAULT_OPTIONS,
    ) -> None:
        self.identity = identity
        self.flow = flow
        """Where REGISTER goes."""
        self._endpoint = endpoint
        self._credentials = credentials
        self._options = options
        self._state = RegistrationState.UNREGISTERED
        self._binding: Binding | None = None
        self._events: deque[RegistrationEvent] = deque()
        self._deadline: float | None = None
        self._transaction: ClientTransaction | None = None
        self._remove_next = False
        self._rounds = 0
        self._expires = options.expires
        self._cseq = 0
        self._start_anew()

    @property
    def state(self) -> RegistrationState:
        """Where the registration stands."""
        return self._state

    @property
    def binding(self) -> Binding | None:
        """What the registrar granted, while it lasts."""
        return self._binding

    # commands

    def register(self, *, now: float, flow: Flow | None = None) -> None:
        """Register, or register again over a new flow after a reconnection.

        Raises:
            LocalProtocolError: a REGISTER is on its way (TS 24.229 §5.1.1.2.1: one at a time).
        """
        self._must_not_be_pending()
        self.flow = flow or self.flow
        self._expires = self._options.expires
        self._begin(RegistrationState.REGISTERING, now)

    def refresh(self, *, now: float) -> None:
        """Renew the binding before it is due.

        Raises:
            LocalProtocolError: there is none, or a REGISTER is on its way.
        """
        self._must_not_be_pending()
        if self._state is not RegistrationState.REGISTERED:
            raise LocalProtocolError("there is no binding to refresh")
        self._begin(RegistrationState.REFRESHING, now)

    def deregister(self, *, now: float) -> None:
        """Remove the binding; while a REGISTER is on its way, as soon as that is answered.

        Ends in `BindingRemoved` in any case, at once if there is nothing to remove.
        """
        if self._state in (RegistrationState.REGISTERING, RegistrationState.REFRESHING):
            self._remove_next = True
        elif self._state is RegistrationState.REGISTERED:
            self._begin(RegistrationState.REMOVING, now)
        elif self._state is not RegistrationState.REMOVING:
            self._end(BindingRemoved())

    # what happens

    def handle(self, event: Event, *, now: float) -> bool:
        """Take an event of the endpoint; return whether it belonged to this registration alone."""
        if isinstance(event, FlowClosed) and event.flow == self.flow and self._state is RegistrationState.REGISTERED:
            self._fail(RegistrationFailed(f"the connection was lost: {event.reason}"), now)
            return False
        if not isinstance(event, ResponseReceived | TransactionTimedOut | TransportFailed):
            return False
        if self._transaction is None or event.transaction is not self._transaction:
            return False
        if isinstance(event, ResponseReceived):
            if event.response.is_final:
                self._transaction = None
                self._answered(event.transaction.request, event.response, now)
            return True
        self._transaction = None
        if isinstance(event, TransportFailed):
            self._fail(RegistrationFailed(f"the connection was lost: {event.reason}"), now)
        else:
            self._failed_for_now(RegistrationFailed(f"{self.identity.domain} did not answer the REGISTER"), now)
        return True

    def next_event(self) -> RegistrationEvent | None:
        """Return, once, the next thing that happened, or None."""
        return self._events.popleft() if self._events else None

    def next_timeout(self) -> float | None:
        """Return when `handle_timeout` is due, or None."""
        return self._deadline

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due: refresh the binding, or try again after a wait."""
        if self._deadline is None or now < self._deadline:
            return
        self._deadline = None
        if self._state is RegistrationState.REGISTERED:
            self._begin(RegistrationState.REFRESHING, now)
        else:
            self._begin(RegistrationState.REGISTERING, now)

    # requests

    def _must_not_be_pending(self) -> None:
        if self._state in _PENDING:
            raise LocalProtocolError("a REGISTER is on its way")

    def _start_anew(self) -> None:
        """Begin another series of REGISTERs (RFC 3261 §10.2: same Call-ID, rising CSeq within one)."""
        self._call_id = call_id(self._endpoint.tokens)
        self._from_tag = tag(self._endpoint.tokens)
        self._cseq = 0

    def _begin(self, state: RegistrationState, now: float) -> None:
        self._move(state)
        self._deadline = None
        self._rounds = 0
        self._send(now)

    def _send(self, now: float) -> None:
        self._rounds += 1
        self._cseq += 1
        request = self._request()
        self._credentials.authorize(request)
        self._transaction = self._endpoint.send_request(request, self.flow, now=now, owner=self)

    def _request(self) -> Request:
        removing = self._state is RegistrationState.REMOVING
        address = NameAddr("", self.identity.impu)
        headers: list[tuple[str, object]] = [
            ("From", address.with_tag(self._from_tag)),
            ("To", address),
            ("Call-ID", self._call_id),
            ("CSeq", CSeq(self._cseq, "REGISTER")),
            ("Contact", self._contact()),
            ("Expires", 0 if removing else self._expires),
            ("Supported", "path, gruu, outbound"),
        ]
        if self._options.user_agent is not None:
            headers.append(("User-Agent", self._options.user_agent))
        return Request.build("REGISTER", Uri(scheme="sip", host=self.identity.domain), headers)

    def _contact(self) -> NameAddr:
        return self.identity.contact_header(self._options.reg_id)

    # answers

    def _answered(self, request: Request, response: Response, now: float) -> None:
        if response.status in (401, 407):
            self._challenged(request, response, now)
        elif response.status < 300:
            self._accepted(request, response, now)
        elif response.status == 423 and self._raise_expires(response):
            self._send(now)
        else:
            self._refused(response, now)

    def _challenged(self, request: Request, response: Response, now: float) -> None:
        try:
            self._credentials.challenged(request, response)
            if self._rounds >= _MAX_ROUNDS:
                raise AuthenticationFailed(f"{self.identity.domain} keeps asking for credentials")
        except AuthenticationFailed as error:
            self._fail(error, now)
        else:
            self._send(now)

    def _accepted(self, request: Request, response: Response, now: float) -> None:
        try:
            self._credentials.accepted(request, response)
            if self._state is RegistrationState.REMOVING:
                self._end(BindingRemoved())
                return
            binding = read_binding(response, self._contact(), asked=self._expires, now=now)
        except (AuthenticationFailed, RegistrationFailed) as error:
            self._fail(error, now)
            return
        renewed = self._binding is not None
        self._binding = binding
        self._events.append(BindingRefreshed(binding) if renewed else BindingCreated(binding))
        self._move(RegistrationState.REGISTERED)
        self._deadline = now + binding.refresh_after
        if self._remove_next:
            self._begin(RegistrationState.REMOVING, now)

    def _raise_expires(self, response: Response) -> bool:
        """Ask for what a 423 demands (RFC 3261 §10.2.8); False if it makes no sense."""
        try:
            least = response.min_expires
        except MalformedHeader:
            return False
        if least is None or not self._expires < least <= _MAX_EXPIRES or self._rounds >= _MAX_ROUNDS:
            return False
        self._expires = least
        return True

    def _refused(self, response: Response, now: float) -> None:
        phrase = f" {response.reason}" if response.reason.isprintable() else ""
        # TS 24.229 §5.4.1.2.3B: 403 after a challenge is what a wrong response to it gets.
        hint = "; check the private identity and the password" if response.status == 403 and self._rounds > 1 else ""
        error = RegistrationFailed(
            f"{self.identity.domain} refused to register {self.identity.impu}: {response.status}{phrase[:80]}{hint}",
            response=response,
        )
        wait = self._wait(response)
        if response.status in _TRY_AGAIN and wait is None:
            self._failed_for_now(error, now)
        else:
            self._fail(error, now, wait)

    def _wait(self, response: Response) -> float | None:
        """Seconds that a Retry-After wants, within reason."""
        text = response.headers.get("Retry-After") if response.status in _WAIT else None
        try:
            return None if text is None else float(min(RetryAfter.parse(text).seconds, self._options.longest_wait))
        except MalformedHeader:
            return None

    def _failed_for_now(self, error: RegistrationFailed, now: float) -> None:
        if self._state is RegistrationState.REFRESHING and not self._remove_next:
            # TS 24.229 §5.1.1.4.1: 408, 500, 504 or no answer to a refresh leads to an initial registration.
            self._start_anew()
            self._begin(RegistrationState.REGISTERING, now)
        else:
            self._fail(error, now)

    def _fail(self, error: Failure, now: float, wait: float | None = None) -> None:
        removing = self._remove_next or self._state is RegistrationState.REMOVING
        had_binding = self._binding is not None
        if removing:
            self._end(BindingRemoved(error))
            return
        self._end(BindingLost(error, wait) if had_binding else RegisterFailed(error, wait))
        if wait is not None:
            self._move(RegistrationState.WAITING)
            self._deadline = now + wait

    def _end(self, event: RegistrationEvent) -> None:
        """Be unregistered."""
        self._events.append(event)
        self._binding = None
        self._deadline = None
        self._remove_next = False
        self._start_anew()
        self._move(RegistrationState.UNREGISTERED)

    def _move(self, state: RegistrationState) -> None:
        logger.debug("registration of %s: %s -> %s", self.identity.impu, self._state.name, state.name)
        self._state = state
