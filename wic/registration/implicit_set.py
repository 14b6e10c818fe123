"""The public user identities that one REGISTER registers (TS 24.229 §5.1.1.2.1, §5.1.2A.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.sip.uri import Uri


@dataclass(frozen=True, slots=True)
class ImplicitSet:
    """An implicit registration set as the 200 to a REGISTER tells it.

    >>> from wic.sip.uri import Uri
    >>> alice, phone = Uri.parse("sip:alice@ims.example"), Uri.parse("tel:+358401234567")
    >>> registered = ImplicitSet(alice, (phone,))
    >>> str(registered.default), registered.barred, str(registered.preferred(alice))
    ('tel:+358401234567', True, 'tel:+358401234567')
    """

    registered: Uri
    """The identity in the To of the REGISTER."""
    associated: tuple[Uri, ...] = ()
    """P-Associated-URI, in its order: the identities that may be used."""

    @property
    def identities(self) -> tuple[Uri, ...]:
        """The identities that may be used, the default one first."""
        return self.associated or (self.registered,)

    @property
    def default(self) -> Uri:
        """The default public user identity: the first of P-Associated-URI."""
        return self.identities[0]

    @property
    def barred(self) -> bool:
        """Whether the registered identity serves for registering only."""
        return not self.holds(self.registered)

    def holds(self, identity: Uri) -> bool:
        """Whether an identity may be used."""
        # Nearly always it is written the same; the rules for comparing URIs take their time.
        return identity in self.identities or any(identity.aor().matches(each.aor()) for each in self.identities)

    def preferred(self, wanted: Uri | None = None) -> Uri:
        """Return the identity for P-Preferred-Identity: the one wanted if it may be used, else the default one.

        Args:
            wanted: the user's choice; the registered identity if None.
        """
        wanted = wanted or self.registered
        return wanted if self.holds(wanted) else self.default
