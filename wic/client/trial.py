"""How a try to be registered came out, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.errors import WicError

__all__ = ["Consequence", "Trial"]


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one connection and the registration over it."""

    error: WicError | None = None
    """Why the user is not registered; None if it is."""
    elsewhere: bool = False
    """Whether another connection, perhaps to another server, may do better."""
    retry_after: float | None = None
    """Seconds after which the registration tries again by itself, over the connection it has."""

    stale: bool = False
    """Whether another access token may do better."""

    @property
    def waits(self) -> bool:
        """Whether the registration tries again by itself."""
        return self.retry_after is not None

    @property
    def kept(self) -> bool:
        """Whether the connection is worth keeping."""
        return self.error is None or (self.waits and not self.elsewhere)

    @property
    def is_end(self) -> bool:
        """Whether nothing and nobody tries again."""
        return not self.waits and not self.elsewhere


class Consequence(Enum):
    """What comes of a registration that failed."""

    WAITS = "it tries again by itself, over the connection there is"
    SEARCHED = "it is tried again over another connection, or with another token"
    LOST = "it does not come back"
    TOLD = "whoever wanted it is told why there is none"
    GONE = "nothing is tried any more: the client is over"
