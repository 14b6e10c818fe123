"""A request on its way through the eP-CSCF."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.network.epcscf.flow_tokens import Owner
    from wic.sip.flow import Flow


class Way(Enum):
    """The direction of a request."""

    TO_CORE = "from the WIC to the core"
    TO_WIC = "from the core to the WIC"

    @property
    def back(self) -> Way:
        """The opposite direction."""
        return Way.TO_WIC if self is Way.TO_CORE else Way.TO_CORE


@dataclass(slots=True)
class Passage:
    """The owner of a proxy context: what the eP-CSCF has found out about a request."""

    way: Way
    wic: Owner
    """The WIC, and its connection when the request came."""
    identity: str = ""
    """The WIC's public identity, to be asserted; empty within dialogs."""
    leg: str = ""
    """Id of the call leg that it belongs to; the leg may have ended since."""

    @property
    def flow(self) -> Flow:
        """The WIC's connection."""
        return self.wic.flow
