"""Subscriber profiles: private and public user identities, and implicit registration sets (TS 23.228 §5.2.1a)."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wic.errors import ConfigurationError
from wic.sip.errors import MalformedUri
from wic.sip.params import UriParams
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOCAL_NUMBER = re.compile(r"[0-9*#]+")  # RFC 3966 §3, without separators and hexadecimal digits


@dataclass(frozen=True, slots=True)
class PublicIdentity:
    """Public user identity."""

    impu: str
    """In canonical form."""
    barred: bool = False
    """Whether it may only be registered, neither used nor seen (TS 23.228 §5.2.1)."""
    registration_set: int = 0
    """Number of the implicit registration set it belongs to."""
    display_name: str = ""
    """Name for people."""


@dataclass(frozen=True, slots=True)
class SubscriberProfile:
    """Private user identity with its public ones.

    Registering one public identity registers all of its implicit registration set; each set has bindings of its own
    (TS 24.229 §5.4.1.2.2F).
    """

    impi: str
    identities: tuple[PublicIdentity, ...]
    """Public user identities, in order: of each set, the first that is not barred is the default one."""

    @property
    def impus(self) -> tuple[str, ...]:
        """All public identities."""
        return tuple(identity.impu for identity in self.identities)

    def identity(self, impu: str) -> PublicIdentity | None:
        """Return the public identity of that name, if it is this subscriber's."""
        return next((identity for identity in self.identities if identity.impu == impu), None)

    def associated(self, registration_set: int) -> tuple[PublicIdentity, ...]:
        """Return the identities of a set that may be used, the default one first."""
        # TS 24.229 §5.4.1.2.2F: P-Associated-URI has no barred ones.
        return tuple(each for each in self.identities if each.registration_set == registration_set and not each.barred)

    def public_name(self, identity: PublicIdentity) -> PublicIdentity:
        """Return the identity that others may see when `identity` is registered: a barred one stays hidden."""
        if not identity.barred:
            return identity
        return next(iter(self.associated(identity.registration_set)), identity)


def make_profile(impi: str, impus: Iterable[str | PublicIdentity]) -> SubscriberProfile:
    """Return a profile with its public identities in canonical form, each of them once.

    Raises:
        ConfigurationError: an identity is malformed, or stands in two registration sets.
    """
    identities: dict[str, PublicIdentity] = {}
    for each in impus:
        plain = each if isinstance(each, PublicIdentity) else PublicIdentity(each)
        identity = replace(plain, impu=canonical(plain.impu))
        first = identities.setdefault(identity.impu, identity)
        # TS 23.228 §5.2.1a: a public identity belongs to one implicit registration set.
        if first.registration_set != identity.registration_set:
            raise ConfigurationError(f"{identity.impu} is registered either by itself or with others, not both ways")
    if not impi or not impi.isprintable() or not identities:
        raise ConfigurationError("a subscriber needs a private identity and at least one public one")
    return SubscriberProfile(impi, tuple(identities.values()))


def identities_of(uri: Uri, domain: str) -> tuple[str, ...]:
    """Return the public identities that a URI may mean, in the form in which they are stored, the nearest first.

    This is the only way to compare a URI of a message with an identity: scheme, port, parameters and the way in which a
    number is written differ from sender to sender.
    """
    aor = uri.aor()
    found = [aor]
    number = uri.username.partition(";")[0]
    if uri.is_sip and (uri.params.get("user") == "phone" or number.startswith("+")):
        # TS 24.229 §5.3.2.1: a SIP URI that holds a number means the same user as the tel URI.
        found.append(Uri("tel", opaque=number).aor())
    if uri.is_sip and aor.host == domain.lower() and _LOCAL_NUMBER.fullmatch(uri.username):
        # RFC 3966 §5.1.5: a local number of the home domain, as the tel URI says by its context.
        found.append(Uri("tel", opaque=uri.username, params=UriParams([("phone-context", domain)])).aor())
    # A subscriber may have a number as a SIP URI only.
    elif uri.scheme == "tel":
        found.append(Uri("sip", aor.opaque, host=domain))
    return tuple(map(str, found))


def canonical(impu: str) -> str:
    """Return a public identity in the form in which it is stored.

    Raises:
        ConfigurationError: it is neither a SIP nor a tel URI, or has parts that an identity has not.
    """
    with suppress(MalformedUri):
        uri = Uri.parse(impu)
        identity = uri.aor()
        # RFC 3966 §5.1.5: a local number says where it holds; `tel:123` would be another one for each caller.
        is_local = uri.scheme == "tel" and "phone-context" in uri.params and identity.opaque[:1] not in ("", "+")
        if (uri.is_sip and uri.user) or uri.is_global_number or is_local:  # TS 23.003 §13.4
            # A port, a password or parameters make it an address of something else, and would be lost.
            if uri.port is not None or uri.password or uri.headers or len(uri.params) != len(identity.params):
                raise ConfigurationError(f"{impu!r} is not a public identity: write {identity}")
            return str(identity)
    raise ConfigurationError(f"{impu!r} is not a public identity: write sip:user@domain or tel:+number")
