"""Context of the eP-CSCF's parts, and of one request that passes through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.sip.params import UriParams

if TYPE_CHECKING:
    from wic.aio import TaskSet
    from wic.network.epcscf.leg import Leg
    from wic.network.epcscf.options import EPcscfOptions
    from wic.network.epcscf.trusted_node import TrustedNode
    from wic.network.epcscf.ue import RegisteredUe, W2Connection
    from wic.network.node import Node
    from wic.sdp.line_map import Side
    from wic.sip.flow import Flow
    from wic.sip.message import Message
    from wic.sip.uri import Uri

_OB = UriParams((("lr", None), ("ob", None)))


@dataclass(frozen=True, slots=True, kw_only=True)
class EPcscfContext:
    """Environment of the eP-CSCF's parts, the same for all of them."""

    node: Node
    options: EPcscfOptions
    tasks: TaskSet
    core: Flow
    """Next hop of REGISTERs, and of requests without a Route that leads anywhere."""
    trusted: TrustedNode | None
    """Checks access tokens; None where none are accepted."""

    def path(self, connection: W2Connection) -> Uri:
        """Return the URI in Path for a connection (RFC 5626 §5.1)."""
        return self.node.mw.uri(connection.path_token, _OB)

    def charging_vector(self) -> str:
        """Return the value of a new P-Charging-Vector, by which the charging records of all elements are put together."""
        icid = self.node.random_source.hex(16)
        # RFC 7315 §4.6. TS 24.229 §5.2.2: an originating IOI of type 1 names the network of the P-CSCF.
        ioi = f"Type 1{self.options.domain}"
        return f'icid-value="{icid}";icid-generated-at={self.node.mw.host};orig-ioi="{ioi}"'

    def core_flow(self, message: Message) -> Flow:
        """Return the flow for a message that the eP-CSCF itself sends to the core."""
        routes = message.routes
        return (self.node.flow_to(routes[0].uri) if routes else None) or self.core


@dataclass(slots=True)
class RequestContext:
    """Owner of a proxy context: what the eP-CSCF has found out about a request."""

    origin: Side
    """The side that it comes from: UE-originating (TS 24.229 §5.2.6.3), or UE-terminating (§5.2.6.4)."""
    ue: RegisteredUe | None
    """None within a dialog that the eP-CSCF does not know."""
    connection: W2Connection
    """Its connection when the request came."""
    identities: tuple[str, ...] = ()
    """The UE's public identities, to be asserted in its responses; empty within dialogs."""
    leg_id: str = ""
    """Id of the call leg that it belongs to. The leg itself would be kept for as long as the transaction."""

    @property
    def leg(self) -> Leg | None:
        """The call leg that it belongs to; None if there is none, or it has ended."""
        return None if self.ue is None else self.ue.legs.get(self.leg_id)
