"""What the operator of an S-CSCF can choose."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrarOptions:
    """What a registrar grants; times in seconds."""

    min_expires: int = 60
    """Shorter registrations get 423."""
    max_expires: int = 600_000
    """Longest registration, and the one for those who do not ask (TS 24.229 §5.1.1.2.1)."""
    max_bindings: int = 16
    """Bindings of one private identity at a time."""
