"""Limits on what peers can send: sizes of messages and their parts, and open transactions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wic.option_checks import NumericOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(NumericOptions):
    """Caps on what is read; beyond them a message is refused, never cut. Sizes are octets."""

    may_be_zero: ClassVar = ("transactions", "nesting")
    transactions: int = 50_000
    """Open server transactions, beyond which requests get 503; each takes about 5 kB while it waits."""
    message_size: int = 262_144
    """A whole message, start line to end of body."""
    head_size: int = 65_536
    """Start line and header fields."""
    header_count: int = 512
    """Header lines of one message."""
    header_size: int = 16_384
    """One header line, folding included, in characters."""
    uri_length: int = 4_096
    """The Request-URI."""
    list_values: int = 256
    """Values of one list header field, such as Via or Route."""
    nesting: int = 4
    """Multipart bodies within multipart bodies; 0 refuses all."""
    parts: int = 64
    """Parts of one multipart body."""
