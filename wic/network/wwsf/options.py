"""Options of a WWSF."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.option_checks import NumericOptions

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    from wic.auth.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOptions(NumericOptions):
    """Options of the pool of a WWSF (TS 24.371 §6.3.2)."""

    anonymous: bool = False
    """Whether users may remain anonymous."""
    leases_each: int | None = None
    """Leases that one user may have at a time, those counted that were given back and are held; anonymous users of one
    address count as one user. None allows half of the pool, so that no address can take all of it, and no more than 16
    to one who has signed in."""
    rate: int = 60
    """Leases that one address may ask for in a minute."""
    hold_until_expiry: bool = False
    """Whether a pair that was given back stays out until its token has expired. Needed where the network does not end
    the registration of the holder before (`WwsfOptions.on_lent`), and where the eP-CSCF checks signatures only; one that
    introspects each token learns at once that the old token was revoked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WwsfOptions(NumericOptions):
    """Options of a `Wwsf`."""

    database: Path
    """Its SQLite file."""
    ssl_context: ssl.SSLContext
    """Certificate and key; a WWSF answers nothing but HTTPS."""
    wss: str
    """The eP-CSCF's WebSocket URL, which WICs connect to."""
    client_id: str
    """The WWSF's name at the WAF."""
    client_secret: Secret
    """Its secret there."""
    issuer: str | None = None
    """The WAF's issuer URL; None if the WAF is co-located."""
    ca: Path | None = None
    """A PEM file of further trust anchors, for requests to the WAF."""
    domain: str = "ims.example"
    """The IMS domain: the audience of the tokens is its eP-CSCF."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 0
    """Port to listen on; 0 takes a free one."""
    name: str | None = None
    """Host name in its URL; None takes `host`."""
    session: float = 8 * 3600.0
    """Seconds for which a browser stays signed in."""
    pool: PoolOptions | None = None
    """The pool for users without a subscription of their own; None lends no identities."""
    on_lent: Callable[[str], None] | None = None
    """Called with the private identity of a pair that has got a new holder, so that the network can end the registration
    of the holder before."""
    clock: Callable[[], float] = time.time
    """Returns the time in seconds of Unix time."""
