"""A flow: where a message came from and where an answer has to go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Address = tuple[str, int]
"""Host and port."""
REPLACED: Final = "registered over another connection"
"""Reason of an edge proxy that closes a connection because its UE has another one now (RFC 5626 §6)."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A connection, or a pair of UDP addresses (RFC 5626 §3.1), as a value to send to.

    A stream flow with an empty `id` stands for "any connection to that remote": the shell dials.
    """

    transport: str
    """`WS`, `WSS`, `UDP`, `TCP` or `TLS`, as in a Via header field."""
    local: Address
    """Address of this side."""
    remote: Address
    """Address of the other side."""
    id: str = ""
    """Tells two connections between the same addresses apart; empty for UDP."""

    @property
    def reliable(self) -> bool:
        """Whether the transport delivers by itself, so that requests need no retransmission (RFC 3261 §17)."""
        return self.transport != "UDP"

    @property
    def secure(self) -> bool:
        """Whether TLS protects the flow."""
        return self.transport in ("WSS", "TLS")

    @property
    def exclusive(self) -> bool:
        """Whether all messages of a transaction come by this flow and no other (RFC 7118 §5.3).

        A host name ending in `.invalid` tells nothing about who sends: only the connection does.
        """
        return self.transport in ("WS", "WSS")  # RFC 7118 §5.3

    def __str__(self) -> str:
        """Return `TRANSPORT local -> remote` for people."""
        return f"{self.transport} {_endpoint(self.local)} -> {_endpoint(self.remote)}"


def _endpoint(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
