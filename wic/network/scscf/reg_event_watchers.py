"""Who may watch a registration, and whose it is that he may (TS 24.229 §5.4.2.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.network.scscf.gruu import instance_of
from wic.sip.headers.address import NameAddr

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wic.network.hss import Hss, StoredBinding
    from wic.sip.uri import Uri


@dataclass(frozen=True, slots=True)
class Watcher:
    """Somebody who may watch a registration."""

    impi: str
    """Whose it is."""
    registration_set: int
    name: str
    """Who asks: the user, or the address of an element in its Path."""


def find_watcher(
    hss: Hss, impu: str, asserted: Sequence[Uri], contacts: Sequence[NameAddr], *, now: float
) -> Watcher | None:
    """Return who asks; None if that is nobody who may.

    Several may share a public identity, and each of them watches its own registration. Which one it is that asks can
    be told by the Contact of its SUBSCRIBE, or by the URI that its eP-CSCF has written into Path.

    Args:
        hss: subscribers and bindings.
        impu: the public user identity to be watched, in canonical form.
        asserted: who the trusted network says asks.
        contacts: of the SUBSCRIBE.
        now: seconds of the epoch.
    """
    found = None
    for watcher, is_its_own in _watchers(hss, impu, asserted, [contact.uri for contact in contacts], now):
        if is_its_own:
            return watcher
        found = found or watcher
    return found


def _watchers(
    hss: Hss, impu: str, asserted: Sequence[Uri], contacts: Sequence[Uri], now: float
) -> Iterator[tuple[Watcher, bool]]:
    """Return all that it may be, each with whether it is certain."""
    for holder in hss.holders(impu):
        number = next(each.registration_set for each in holder.identities if each.impu == impu)
        bindings = hss.bindings(holder.impi, registration_set=number, now=now)
        usable = {each.impu for each in holder.associated(number)}
        for uri in asserted:
            hops = [hop for binding in bindings for hop in _hops(binding)]
            if bindings and str(uri.aor()) in usable:
                is_its_own = any(_is_registered(contact, binding) for contact in contacts for binding in bindings)
                yield Watcher(holder.impi, number, "user"), is_its_own
            elif uri.is_sip and (uri.host.lower(), uri.port) in [(hop.host.lower(), hop.port) for hop in hops]:
                is_its_own = any((hop.user, hop.host.lower()) == (uri.user, uri.host.lower()) for hop in hops)
                yield Watcher(holder.impi, number, f"{uri.host}:{uri.port}"), is_its_own


def _hops(binding: StoredBinding) -> list[Uri]:
    """Return the elements in the Path of a binding; their user parts are flow tokens."""
    return [NameAddr.parse(path).uri for path in binding.path]


def _is_registered(contact: Uri, binding: StoredBinding) -> bool:
    """Tell whether a contact is that of a binding, or its public GRUU."""
    instance = instance_of(contact)
    if instance is not None:
        return instance == binding.instance
    return NameAddr.parse(binding.contact).uri.matches(contact)
