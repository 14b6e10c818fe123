"""Flows of the S-CSCF that begin at this network's eP-CSCF (TS 33.210: one security domain)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.network.node import Node
    from wic.sip.flow import Flow

_REMEMBERED = 1024
"""TCP connections whose other end is remembered."""


class OwnFlows:
    """Tells flows of the eP-CSCF from those of other elements on Mw; each connection is looked up once."""

    def __init__(self) -> None:
        self.edge: Node | None = None
        """Node of the eP-CSCF; None until it is open, when nothing can come from it."""
        self._known: dict[Flow, bool] = {}  # the flow of a connection equals no other one's

    def holds(self, flow: Flow) -> bool:
        """Tell whether a flow of the S-CSCF begins at the eP-CSCF."""
        if self.edge is None:
            return False
        # UDP has no connections: on loopback, or within one security domain, the address is believed.
        if flow.transport == "UDP":
            return flow.remote == (self.edge.mw.host, self.edge.mw.port)
        known = self._known.get(flow)
        if known is None:
            # The other end of a TCP connection of ours is one of the eP-CSCF's if it has a connection from there.
            known = any(connection.flow.local == flow.remote for connection in self.edge.driver.connections)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[flow] = known
        return known
