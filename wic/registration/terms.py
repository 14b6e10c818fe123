"""What a REGISTER asks for; what a registrar refuses is given up term by term."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

EXTENSIONS: Final = ("path", "gruu", "outbound")
"""Option tags of Supported (TS 24.229 §5.1.1.2.1)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one REGISTER."""

    expires: int
    """Seconds."""
    extensions: tuple[str, ...] = EXTENSIONS
    """Option tags that Supported names."""

    @property
    def outbound(self) -> bool:
        """Whether the flow is to be one of several (RFC 5626 §4.2.1)."""
        return "outbound" in self.extensions

    def without(self, tags: Collection[str]) -> Terms:
        """Return terms without these option tags."""
        return replace(self, extensions=tuple(tag for tag in self.extensions if tag not in tags))

    def with_(self, tags: Collection[str]) -> Terms:
        """Return terms with these option tags, as far as they are supported."""
        wanted = {*self.extensions, *tags}
        return replace(self, extensions=tuple(tag for tag in EXTENSIONS if tag in wanted))

    def lasting(self, expires: int) -> Terms:
        """Return terms that ask for that many seconds."""
        return replace(self, expires=expires)
