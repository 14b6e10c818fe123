"""What a refused REGISTER leads to, as a function (TS 24.229 §5.1.1.2.1, §5.1.1.4.1, RFC 3261 §21)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

from wic.registration.restoration import wants_restoration
from wic.registration.terms import EXTENSIONS
from wic.sip.errors import MalformedHeader

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.registration.binding import Binding
    from wic.registration.terms import Terms
    from wic.sip.message import Response

_MAX_EXPIRES: Final = 2**31 - 1
_FINAL_5XX: Final = frozenset({501, 505, 513, 580})
_FINAL_6XX: Final = frozenset({603, 604, 606, 607})


class Purpose(Enum):
    """What a REGISTER was for."""

    INITIAL = "initial registration"
    REFRESH = "re-registration"
    REMOVAL = "deregistration"


@dataclass(frozen=True, slots=True)
class Occasion:
    """What was refused."""

    purpose: Purpose
    terms: Terms
    """What the REGISTER asked for."""
    binding: Binding | None = None
    """The binding that there is."""
    longest_wait: float = 1800.0
    """Most seconds that a Retry-After can ask for."""


@dataclass(frozen=True, slots=True)
class SendAgain:
    """Send another REGISTER of the same series at once, on other terms."""

    terms: Terms


@dataclass(frozen=True, slots=True)
class StartAnew:
    """Begin an initial registration at once."""


@dataclass(frozen=True, slots=True)
class Removed:
    """The registrar has no such binding any more, which is what was wanted."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """This attempt has failed."""

    hint: str = ""
    """Half a sentence for the user: what to look at."""
    temporary: bool = False
    """Whether a REGISTER may succeed later."""
    by_itself: bool = True
    """Whether waiting is enough, and nobody has to bring a flow or a token."""
    retry_after: float | None = None
    """Seconds that the network wants us to wait."""
    next_server: bool = False
    """Whether another eP-CSCF should be asked."""


Reaction: TypeAlias = SendAgain | StartAnew | Removed | GiveUp


def react(response: Response, occasion: Occasion) -> Reaction:
    """Return what to do about a final response from 300 on, but for 401 and 407."""
    special = _SPECIAL.get(response.status)
    reaction = None if special is None else special(response, occasion)
    if reaction is not None:
        return reaction
    if _is_temporary(response.status):
        return GiveUp(temporary=True, retry_after=response.retry_delay(longest=occasion.longest_wait))
    return GiveUp()


def react_to_silence(purpose: Purpose) -> StartAnew | GiveUp:
    """Return what to do when Timer F has expired: another eP-CSCF may be alive (TS 24.229 §5.1.1.2.1, §5.1.1.4.1)."""
    return StartAnew() if purpose is Purpose.REFRESH else GiveUp(temporary=True, next_server=True)


def _is_temporary(status: int) -> bool:
    """Classes of unknown answers count as their x00 (RFC 3261 §8.1.3.2)."""
    if status >= 600:
        return status not in _FINAL_6XX
    return status in (408, 480) or (status >= 500 and status not in _FINAL_5XX)


def _redirected(response: Response, occasion: Occasion) -> Reaction:
    return GiveUp("redirections are not followed")


def _use_proxy(response: Response, occasion: Occasion) -> Reaction:
    """305: its Contact is ignored, and another eP-CSCF asked (TS 24.229 §5.1.1.2.1)."""
    return GiveUp(temporary=True, next_server=True)


def _tried_in_vain(response: Response, occasion: Occasion) -> Reaction | None:
    """408, 500, 504 to a refresh lead to an initial registration (TS 24.229 §5.1.1.4.1)."""
    restoration = wants_restoration(response, occasion.binding)
    if occasion.purpose is Purpose.REFRESH and (restoration or "Retry-After" not in response.headers):
        return StartAnew()
    return None


def _bad_extension(response: Response, occasion: Occasion) -> Reaction:
    """420: do without what the registrar does not know (RFC 3261 §8.1.3.5)."""
    terms = occasion.terms.without(_tags(response, "Unsupported"))
    return GiveUp("it does not say which extension it means") if terms == occasion.terms else SendAgain(terms)


def _extension_required(response: Response, occasion: Occasion) -> Reaction:
    """421: add what the registrar wants, if it is known here (RFC 3261 §21.4.16)."""
    wanted = _tags(response, "Require")
    if "sec-agree" in wanted:
        return _security_agreement(response, occasion)
    terms = occasion.terms.with_(wanted)
    if wanted and wanted <= set(EXTENSIONS) and terms != occasion.terms:
        return SendAgain(terms)
    return GiveUp(f"it requires {', '.join(sorted(wanted))[:80] or 'an extension without a name'}")


def _security_agreement(response: Response, occasion: Occasion) -> Reaction:
    """494, 421: TS 24.371 §6.2.1 leaves RFC 3329 out on W2."""
    return GiveUp("it wants a security agreement (RFC 3329), which there is none of over a WebSocket")


def _too_brief(response: Response, occasion: Occasion) -> Reaction:
    """423: ask for what it demands (RFC 3261 §10.2.8)."""
    try:
        least = response.min_expires
    except MalformedHeader:
        least = None
    if least is None or not occasion.terms.expires < least <= _MAX_EXPIRES:
        return GiveUp("it does not say how long it would be")
    return SendAgain(occasion.terms.lasting(least))


def _lacks_outbound(response: Response, occasion: Occasion) -> Reaction | None:
    """439: register as before RFC 5626 (§11.6 there)."""
    return SendAgain(occasion.terms.without(("outbound",))) if occasion.terms.outbound else None


def _no_binding(response: Response, occasion: Occasion) -> Reaction | None:
    """481: the registrar has no binding to refresh or remove."""
    if occasion.purpose is Purpose.REMOVAL:
        return Removed()
    return StartAnew() if occasion.purpose is Purpose.REFRESH else None


def _unavailable(response: Response, occasion: Occasion) -> Reaction:
    """503: wait as long as it says; if it does not, another eP-CSCF is next (TS 24.229 §5.1.1.2.1)."""
    wait = response.retry_delay(longest=occasion.longest_wait)
    return GiveUp(temporary=True, retry_after=wait, next_server=wait is None)


def _tags(response: Response, name: str) -> set[str]:
    lines = ",".join(response.headers.get_all(name))
    return {tag.strip().lower() for tag in lines.split(",")} - {""}


_SPECIAL: Final[dict[int, Callable[[Response, Occasion], Reaction | None]]] = {
    300: _redirected,
    301: _redirected,
    302: _redirected,
    305: _use_proxy,
    408: _tried_in_vain,
    420: _bad_extension,
    421: _extension_required,
    423: _too_brief,
    439: _lacks_outbound,
    481: _no_binding,
    494: _security_agreement,
    500: _tried_in_vain,
    503: _unavailable,
    504: _tried_in_vain,
}
