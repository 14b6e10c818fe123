"""State machine of a client's connection to the network, as a table.

A connection that is lost does not end the client: another one is made, and the registrations, the subscription to
reg-event and the calls go on over it (RFC 5626 §4.3 to §4.5). Looking for another access token is RECONNECTING as well,
over the connection there is. OVER is for good: the user has deregistered, or only the user can help (TS 24.371 §6A.2).

`docs/design/state-machines.md` is drawn from this table.
"""

from __future__ import annotations

from typing import Final

from wic.sip.state_table import MachineEnum, StateTable

__all__ = ["CONNECTION", "ConnectionInput", "ConnectionState"]


class ConnectionState(MachineEnum):
    """State of a client's connection to the network."""

    OPENING = "Opening"
    """The first registration is being made."""
    UP = "Up"
    """Connected; the registrations take care of themselves."""
    RECONNECTING = "Reconnecting"
    """Another connection, or another access token, is being looked for."""
    OVER = "Over"
    """Deregistered, or refused for good."""


class ConnectionInput(MachineEnum):
    """Input of the machine of a client's connection."""

    REGISTERED = "registered, or told to try later over this connection"
    LOST = "connection lost, or another server or token wanted"
    ENDED = "refused for good, deregistered, or credentials ended"


_S, _I = ConnectionState, ConnectionInput

CONNECTION: Final = StateTable(
    name="Connection of a client",
    clause="RFC 5626 §4.3 to §4.5, TS 24.371 §6A.2",
    initial=_S.OPENING,
    final=_S.OVER,
    rows={
        (_S.OPENING, _I.REGISTERED): _S.UP,
        (_S.OPENING, _I.ENDED): _S.OVER,
        (_S.UP, _I.LOST): _S.RECONNECTING,
        (_S.UP, _I.ENDED): _S.OVER,
        (_S.RECONNECTING, _I.REGISTERED): _S.UP,
        (_S.RECONNECTING, _I.ENDED): _S.OVER,
    },
)
