"""Options of a client that do not belong to its account."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from wic._version import __version__
from wic.media import MediaTransportOptions
from wic.option_checks import NumericOptions
from wic.registration import BackoffOptions
from wic.sip.timers import TS24229_UE, Timers
from wic.transport.base import KeepAlive

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.auth.usim import Usim
    from wic.client.dialling import Dial
    from wic.sdp.codecs import Codec

__all__ = ["ClientOptions"]

_log = logging.getLogger(__name__)
_KEEP_ALIVE: Final = KeepAlive()
_BACKOFF: Final = BackoffOptions()
_MEDIA: Final = MediaTransportOptions()


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientOptions(NumericOptions):
    """Options of a `Client`; times are in seconds."""

    may_be_zero: ClassVar = ("close_timeout", "call_grace", "goodbye_grace", "max_waiting_calls")
    user_agent: str = f"wic/{__version__}"
    """The product that User-Agent and Server name; empty names none."""
    connect_timeout: float = 10.0
    """For TCP, TLS and the WebSocket handshake together."""
    register_timeout: float = 30.0
    """For a registration over a new connection; then another server is tried."""
    close_timeout: float = 5.0
    """For the answers to BYE and to the deregistration; what has not come then is given up."""
    timers: Timers = TS24229_UE
    """SIP timers; by default those of TS 24.229 table 7.7.1."""
    keep_alive: KeepAlive = _KEEP_ALIVE
    """Checks of a silent server, until the network names an interval of its own."""
    backoff: BackoffOptions = _BACKOFF
    """Waits before the next try to connect or to register.

    After a connection is lost, the wait is drawn from 0 to `first_time`, and doubles with each attempt that fails.
    While a call waits for the connection, it stays short.
    """
    call_grace: float = 30.0
    """Seconds that a call goes on without a connection; then it ends with `FlowLost`."""
    reg_event: bool = True
    """Subscribe to the state of the registration, so that the network can end or renew it (TS 24.229 §5.1.1.3)."""
    codecs: tuple[Codec, ...] | None = None
    """Audio codecs to offer and accept, preferred first; None takes all that this build has."""
    media: MediaTransportOptions = _MEDIA
    """Addresses and timeouts of media; without addresses, a network on loopback is answered on loopback only."""
    ring: bool = True
    """Send 180 as soon as a call comes in; otherwise `Call.ring` does."""
    max_waiting_calls: int = 64
    """Incoming calls that the user has not taken from `Client.incoming`; one more is answered 486."""
    goodbye_grace: float = 2.0
    """Seconds that a BYE may come after the peer has closed its media; then the call has failed."""
    usim: Usim | None = None
    """Card reader, or another USIM, that answers the challenges of IMS AKA instead of the keys in the account."""
    dial: Dial | None = None
    """Opens connections; None opens WebSocket connections."""
    chance: Callable[[], float] = random.random
    """Random source: gives a number from 0 to 1, another one each time."""

    def draw(self) -> float:
        """Return a number from 0 to 1 of `chance`; of another source where that fails, for it is foreign code."""
        try:
            drawn = self.chance()
            if 0.0 <= drawn <= 1.0:
                return drawn
            _log.warning("the random source gave %r, which is no number from 0 to 1", drawn)
        except Exception:  # noqa: BLE001 - without a wait there would be no further attempt
            _log.warning("the random source failed", exc_info=True)
        return random.random()
