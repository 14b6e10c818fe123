"""A REGISTER on its way, repeated as challenges and refusals ask, until its outcome is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from wic.errors import AuthenticationFailed, RegistrationFailed, TokenRefused, UsimFailed
from wic.registration.binding import read_binding
from wic.registration.reactions import GiveUp, Occasion, Purpose, Removed, SendAgain, StartAnew, react, react_to_silence
from wic.registration.requests import Series
from wic.sip.events import ResponseReceived, TransactionTimedOut, TransportFailed

if TYPE_CHECKING:
    from wic.auth import Authenticator
    from wic.registration.binding import Binding
    from wic.registration.identity import Identity
    from wic.registration.options import RegistrationOptions
    from wic.registration.terms import Terms
    from wic.sip.endpoint import Endpoint
    from wic.sip.flow import Flow
    from wic.sip.message import Request, Response
    from wic.sip.transaction.client import ClientTransaction

_MAX_ROUNDS: Final = 8  # two invalid challenges of AKA and a right one make four, other terms come on top
_KEEP: Final = (("keep", None),)  # RFC 6223 §4.3: without a value


@dataclass(frozen=True, slots=True)
class Accepted:
    """The registrar keeps a binding."""

    binding: Binding


@dataclass(frozen=True, slots=True)
class Refused:
    """It came to nothing."""

    error: RegistrationFailed | AuthenticationFailed
    reaction: StartAnew | GiveUp
    """What is to be done about it."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The flow was lost on the way."""

    reason: str


Answer: TypeAlias = ResponseReceived | TransactionTimedOut | TransportFailed
"""What an endpoint tells about a transaction."""
Outcome: TypeAlias = Accepted | Removed | Refused | Cut


@dataclass(frozen=True, slots=True)
class _Errand:
    """What the REGISTER on its way is for."""

    purpose: Purpose
    flow: Flow
    binding: Binding | None = None
    """The binding that there is."""


class Exchange:
    """Sends the REGISTERs of one registration, one at a time; made by `Registration`."""

    __slots__ = ("_credentials", "_endpoint", "_errand", "_identity", "_options", "_rounds", "_series", "transaction")

    def __init__(
        self,
        endpoint: Endpoint,
        identity: Identity,
        flow: Flow,
        credentials: Authenticator,
        options: RegistrationOptions,
    ) -> None:
        self._endpoint = endpoint
        self._identity = identity
        self._credentials = credentials
        self._options = options
        self._errand = _Errand(Purpose.INITIAL, flow)
        self._series = self._new_series(options.terms)
        self.transaction: ClientTransaction | None = None
        """That of the REGISTER on its way."""
        self._rounds = 0

    def register(self, flow: Flow, *, now: float, binding: Binding | None = None) -> None:
        """Send an initial REGISTER, with a new Call-ID; `binding` is what there is nevertheless."""
        if self._rounds:
            # TS 24.229 §5.1.1.2.2: who begins again begins without a nonce. The first time there may be one, of
            # another identity of the user (§5.1.1.4.1).
            self._credentials.forget()
            self._series = self._new_series(self._options.terms if binding is None else self._series.terms)
        self._begin(_Errand(Purpose.INITIAL, flow, binding), now)

    def refresh(self, flow: Flow, binding: Binding, *, now: float) -> None:
        """Send a REGISTER that renews the binding; the flow may be a new one."""
        self._begin(_Errand(Purpose.REFRESH, flow, binding), now)

    def remove(self, flow: Flow, binding: Binding, *, now: float) -> None:
        """Send a REGISTER that removes the binding."""
        self._begin(_Errand(Purpose.REMOVAL, flow, binding), now)

    def handle(self, event: Answer, *, now: float) -> Outcome | None:
        """Take what became of the transaction; return the outcome once it is known."""
        if isinstance(event, ResponseReceived) and not event.response.is_final:
            return None
        self.transaction = None
        if isinstance(event, ResponseReceived):
            return self._answered(event.transaction.request, event.response, now)
        if isinstance(event, TransportFailed):
            return Cut(event.reason)
        error = RegistrationFailed(f"{self._identity.domain} did not answer the REGISTER")
        return Refused(error, react_to_silence(self._errand.purpose))

    # requests

    def _new_series(self, terms: Terms) -> Series:
        return Series(self._identity, self._options, terms, random_source=self._endpoint.random_source)

    def _begin(self, errand: _Errand, now: float) -> None:
        self._errand = errand
        self._rounds = 0
        self._send(now)

    def _send(self, now: float) -> None:
        self._rounds += 1
        errand = self._errand
        removes = errand.purpose is Purpose.REMOVAL
        request = self._series.deregister() if removes else self._series.register()
        self._credentials.authorize(request)
        via_params = _KEEP if self._options.keep_alive else ()
        self.transaction = self._endpoint.send_request(request, errand.flow, now=now, owner=self, via_params=via_params)

    # answers

    def _answered(self, request: Request, response: Response, now: float) -> Outcome | None:
        try:
            if response.status < 300:
                return self._accepted(request, response, now)
            if response.status not in (401, 407):
                return self._refused(request, response, now)
            self._challenged(request, response, now)
        except TokenRefused as error:  # with a new one the binding can be kept (RFC 8898 §2.1.3)
            return Refused(error, GiveUp(temporary=True, by_itself=False))
        except UsimFailed as error:  # the card may be put back
            return Refused(error, GiveUp(temporary=True))
        except (AuthenticationFailed, RegistrationFailed) as error:
            return Refused(error, GiveUp())
        return None

    def _accepted(self, request: Request, response: Response, now: float) -> Accepted | Removed:
        self._credentials.accepted(request, response)
        if self._errand.purpose is Purpose.REMOVAL:
            return Removed()
        own, asked = self._series.contact, self._series.terms.expires
        return Accepted(read_binding(response, own, impu=self._identity.impu, asked=asked, now=now))

    def _challenged(self, request: Request, response: Response, now: float) -> None:
        self._credentials.challenged(request, response)
        if self._rounds >= _MAX_ROUNDS:
            raise AuthenticationFailed(f"{self._identity.domain} keeps asking for credentials")
        self._send(now)

    def _refused(self, request: Request, response: Response, now: float) -> Outcome | None:
        errand = self._errand
        occasion = Occasion(errand.purpose, self._series.terms, errand.binding, self._options.longest_wait)
        reaction = react(response, occasion)
        if isinstance(reaction, SendAgain):
            if self._rounds < _MAX_ROUNDS:
                self._series.agree(self._identity, reaction.terms)
                self._send(now)
                return None
            reaction = GiveUp("it keeps asking for something else")
        if isinstance(reaction, Removed):
            return reaction
        hint = reaction.hint if isinstance(reaction, GiveUp) else ""
        return Refused(self._refusal(response, hint or self._credentials.advice(request, response)), reaction)

    def _refusal(self, response: Response, hint: str) -> RegistrationFailed:
        phrase = f" {response.reason}" if response.reason.isprintable() else ""
        what = "deregister" if self._errand.purpose is Purpose.REMOVAL else "register"
        return RegistrationFailed(
            f"{self._identity.domain} refused to {what} {self._identity.impu}: {response.status}{phrase[:80]}"
            + (f"; {hint}" if hint else ""),
            response=response,
        )
