"""How a client behaves beyond what its account says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wic._version import __version__
from wic.media import MediaTransportOptions
from wic.sip.timers import TS24229_UE, Timers

if TYPE_CHECKING:
    from wic.sdp.codecs import Codec

__all__ = ["ClientOptions"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientOptions:
    """Options of a `Client`; times are in seconds."""

    user_agent: str = f"wic/{__version__}"
    """The product that User-Agent and Server name; empty names none."""
    connect_timeout: float = 10.0
    """For TCP, TLS and the WebSocket handshake together."""
    register_timeout: float = 30.0
    """For the first registration."""
    close_timeout: float = 5.0
    """For the answers to BYE and to the deregistration; what has not come then is given up."""
    timers: Timers = TS24229_UE
    """SIP timers; those of TS 24.229 table 7.7.1 unless told otherwise."""
    codecs: tuple[Codec, ...] | None = None
    """Audio codecs to offer and accept, preferred first; None takes all that this build has."""
    media: MediaTransportOptions = field(default_factory=MediaTransportOptions)
    """How media find their way; without addresses, a network on loopback is answered on loopback only."""
    ring: bool = True
    """Send 180 as soon as a call comes in; otherwise `Call.ring` does."""
    max_waiting_calls: int = 64
    """Incoming calls that nobody has taken from `Client.incoming`; one more is answered 486."""
    goodbye_grace: float = 2.0
    """How long a BYE may come after the peer has closed its media; then the call has failed."""
