"""Recovery of registrations: the remedies for every failure, and what is left of them in each phase of a client.

A REGISTER that brings no binding fails for a cause: the status code of its answer, silence, a lost connection, or an
error of the credentials. `REMEDIES` says for each cause, and for each purpose of a REGISTER, what follows by the
specifications. Not every remedy can be had at every time: who opens a client waits for no Retry-After, a client with
one server turns to no other, and an identity that does not lead the others does not decide about the connection that
they share. `PHASES` says what each remedy comes to in a phase.

Nothing else decides what follows a failure. `Registration`, `RegistrationAgent` and the client's connection carry out
what these tables say; `docs/design/state-machines.md` prints them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from wic.errors import (
    AuthenticationFailed,
    FlowLost,
    RegistrationFailed,
    SignInFailed,
    TokenRefused,
    TransportError,
    UsimFailed,
)
from wic.registration.reg_event.events import Termination
from wic.registration.register_request import EXTENSIONS
from wic.sip.ims3gpp import believed_alternative
from wic.sip.message import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wic.errors import WicError
    from wic.registration.binding import Binding
    from wic.registration.reg_event.events import RegistrationTerminated
    from wic.registration.register_request import RegisterParameters

MAX_ROUNDS: Final = 8
"""REGISTERs in a row: two invalid challenges of AKA and a right one make four, other parameters come on top."""
FAILURES: Final = (AuthenticationFailed, RegistrationFailed)
"""Errors that end an attempt to register; any other one is a fault of the program."""

_MAX_EXPIRES: Final = 2**31 - 1  # a Min-Expires beyond it is nonsense
_PROBATION: Final = 60.0  # seconds, where the network does not say how long it takes
_FINAL_5XX: Final = frozenset({501, 505, 513, 580})  # RFC 3261 §21.5, RFC 3312: time does not change these
_FINAL_6XX: Final = frozenset({603, 604, 606, 607})  # RFC 3261 §21.6: no other server will take it either


class Purpose(Enum):
    """Purpose of a REGISTER."""

    INITIAL = "initial registration"
    REFRESH = "re-registration"
    REMOVAL = "deregistration"


class Cause(Enum):
    """Cause of a failed REGISTER, or of an attempt that did not come to one."""

    UNANSWERABLE = "a challenge that cannot be answered, or the eighth"
    USIM_AWAY = "a USIM that does not answer"
    TOKEN_REFUSED = "an access token that is refused"
    TOKEN_REFUSED_AGAIN = "the next access token, refused as well"
    NO_TOKEN = "a web server that gives no access token"
    TOKEN_DELAYED = "a web server that cannot be reached, or asks to come back later"
    UNUSABLE = "a 2xx that lists contacts of others only, or grants nothing"
    REDIRECTED = "300, 301, 302"
    USE_PROXY = "305"
    IN_VAIN = "408, 500, 504"
    BAD_EXTENSION = "420"
    EXTENSION_REQUIRED = "421"
    TOO_BRIEF = "423"
    LACKS_OUTBOUND = "439"
    NOTHING_TO_CHANGE = "420, 421, 423 or 439 without a change that could be made, or after eight rounds"
    NO_BINDING = "481"
    SECURITY_AGREEMENT = "494, or 421 with sec-agree"
    UNAVAILABLE = "503"
    LATER = "408, 500, 503, 504 with Retry-After; 480, 600; other 5xx and 6xx but those below"
    LOST_BY_S_CSCF = "504 with a restoration body that can be believed"
    REFUSED = "501, 505, 513, 580, 603, 604, 606, 607; other 3xx and 4xx"
    SILENCE = "no answer"
    FLOW_LOST = "the connection ended"
    NOT_CONNECTED = "no connection to be had"


class Remedy(Enum):
    """Remedy for a failure."""

    SEND_AGAIN = "another REGISTER of the same series, with other parameters"
    REREGISTER = "an initial registration, at once"
    RETRY = "the same over the same connection, after the Retry-After or the back-off"
    NEXT_SERVER = "another connection, to the next server"
    RECONNECT = "another connection, to the same server first"
    RENEW_TOKEN = "another access token, and a REGISTER with it"
    AWAIT_TOKEN = "another question to the web server, after what it names or the back-off"
    REMOVED = "nothing: there is no binding, as was wanted"
    GIVE_UP = "the end"


@dataclass(frozen=True, slots=True)
class Remedies:
    """Row of the table of causes: a remedy for each purpose of a REGISTER, and the clause that wants it."""

    initial: Remedy
    refresh: Remedy
    removal: Remedy
    clause: str

    def get(self, purpose: Purpose) -> Remedy:
        """Return the remedy for a purpose."""
        if purpose is Purpose.INITIAL:
            return self.initial
        return self.refresh if purpose is Purpose.REFRESH else self.removal


_R = Remedy


def _always(remedy: Remedy, clause: str) -> Remedies:
    return Remedies(remedy, remedy, remedy, clause)


REMEDIES: Final[Mapping[Cause, Remedies]] = {
    # The credentials: another REGISTER helps only where they can become others.
    Cause.UNANSWERABLE: _always(_R.GIVE_UP, "TS 24.229 §5.1.1.5.3, RFC 3261 §22.2"),
    Cause.USIM_AWAY: _always(_R.RETRY, "no clause: the card may be put back"),
    Cause.TOKEN_REFUSED: _always(_R.RENEW_TOKEN, "RFC 8898 §2.1.3"),
    Cause.TOKEN_REFUSED_AGAIN: _always(_R.GIVE_UP, "RFC 8898 §2.1.3; once, so that no loop comes of it"),
    Cause.NO_TOKEN: _always(_R.GIVE_UP, "RFC 6749 §5.2"),
    Cause.TOKEN_DELAYED: _always(_R.AWAIT_TOKEN, "RFC 9110 §10.2.3; calls go on meanwhile"),
    # The answers, by their codes; TS 24.371 §6.2.1 leaves all but the security agreement to TS 24.229.
    Cause.UNUSABLE: _always(_R.GIVE_UP, "RFC 3261 §10.3 step 8"),
    Cause.REDIRECTED: _always(_R.GIVE_UP, "TS 24.229 §5.1.1.2.1 knows 305 only"),
    Cause.USE_PROXY: _always(_R.NEXT_SERVER, "TS 24.229 §5.1.1.2.1; its Contact is ignored"),
    Cause.IN_VAIN: Remedies(_R.RETRY, _R.REREGISTER, _R.RETRY, "TS 24.229 §5.1.1.4.1"),
    Cause.BAD_EXTENSION: _always(_R.SEND_AGAIN, "RFC 3261 §8.1.3.5; without what it does not know"),
    Cause.EXTENSION_REQUIRED: _always(_R.SEND_AGAIN, "RFC 3261 §21.4.16; with what it requires"),
    Cause.TOO_BRIEF: _always(_R.SEND_AGAIN, "RFC 3261 §10.2.8, TS 24.229 §5.1.1.2.1; for the time that it wants"),
    Cause.LACKS_OUTBOUND: _always(_R.SEND_AGAIN, "RFC 5626 §11.6; without outbound, hence without reg-id"),
    Cause.NOTHING_TO_CHANGE: _always(_R.GIVE_UP, "RFC 3261 §8.1.3.5"),
    Cause.NO_BINDING: Remedies(_R.GIVE_UP, _R.REREGISTER, _R.REMOVED, "TS 24.229 §5.1.1.4.1, §5.1.1.6"),
    Cause.SECURITY_AGREEMENT: _always(_R.GIVE_UP, "TS 24.371 §6.2.1: no RFC 3329 over a WebSocket"),
    Cause.UNAVAILABLE: _always(_R.NEXT_SERVER, "TS 24.229 §5.1.1.2.1, §5.1.1.4.1"),
    Cause.LATER: _always(_R.RETRY, "TS 24.229 §5.1.1.2.1; RFC 3261 §8.1.3.2, §20.33, §21.5"),
    Cause.LOST_BY_S_CSCF: Remedies(_R.RETRY, _R.REREGISTER, _R.RETRY, "TS 24.229 §5.1.2A.1.6"),
    Cause.REFUSED: _always(_R.GIVE_UP, "RFC 3261 §21.4"),
    # No answer, or no way to get one.
    Cause.SILENCE: Remedies(_R.NEXT_SERVER, _R.REREGISTER, _R.NEXT_SERVER, "TS 24.229 §5.1.1.2.1, §5.1.1.4.1"),
    Cause.FLOW_LOST: _always(_R.RECONNECT, "RFC 5626 §4.3, §4.5"),
    Cause.NOT_CONNECTED: _always(_R.NEXT_SERVER, "RFC 5626 §4.5"),
}
"""Table of the remedies that the specifications want for each cause."""


class Phase(Enum):
    """Phase of a client in which a registration fails: the leading one, or in FURTHER another one."""

    OPENING = "while the client is opened"
    RECONNECTING = "over a new connection"
    IN_SERVICE = "in service, with several servers"
    ONLY_SERVER = "in service, with one server"
    FURTHER = "of a further identity"
    OVER = "after the end of the client"


def _phases(opening: Remedy, reconnecting: Remedy, *others: Remedy) -> Mapping[Phase, Remedy]:
    in_service, only_server, further = others
    return {
        Phase.OPENING: opening,
        Phase.RECONNECTING: reconnecting,
        Phase.IN_SERVICE: in_service,
        Phase.ONLY_SERVER: only_server,
        Phase.FURTHER: further,
        Phase.OVER: _R.GIVE_UP,
    }


PHASES: Final[Mapping[Remedy, Mapping[Phase, Remedy]]] = {
    # OPENING, RECONNECTING, IN_SERVICE, ONLY_SERVER, FURTHER
    # The user, who waits for the first registration, is told rather than kept waiting.
    _R.RETRY: _phases(_R.GIVE_UP, _R.RETRY, _R.RETRY, _R.RETRY, _R.RETRY),
    # A binding that has gone while a REGISTER is on its way: that REGISTER is the initial one.
    _R.REREGISTER: _phases(*[_R.REREGISTER] * 5),
    # TS 24.229 §5.1.1.4.1: another eP-CSCF, if one is known; else the wait is all that is left.
    _R.NEXT_SERVER: _phases(_R.NEXT_SERVER, _R.NEXT_SERVER, _R.NEXT_SERVER, _R.RETRY, _R.RETRY),
    # Calls can be carried on by the eP-CSCF of the lost connection alone; a server that loses new connections as well
    # is no better than one that takes none.
    _R.RECONNECT: _phases(_R.NEXT_SERVER, _R.NEXT_SERVER, _R.RECONNECT, _R.RECONNECT, _R.RECONNECT),
    _R.RENEW_TOKEN: _phases(*[_R.RENEW_TOKEN] * 5),
    _R.AWAIT_TOKEN: _phases(_R.GIVE_UP, *[_R.AWAIT_TOKEN] * 4),
    _R.GIVE_UP: _phases(*[_R.GIVE_UP] * 5),
}
"""Table of the remedies that a client has left in each phase."""

TERMINATIONS: Final[Mapping[Termination, float | None]] = {
    # RFC 3680 §4.7.1, TS 24.229 §5.1.1.7
    Termination.DEACTIVATED: 0.0,
    Termination.EXPIRED: 0.0,
    Termination.PROBATION: _PROBATION,
    Termination.REJECTED: None,
    Termination.UNREGISTERED: None,
    Termination.REPLACED: None,  # RFC 5626 §6
}
"""Seconds from a registration that the network ended to an initial one, unless it names others; None is never."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """Remedy for one failure, with what it needs."""

    remedy: Remedy
    after: float | None = None
    """Seconds that the network asks to wait; in events, those after which the registration tries again by itself."""
    parameters: RegisterParameters | None = None
    """Those of the next REGISTER, where it is sent again."""
    hint: str = ""
    """Half a sentence for the user: what to look at."""
    until_token: bool = False
    """Whether a failure for good is over as soon as there is another access token."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Attempt that failed, and what follows."""

    error: WicError
    recovery: Recovery


