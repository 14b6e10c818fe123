"""Public user identities of a user, over all registrations (TS 24.229 §5.1.1.2.1, §5.1.2A.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wic.registration.binding import Binding
    from wic.sip.uri import Uri

__all__ = ["NO_IDENTITIES", "Identities", "KnownIdentities"]


@dataclass(frozen=True, slots=True)
class Identities:
    """Public user identities that the network has registered for a user (TS 24.229 §5.1.1.2.1, §5.1.2A.1.1)."""

    default: Uri | None
    """The identity that calls are made with unless another one is chosen; None while nothing is registered."""
    usable: tuple[Uri, ...]
    """Every identity that calls may be made with, the default one first."""
    barred: tuple[Uri, ...]
    """Identities that are registered, and may be used for nothing else."""

    @classmethod
    def of(cls, bindings: Iterable[Binding], *, reported: Iterable[Uri] = (), ended: Iterable[Uri] = ()) -> Identities:
        """Gather the identities of a user.

        Args:
            bindings: those of several registrations, the main one first.
            reported: identities that the network has registered by itself.
            ended: identities that it has ended, of those in the bindings.
        """
        usable: dict[str, Uri] = {}
        barred: dict[str, Uri] = {}
        for binding in bindings:
            registered = binding.implicit_set
            for identity in registered.identities:
                usable.setdefault(str(identity), identity)
            if registered.barred:  # TS 24.229 §5.1.1.2.1: not in P-Associated-URI
                barred.setdefault(str(binding.impu), binding.impu)
        idle = {text: each for text, each in barred.items() if text not in usable}
        for each in ended:
            usable.pop(str(each), None)
        for each in reported:
            if str(each) not in idle:
                usable.setdefault(str(each), each)
        kept = tuple(usable.values())
        return cls(kept[0] if kept else None, kept, tuple(idle.values()))

    def check(self, wanted: Uri) -> None:
        """Check that calls may be made with an identity.

        Raises:
            ConfigurationError: they may not; the message names the identities that can be used.
        """
        if wanted not in self.usable and not any(wanted.aor().matches(each.aor()) for each in self.usable):
            known = ", ".join(map(str, self.usable)) or "none"
            raise ConfigurationError(f"{wanted} is not an identity of this account; use one of {known}.")


NO_IDENTITIES: Final = Identities(None, (), ())
"""Those of a user who is not registered."""


@dataclass(slots=True)
class KnownIdentities:
    """Identities of a user by the last 200s, and by what reg-event reports.

    A 200 lists the identities that it registers; what the network registers or ends by itself afterwards, only reg-event
    reports (TS 24.229 §5.1.1.3, §5.1.1.7).
    """

    current: Identities = NO_IDENTITIES
    """The identities of the user now."""
    _reported: tuple[Uri, ...] = ()
    _gruus: tuple[tuple[Uri, Uri], ...] = ()  # reported: identity and public GRUU
    _ended: tuple[Uri, ...] = ()
    _sources: tuple[object, ...] = ()

    def update(self, bindings: Sequence[Binding]) -> bool:
        """Take over the bindings that there are; return whether other identities may be used than before.

        Args:
            bindings: what the registrar granted, the leading registration's first.
        """
        sources = (tuple(each.implicit_set for each in bindings), self._reported, self._ended)
        if sources == self._sources:
            return False  # as it is after nearly every refresh
        self._sources = sources
        before, self.current = self.current, Identities.of(bindings, reported=self._reported, ended=self._ended)
        return bool(before.usable and self.current.usable) and self.current != before

    def report(
        self, reported: tuple[Uri, ...], bindings: Sequence[Binding], gruus: tuple[tuple[Uri, Uri], ...] = ()
    ) -> None:
        """Take over the identities that this contact is registered for, as reg-event reports them.

        Args:
            reported: all of them; those it named before, and does not name any more, have ended.
            bindings: what the registrar granted.
            gruus: identities with their public GRUUs (RFC 5628).
        """
        listed = {str(uri) for binding in bindings for uri in binding.identities}
        gone = {str(each): each for each in (*self._ended, *self._reported) if str(each) in listed}
        for each in reported:
            gone.pop(str(each), None)
        self._ended = tuple(gone.values())
        self._reported, self._gruus = reported, gruus

    def confirm(self) -> None:
        """Believe what the last 200 lists, also where reg-event reported its end before."""
        self._ended = ()

    def forget_reports(self) -> None:
        """Forget what reg-event reported: there is no subscription any more."""
        self._reported = self._ended = ()
        self._gruus = ()

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

    def gruu(self, identity: Uri, binding: Binding) -> Uri | None:
        """Return the public GRUU of an identity of a binding; None if the network has given none.

        The 200 names that of the registered identity only, reg-event names those of the others (RFC 5628 §3).
        """
        aor = identity.aor()
        if aor.matches(binding.impu.aor()):
            return binding.public_gruu
        return next((gruu for each, gruu in self._gruus if aor.matches(each.aor())), None)
