"""Registrations as a subscriber to reg-event knows them, from document to document (RFC 3680 §5.2)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from wic.registration.reg_event.reginfo import AorState, ContactEvent, ContactInfo, ContactState
from wic.sip.errors import MalformedBody

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wic.registration.reg_event.reginfo import RegInfo

MAX_CONTACTS: Final = 2_000
"""Contacts that are remembered; a user has a handful."""


class Fit(Enum):
    """Relation of a document to the last one."""

    NEXT = "it does"
    STALE = "it is older, and nothing new"
    GAP = "one is missing between them"


@dataclass(frozen=True, slots=True)
class BoundContact:
    """A contact and the address-of-record that it is bound to."""

    aor: str
    info: ContactInfo


@dataclass(frozen=True, slots=True)
class TableChange:
    """Changes by one document."""

    ended: tuple[BoundContact, ...]
    """Contacts that are not bound any more."""
    active: tuple[BoundContact, ...]
    """Contacts that were bound anew, or otherwise than before."""


@dataclass(slots=True, eq=False)
class RegistrationTable:
    """Table of registrations and their bound contacts."""

    _version: int | None = None  # of the last document
    _aors: dict[str, str] = field(default_factory=dict)  # by the id of the registration
    _contacts: dict[tuple[str, str], ContactInfo] = field(default_factory=dict)  # by the ids of both

    def __iter__(self) -> Iterator[BoundContact]:
        """Iterate over the contacts that are bound, in the notifier's order of addresses-of-record."""
        return (BoundContact(self._aors[id], info) for (id, _), info in self._contacts.items())

    def begin(self) -> None:
        """Expect the first document of another subscription; what is known is compared with it."""
        self._version = None

    def fit(self, document: RegInfo) -> Fit:
        """Say how a document follows the last one."""
        if document.full:
            # The order of NOTIFYs is that of their CSeq; there are notifiers whose version is always 0.
            return Fit.NEXT
        if self._version is None or document.version > self._version + 1:  # RFC 3680 §5.2
            return Fit.GAP
        return Fit.NEXT if document.version == self._version + 1 else Fit.STALE

    def apply(self, document: RegInfo) -> TableChange:
        """Take over a document that fits.

        Raises:
            MalformedBody: more contacts than one user can have.
        """
        told = [
            ((registration.id, contact.id), registration, contact)
            for registration in document.registrations
            for contact in registration.contacts
        ]
        bound = {
            key: contact
            for key, registration, contact in told
            if contact.state is ContactState.ACTIVE and registration.state is AorState.ACTIVE
        }
        if len(self._contacts.keys() | bound.keys()) > MAX_CONTACTS:
            raise MalformedBody("more contacts than one user can have", status_hint=413)
        named = {registration.id: registration.aor for registration in document.registrations}
        aors = named | self._aors | named if document.full else self._aors | named
        gone = {key: _ended(contact) for key, _, contact in told if key not in bound}
        for key, contact in self._contacts.items():
            if key not in bound and key not in gone and self._is_over(key, document):
                gone[key] = _ended(contact)
        before = self._contacts
        after = {key: contact for key, contact in before.items() if key not in gone} | bound
        places = {id: place for place, id in enumerate(aors)}
        self._contacts = dict(sorted(after.items(), key=lambda item: places[item[0][0]]))
        held = {id for id, _ in after}
        self._aors = {id: aor for id, aor in aors.items() if id in held}
        self._version = document.version
        changed = {key: contact for key, contact in bound.items() if not document.full or before.get(key) != contact}
        return TableChange(
            tuple(BoundContact(aors[id], contact) for (id, _), contact in gone.items()),
            tuple(BoundContact(aors[id], contact) for (id, _), contact in changed.items()),
        )

    @staticmethod
    def _is_over(key: tuple[str, str], document: RegInfo) -> bool:
        """Tell whether a contact of which a document does not speak is gone: full ones name all that there are."""
        return document.full or any(
            each.id == key[0] and each.state is AorState.TERMINATED for each in document.registrations
        )


def _ended(contact: ContactInfo) -> ContactInfo:
    """Return a contact as one that is not bound any more: for its own reason, or because it expired."""
    event = contact.event if contact.event.terminates else ContactEvent.EXPIRED
    return replace(contact, state=ContactState.TERMINATED, event=event)