def recover_from_response(
    response: Response,
    purpose: Purpose,
    parameters: RegisterParameters,
    *,
    binding: Binding | None = None,
    longest_wait: float = 1800.0,
    rounds: int = 1,
) -> Recovery:
    """Return what follows a final response from 300 on, but for challenges.

    Args:
        response: the answer to a REGISTER.
        purpose: that of the REGISTER.
        parameters: those of the REGISTER.
        binding: the binding that there is nevertheless.
        longest_wait: most seconds that a Retry-After can ask for.
        rounds: REGISTERs that were sent in a row.
    """
    after = response.retry_delay(longest=longest_wait)
    cause = _cause(response, binding, asks_to_wait=after is not None)
    hint = _HINTS.get(cause, "")
    if cause in _CHANGES:
        changed, hint = _CHANGES[cause](response, parameters)
        if changed == parameters:
            cause = Cause.NOTHING_TO_CHANGE  # the same REGISTER would get the same answer
        elif rounds >= MAX_ROUNDS:
            cause, hint = Cause.NOTHING_TO_CHANGE, "it keeps asking for something else"
        else:
            return Recovery(REMEDIES[cause].get(purpose), parameters=changed)
    remedy = REMEDIES[cause].get(purpose)
    return Recovery(remedy, after if remedy is Remedy.RETRY else None, hint=hint)  # RFC 3261 §20.33: this server's wait


