"""Options, states and counters of a media transport."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from wic.media._aiortc import ConsentTimes

__all__ = ["IceServer", "MediaTransportOptions", "TransportCounters", "TransportState"]


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server, as RFC 7064 and RFC 7065 write it, e.g. `turn:192.0.2.1:3478`."""

    url: str
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


_CONSENT: Final = ConsentTimes()


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaTransportOptions:
    """How transports reach their peers; times in seconds."""

    addresses: tuple[str, ...] = ()
    """Local IP addresses to gather on; none = all of this machine, or loopback if it has no other."""
    servers: tuple[IceServer, ...] = ()
    ice_timeout: float = 15.0
    """Until a candidate pair must work."""
    dtls_timeout: float = 10.0
    """Until the handshake must be done."""
    consent: ConsentTimes = _CONSENT


class TransportState(Enum):
    """Where a transport is on its way to the peer."""

    NEW = auto()
    GATHERING = auto()
    GATHERED = auto()
    CHECKING = auto()
    HANDSHAKING = auto()
    CONNECTED = auto()
    FAILED = auto()
    CLOSED = auto()


@dataclass(slots=True)
class TransportCounters:
    """What a transport did not carry."""

    unsent: int = 0
    """Packets to send without keys, without a route, or too long."""
    refused: int = 0
    """Packets received that SRTP refused: not authentic, replayed or cut."""
    early: int = 0
    """Packets received before the keys and beyond what is kept."""
