"""The public user identities of a client, as its registrations grant them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wic.registration import Binding
    from wic.sip.uri import Uri

__all__ = ["Identities", "KnownIdentities"]


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

    def updated(self, told: Iterable[Uri], ended: Iterable[Uri]) -> Identities:
        """Add identities that the network has registered meanwhile, and take away those that it has ended."""
        gone = {str(each) for each in ended}
        known = {str(each) for each in (*self.usable, *self.barred)}
        usable = tuple(each for each in self.usable if str(each) not in gone)
        usable += tuple(each for each in told if str(each) not in known)
        return replace(self, default=usable[0] if usable else None, usable=usable)

    def check(self, wanted: Uri) -> None:
        """Let an identity pass that calls may be made with.

        Raises:
            ConfigurationError: it is none; the sentence names those that are.
        """
        if wanted not in self.usable and not any(wanted.aor().matches(each.aor()) for each in self.usable):
            known = ", ".join(map(str, self.usable)) or "none"
            raise ConfigurationError(f"{wanted} is no identity of this account; use one of {known}.")


class KnownIdentities:
    """The identities as the last 200s and the last notification make them."""

    __slots__ = ("_sources", "current")

    def __init__(self) -> None:
        self.current = Identities.of(())
        """Who the user is to the network now."""
        self._sources: tuple[object, ...] = ()

    def note(self, bindings: Sequence[Binding], told: tuple[Uri, ...], ended: tuple[Uri, ...]) -> bool:
        """Take note of what is known now; return whether other identities may be used than before.

        Args:
            bindings: what the registrar granted, the leading registration's first.
            told: what the network says that this contact is registered for.
            ended: what it has said so of, and says no more.
        """
        sources = (tuple(each.implicit_set for each in bindings), told, ended)
        if sources == self._sources:
            return False  # as it is after nearly every refresh
        self._sources = sources
        before, self.current = self.current, Identities.of(bindings).updated(told, ended)
        return self.current != before and bool(before.usable and self.current.usable)

    def choose(self, wanted: Uri | None, bindings: Sequence[Binding]) -> tuple[Uri, Binding]:
        """Return the identity to call with, and the registration that it belongs to.

        What the network has registered by itself belongs to the first.

        Raises:
            ConfigurationError: the identity is none of this user's.
        """
        if wanted is not None:
            self.current.check(wanted)
            owner = (each for each in bindings if each.implicit_set.holds(wanted))
            return wanted, next(owner, bindings[0])
        chosen, default = bindings[0].preferred_identity(), self.current.default
        if default is not None and chosen not in self.current.usable:
            chosen = default
        return chosen, bindings[0]