def recover_from_silence(purpose: Purpose) -> Recovery:
    """Return what follows a REGISTER without an answer, after Timer F or the limit that a client has set."""
    return Recovery(REMEDIES[Cause.SILENCE].get(purpose))


def recover_from_error(error: WicError, *, token_refused: bool = False) -> Recovery:
    """Return what follows an error of the credentials, of the registrar's answer, or of the connection.

    Args:
        error: the error.
        token_refused: whether the registrar refused an access token the time before as well.
    """
    match error:
        case TokenRefused():
            cause = Cause.TOKEN_REFUSED_AGAIN if token_refused else Cause.TOKEN_REFUSED
        case UsimFailed():
            cause = Cause.USIM_AWAY
        case FlowLost():
            cause = Cause.FLOW_LOST
        case TransportError():
            cause = Cause.NOT_CONNECTED
        case RegistrationFailed():
            cause = Cause.UNUSABLE
        case _:
            cause = Cause.UNANSWERABLE
    return Recovery(REMEDIES[cause].initial, until_token=cause is Cause.TOKEN_REFUSED_AGAIN)


def recover_from_renewal(error: WicError) -> Recovery:
    """Return what follows the error of a web server that was asked for another access token."""
    if isinstance(error, SignInFailed) and error.temporary:
        return Recovery(REMEDIES[Cause.TOKEN_DELAYED].initial, error.retry_after)
    cause = Cause.TOKEN_DELAYED if isinstance(error, TransportError) else Cause.NO_TOKEN
    return Recovery(REMEDIES[cause].initial)


