"""The public user identities of a client, as its registrations grant them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wic.registration import Binding
    from wic.sip.uri import Uri

__all__ = ["Identities", "find_binding"]


@dataclass(frozen=True, slots=True)
class Identities:
    """Who the user is to the network (TS 24.229 §5.1.1.2.1, §5.1.2A.1.1)."""

    default: Uri | None
    """The identity that calls are made with unless another one is chosen; None while nothing is registered."""
    usable: tuple[Uri, ...]
    """Every identity that calls may be made with, the default one first."""
    barred: tuple[Uri, ...]
    """Identities that are registered, and may be used for nothing else."""

    @classmethod
    def of(cls, bindings: Iterable[Binding]) -> Identities:
        """Gather those of several registrations, the main one first."""
        usable: dict[str, Uri] = {}
        barred: dict[str, Uri] = {}
        for binding in bindings:
            for identity in binding.identities:
                usable.setdefault(str(identity), identity)
            if binding.barred:
                barred.setdefault(str(binding.impu), binding.impu)
        kept = tuple(usable.values())
        return cls(kept[0] if kept else None, kept, tuple(each for text, each in barred.items() if text not in usable))

    def with_(self, others: Iterable[Uri]) -> Identities:
        """Add identities that the network registered meanwhile."""
        known = {str(each) for each in (*self.usable, *self.barred)}
        return replace(self, usable=self.usable + tuple(each for each in others if str(each) not in known))


def find_binding(bindings: Iterable[Binding], identity: Uri) -> Binding:
    """Return the registration that an identity belongs to.

    Raises:
        ConfigurationError: the identity cannot be used; the sentence names those that can.
    """
    known: list[str] = []
    for binding in bindings:
        if binding.implicit_set.holds(identity):
            return binding
        known += map(str, binding.identities)
    raise ConfigurationError(f"{identity} is no identity of this account; use one of {', '.join(known) or 'none'}.")
