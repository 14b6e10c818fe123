"""Messages for people: readable, with the time, the flow and the direction, and without secrets."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from wic.sip.masking import mask_secrets, visible

if TYPE_CHECKING:
    from wic.sip.flow import Flow
    from wic.sip.message import Message


class Direction(Enum):
    """Direction of a message, as seen from the element that shows it; the value is the arrow of a trace."""

    SENT = ">>>"
    RECEIVED = "<<<"


def format_message(message: Message | bytes, *, direction: Direction, flow: Flow, at: float, owner: str = "") -> str:
    """Return a message as text for people, secrets masked, control characters made visible.

    Args:
        message: the message, or bytes that could not be parsed.
        direction: which way it went.
        flow: where it went or came from.
        at: the time, in seconds since the epoch.
        owner: the element that sent or received it, where there may be several.
    """
    if isinstance(message, bytes):
        data = message
    elif direction is Direction.RECEIVED and message.raw is not None:
        data = message.raw
    else:
        data = message.to_bytes()
    text = mask_secrets(data).decode(errors="backslashreplace").replace("\r\n", "\n")
    shown = "".join(letter if letter.isprintable() or letter in "\n\t" else visible(letter) for letter in text)
    words = (time_text(at), owner, direction.value, str(flow))
    return f"{' '.join(filter(None, words))}\n{shown}\n"


def time_text(at: float) -> str:
    """Return a time as traces and logs show it: local, to the millisecond.

    Args:
        at: seconds since the epoch.
    """
    return datetime.fromtimestamp(at).isoformat(" ", "milliseconds")