def wait_after_termination(event: RegistrationTerminated) -> float | None:
    """Return the seconds until an initial registration after the network has ended one; None is never."""
    wait = TERMINATIONS[event.reason]
    return event.retry_after if wait and event.retry_after is not None else wait  # RFC 3680 §5.1: of `probation` only


def wants_restoration(response: Response, binding: Binding | None) -> bool:
    """Tell whether an answer says that the S-CSCF lost the registration, and can be believed.

    Any request may get such a 504 (TS 24.229 §5.1.2A.1.6).
    """
    if response.status != 504 or binding is None:
        return False
    service = believed_alternative(response, binding.network)
    return service is not None and service.wants_initial_registration


# reading a refusal


def _cause(response: Response, binding: Binding | None, *, asks_to_wait: bool) -> Cause:
    status = response.status
    cause = _CAUSES.get(status)
    if cause is None:
        # RFC 3261 §8.1.3.2: an unknown answer counts as the x00 of its class.
        passes = status not in _FINAL_6XX if status >= 600 else status >= 500 and status not in _FINAL_5XX
        return Cause.LATER if passes else Cause.REFUSED
    if cause is Cause.EXTENSION_REQUIRED and "sec-agree" in _tags(response, "Require"):
        return Cause.SECURITY_AGREEMENT
    if cause is Cause.IN_VAIN and wants_restoration(response, binding):
        return Cause.LOST_BY_S_CSCF
    return Cause.LATER if asks_to_wait and cause in (Cause.IN_VAIN, Cause.UNAVAILABLE) else cause


