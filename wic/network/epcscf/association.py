"""Association of a registered identity set with a TLS session (TS 24.371 §6.4.1.2, §6.4.1.3, §6.4.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wic.network.epcscf.mechanism import Mechanism
    from wic.sip.headers.address import NameAddr

DeviceKey: TypeAlias = "tuple[str, str, str]"
"""Private identity, instance and reg-id: the same for a registration over any connection (RFC 5626 §6)."""


_MAX_CONTACTS = 16
"""Contacts of one association; beyond it the ones that were registered first are forgotten."""


@dataclass(frozen=True, slots=True)
class AssociatedContact:
    """A contact of an association, for as long as a 200 has granted."""

    contact: NameAddr
    expires_at: float
    """By the driver's clock."""
    order: int = 0
    """Number of the REGISTER that bound it: REGISTERs are numbered as they go to the core."""

    def device(self, impi: str) -> DeviceKey | None:
        """Return the key of its device; None if it does not name one."""
        device = device_of(self.contact)
        return None if device is None else (impi, *device)


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """A registered identity set, as the 200s to REGISTER have made it.

    Its TLS session is that of the connection over which its UE is registered (see `W2Connection`).
    """

    mechanism: Mechanism
    """The proof of identity that the WIC gave."""
    impi: str
    """Private identity, or the registered public one of a WIC that sends no Authorization."""
    impu: str
    """The public identity of the REGISTER, in canonical form; it may be barred."""
    impus: tuple[str, ...]
    """All that were registered with it, the default one first (TS 24.229 §5.2.3)."""
    bound: tuple[AssociatedContact, ...]
    """The contacts that were granted, the newest first; at least one."""
    service_route: tuple[NameAddr, ...]

    def __post_init__(self) -> None:
        # However many a registrar grants, in one 200 or one after another.
        object.__setattr__(self, "bound", self.bound[:_MAX_CONTACTS])

    @property
    def contacts(self) -> list[NameAddr]:
        """Its contacts, the newest first."""
        return [each.contact for each in self.bound]

    @property
    def expires_at(self) -> float:
        """Time at which the last of its contacts expires, by the driver's clock."""
        return max(each.expires_at for each in self.bound)

    @property
    def devices(self) -> dict[DeviceKey, int]:
        """The keys by which the registration is known again over another connection, with the REGISTERs' numbers."""
        return {key: each.order for each in self.bound if (key := each.device(self.impi)) is not None}

    def __str__(self) -> str:
        """Return the identities and the instances for a log."""
        instances = ", ".join(filter(None, map(short_instance, self.contacts)))
        return f"{self.impu} ({self.impi}{instances and f', instance {instances}'})"

    def holds(self, impu: str) -> bool:
        """Tell whether a public identity is registered with it."""
        return impu == self.impu or impu in self.impus

    def is_at(self, contacts: Sequence[NameAddr]) -> bool:
        """Tell whether it has one of these contacts."""
        return any(same_binding(own, each) for own in self.contacts for each in contacts)

    def joined(self, earlier: Association) -> Association:
        """Return it with those contacts of an earlier one that it does not bind anew.

        A REGISTER says nothing about the contacts that it does not name (RFC 3261 §10.2). A 200 ought to list them
        (§10.3 step 8), but registrars that list only what was asked for have been met.
        """
        kept = (each for each in earlier.bound if not self.is_at([each.contact]))
        return replace(self, bound=(*self.bound, *kept))

    def without(self, gone: Sequence[NameAddr]) -> Association | None:
        """Return it without some contacts; None if none is left."""
        left = tuple(own for own in self.bound if not any(same_binding(own.contact, each) for each in gone))
        return replace(self, bound=left) if left else None

    def unexpired(self, *, now: float) -> Association | None:
        """Return it without the contacts that have expired; None if none is left."""
        left = tuple(each for each in self.bound if each.expires_at > now)
        return replace(self, bound=left) if left else None


def device_of(contact: NameAddr) -> tuple[str, str] | None:
    """Return instance and reg-id of a contact; None if it does not have both."""
    instance, reg_id = contact.params.get("+sip.instance"), contact.params.get("reg-id")
    return (instance, reg_id) if instance and reg_id else None


def short_instance(contact: NameAddr) -> str:
    """Return as much of a contact's instance as tells the devices of a user apart in a log; empty without one.

    >>> from wic.sip.headers.address import NameAddr
    >>> short_instance(NameAddr.parse('<sip:a@b>;+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"'))
    'f81d4fae'
    """
    name = (contact.params.get("+sip.instance") or "").strip("<>")
    # RFC 4122 §4.1: any part of a UUID will do; of an IMEI (RFC 7254 §3) the last digits differ between like devices.
    short = name[9:17] if name[:9].lower() == "urn:uuid:" else name[-12:]
    return short if short.isprintable() else "?"


def same_binding(one: NameAddr, other: NameAddr) -> bool:
    """Tell whether two contacts mean one binding: the same URI, or the same instance and reg-id (RFC 5626 §6)."""
    device = device_of(one)
    return one.uri.matches(other.uri) or (device is not None and device == device_of(other))
