"""What the parts of one eP-CSCF have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.network.epcscf.flow_tokens import Owner
from wic.sip.params import UriParams

if TYPE_CHECKING:
    from wic.aio import TaskSet
    from wic.network.epcscf.associations import Associations
    from wic.network.epcscf.charging import Charging
    from wic.network.epcscf.dialogs import Dialogs
    from wic.network.epcscf.flow_tokens import FlowTokens
    from wic.network.epcscf.options import EPcscfOptions
    from wic.network.epcscf.trusted_node import TrustedNode
    from wic.network.node import Node
    from wic.sip.flow import Flow
    from wic.sip.uri import Uri

_OB = UriParams((("lr", None), ("ob", None)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Handed to each part, which takes what it needs."""

    node: Node
    """The shell."""
    options: EPcscfOptions
    tasks: TaskSet
    """Owns what takes time."""
    associations: Associations
    """Who is registered over which connection."""
    tokens: FlowTokens
    """What leads to connections."""
    dialogs: Dialogs
    """Where requests within dialogs may go."""
    charging: Charging
    core: Flow
    """Where REGISTERs go, and what has no other way."""
    trusted: TrustedNode | None
    """Checks access tokens; None where nobody may come with one."""

    def path(self, flow: Flow) -> Uri:
        """Return what stands in Path for a connection (RFC 5626 §5.1)."""
        return self.node.mw.uri(self.tokens.token(Owner(flow)), _OB)