def _tags(response: Response, name: str) -> set[str]:
    lines = ",".join(response.headers.get_all(name))
    return {tag.strip().lower() for tag in lines.split(",")} - {""}


# what a registrar wants changed: the parameters of the next REGISTER, or a hint where they would be the same


def _without_unknown(response: Response, parameters: RegisterParameters) -> tuple[RegisterParameters, str]:
    return parameters.without(_tags(response, "Unsupported")), "it does not say which extension it means"


def _with_required(response: Response, parameters: RegisterParameters) -> tuple[RegisterParameters, str]:
    wanted = _tags(response, "Require")  # RFC 3261 §21.4.16
    changed = parameters.with_(wanted) if wanted <= set(EXTENSIONS) else parameters
    return changed, f"it requires {', '.join(sorted(wanted))[:80] or 'an extension without a name'}"


def _lasting_longer(response: Response, parameters: RegisterParameters) -> tuple[RegisterParameters, str]:
    least = response.usable(Response.min_expires)  # RFC 3261 §20.23
    possible = least is not None and parameters.expires < least <= _MAX_EXPIRES
    changed = parameters.lasting(least) if least is not None and possible else parameters
    return changed, "it does not say how long it would be"


def _without_outbound(response: Response, parameters: RegisterParameters) -> tuple[RegisterParameters, str]:
    return parameters.without(("outbound",)), ""


_CHANGES: Final[Mapping[Cause, Callable[[Response, RegisterParameters], tuple[RegisterParameters, str]]]] = {
    Cause.BAD_EXTENSION: _without_unknown,
    Cause.EXTENSION_REQUIRED: _with_required,
    Cause.TOO_BRIEF: _lasting_longer,
    Cause.LACKS_OUTBOUND: _without_outbound,
}
_HINTS: Final[Mapping[Cause, str]] = {
    Cause.REDIRECTED: "redirections are not followed",
    Cause.SECURITY_AGREEMENT: "it wants a security agreement (RFC 3329), which there is none of over a WebSocket",
}
_CAUSES: Final[Mapping[int, Cause]] = {
    300: Cause.REDIRECTED,
    301: Cause.REDIRECTED,
    302: Cause.REDIRECTED,
    305: Cause.USE_PROXY,  # TS 24.229 §5.1.1.2.1
    408: Cause.IN_VAIN,
    420: Cause.BAD_EXTENSION,
    421: Cause.EXTENSION_REQUIRED,
    423: Cause.TOO_BRIEF,  # RFC 3261 §10.2.8
    439: Cause.LACKS_OUTBOUND,  # RFC 5626 §11.6
    480: Cause.LATER,
    481: Cause.NO_BINDING,
    494: Cause.SECURITY_AGREEMENT,
    500: Cause.IN_VAIN,
    503: Cause.UNAVAILABLE,  # TS 24.229 §5.1.1.2.1
    504: Cause.IN_VAIN,
}
