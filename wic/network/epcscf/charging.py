"""P-Charging-Vector (RFC 7315 §4.6, TS 24.229 §5.2.2, §5.2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.sip.message import Message
    from wic.sip.random_source import RandomSource


class Charging:
    """Maker of P-Charging-Vectors, by which the charging records of all elements are put together."""

    def __init__(self, random_source: RandomSource, domain: str, host: str) -> None:
        self._random_source = random_source
        self._domain = domain
        self._host = host

    def vector(self) -> str:
        """Return the value of a new P-Charging-Vector."""
        icid = self._random_source.hex(16)
        # TS 24.229 §5.2.2: an originating IOI of type 1 names the network of the P-CSCF.
        return f'icid-value="{icid}";icid-generated-at={self._host};orig-ioi="Type 1{self._domain}"'

    def mark(self, message: Message) -> None:
        """Write a new P-Charging-Vector."""
        message.headers.set("P-Charging-Vector", self.vector())
