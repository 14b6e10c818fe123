"""Events of a client's connection and registrations as text for users."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from wic.client.events import (
    ConnectionLost,
    ConnectionRestored,
    Deregistered,
    IdentitiesChanged,
    Refreshed,
    Registered,
    RegistrationLost,
)

from .console import one_line
from .error_text import clause, with_capital

if TYPE_CHECKING:
    from wic.client.events import ClientEvent
    from wic.media import DataChannel

_MOST_OCTETS = 200
_MOST_OF_A_LABEL = 80
_AT_ONCE = 0.05  # a shorter time would be shown as 0.0 s


def event_text(event: ClientEvent) -> str:
    """Return an event as one line of text."""
    match event:
        case Registered(impu, binding):
            return f"Registered {impu} for {binding.expires} s."
        case Refreshed(impu, binding):
            return f"Registered {impu} again for {binding.expires} s."
        case RegistrationLost(impu, error, final, next_try):
            return f"The registration of {impu} is lost{'' if final else ' for now'}: {clause(error)}{_plan(next_try)}."
        case Deregistered(impu, error):
            unconfirmed = (
                "is deregistered here, but the network did not confirm it and may keep the binding until it expires"
            )
            return f"{impu} is deregistered." if error is None else f"{impu} {unconfirmed}: {clause(error)}."
        case ConnectionLost(_, error, next_try):
            return f"{with_capital(clause(error))}{_plan(next_try)}."
        case ConnectionRestored(server):
            return f"Reconnected to {server}."
        case IdentitiesChanged(identities):
            return f"Identities now: {', '.join(map(str, identities.usable)) or 'none'}."
        case _:
            assert_never(event)


def message_text(channel: DataChannel, message: str | bytes) -> str:
    """Return a message of a data channel as one line of text; a peer may send any text, of any length."""
    # RFC 8831 §6.6: text or binary.
    shown = one_line(message if isinstance(message, str) else message[:_MOST_OCTETS].hex())
    more = f"… ({len(message)} octets)" if isinstance(message, bytes) and len(message) > _MOST_OCTETS else ""
    return f"{one_line(channel.label, most=_MOST_OF_A_LABEL)}: {shown}{more}"


def _plan(next_try: float | None) -> str:
    if next_try is None:  # the user has to act, or another event tells of the next attempt
        return ""
    return f"; next attempt in {next_try:.1f} s" if next_try >= _AT_ONCE else "; retrying at once"
