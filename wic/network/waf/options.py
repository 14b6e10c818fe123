"""Options of a WAF."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wic.network.web.throttle import ThrottleOptions
from wic.option_checks import NumericOptions

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes(NumericOptions):
    """Lifetimes in seconds."""

    access: float = 3600.0
    """An access token: the longest time that a revocation goes unnoticed where only signatures are checked."""
    refresh: float = 30 * 86400.0
    """A refresh token that is not used."""
    grant: float = 180 * 86400.0
    """All tokens that follow from one consent."""
    code: float = 60.0
    """An authorization code (RFC 6749 §4.1.2: at most ten minutes)."""
    device: float = 600.0
    """A device code and its user code."""
    session: float = 8 * 3600.0
    """A browser's session."""
    key: float = 90 * 86400.0
    """A signing key, until the next one signs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WafOptions(NumericOptions):
    """Options of a `Waf`."""

    may_be_zero: ClassVar = ("poll_interval",)
    database: Path
    """Its SQLite file."""
    ssl_context: ssl.SSLContext
    """Certificate and key; a WAF answers nothing but HTTPS."""
    domain: str = "ims.example"
    """The IMS domain, whose eP-CSCF is the audience of the tokens."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 0
    """Port to listen on; 0 takes a free one."""
    name: str | None = None
    """Host name in the issuer URL; None takes `host`."""
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    """Lifetimes of tokens, codes, sessions and keys."""
    poll_interval: float = 5.0
    """Seconds between two polls of a device (RFC 8628 §3.2)."""
    by_name: ThrottleOptions = field(default_factory=lambda: ThrottleOptions(longest=60.0))
    """Limit of guessing per user or client; the wait is short, because a stranger can lock out a user with it."""
    by_address: ThrottleOptions = field(default_factory=lambda: ThrottleOptions(free=20))
    """Limit of guessing per address."""
    clock: Callable[[], float] = time.time
    """Returns the time in seconds of Unix time."""

    @property
    def audience(self) -> str:
        """The audience of the tokens."""
        return f"sip:{self.domain}"
