"""Which flows of the S-CSCF begin at this network's eP-CSCF (TS 33.210: one security domain)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.network.node import Node
    from wic.sip.flow import Flow

_REMEMBERED = 1024


class OwnFlows:
    """Tells flows of the eP-CSCF from those of strangers, whose connections are looked up once."""

    def __init__(self) -> None:
        self.edge: Node | None = None
        """The shell of the eP-CSCF; None while it has not started, and nothing can come from it."""
        self._known: dict[Flow, bool] = {}  # no other connection ever has an equal flow

    def holds(self, flow: Flow) -> bool:
        """Tell whether a flow of the S-CSCF begins at the eP-CSCF."""
        if self.edge is None:
            return False
        if flow.transport == "UDP":
            return flow.remote == (self.edge.mw.host, self.edge.mw.port)
        known = self._known.get(flow)
        if known is None:
            known = any(connection.flow.local == flow.remote for connection in self.edge.driver.connections)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[flow] = known
        return known
