"""P-Charging-Vector (RFC 7315 §4.6, TS 24.229 §5.2.2, §5.2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.sip.message import Message
    from wic.sip.random_source import RandomSource


@dataclass(frozen=True, slots=True)
class Charging:
    """Maker of P-Charging-Vectors, by which the charging records of all elements are put together."""

    random_source: RandomSource
    domain: str
    host: str

    def vector(self) -> str:
        """Return the value of a new P-Charging-Vector."""
        icid = self.random_source.hex(16)
        # TS 24.229 §5.2.2: an originating IOI of type 1 names the network of the P-CSCF.
        return f'icid-value="{icid}";icid-generated-at={self.host};orig-ioi="Type 1{self.domain}"'

    def mark(self, message: Message) -> None:
        """Write a new P-Charging-Vector."""
        message.headers.set("P-Charging-Vector", self.vector())
