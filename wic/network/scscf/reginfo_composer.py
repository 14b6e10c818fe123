"""Composer of reginfo documents: registrations of a subscriber as NOTIFYs report them (TS 24.229 §5.4.2.1.2)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from wic.registration.reg_event.reginfo import (
    AorState,
    ContactEvent,
    ContactInfo,
    ContactState,
    RegInfo,
    RegistrationInfo,
    TemporaryGruu,
)
from wic.sip.headers.address import NameAddr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wic.network.hss import PublicIdentity, StoredBinding
    from wic.network.scscf.gruu import GruuFactory
    from wic.network.scscf.location_service import BindingChange

_HAVE_ELEMENTS = ("q", "expires")
"""Contact parameters with an element or attribute of their own in a document."""


class ReginfoComposer:
    """Composes documents."""

    def __init__(self, gruus: GruuFactory) -> None:
        self._gruus = gruus

    def compose(
        self,
        version: int,
        identities: Sequence[PublicIdentity],
        bindings: Sequence[StoredBinding],
        changes: Sequence[BindingChange],
        *,
        impi: str,
        full: bool,
        now: float,
    ) -> RegInfo:
        """Return the next document for a watcher.

        Args:
            version: version of the document.
            identities: those of the implicit set that may be seen, the default one first.
            bindings: bindings of the set, after the changes.
            changes: the last change of each binding since the document before.
            impi: private identity of the subscriber.
            full: whether to report all bindings, and those that have ended since; else only the changes.
            now: seconds of the epoch.
        """
        # The full state lists what is bound; a binding that has ended is reported once, as terminated.
        bound = {binding.key for binding in bindings}
        if full:
            changes = [change for change in changes if change.event.terminates and change.binding.key not in bound]
        registrations = []
        for identity in identities:
            contacts = []
            if full:
                for each in bindings:
                    # Without a change: it is registered, unless the operator has shortened it (TS 24.229 §5.4.1.6).
                    event = ContactEvent.SHORTENED if each.prove else ContactEvent.REGISTERED
                    contacts.append(self._active(each, identity, identities[0], event, now))
            for change in changes:
                binding, event = change.binding, change.event
                if event.terminates:
                    state, pause = ContactState.TERMINATED, change.retry_after
                    contacts.append(_contact(binding, identity, state, event, expires=0, retry_after=pause))
                else:
                    contacts.append(self._active(binding, identity, identities[0], event, now))
            # RFC 3680 §4.7.1
            aor_state = AorState.ACTIVE if bindings else AorState.TERMINATED if changes else AorState.INIT
            own = f"r{_digest(impi, identity.impu)}"
            registrations.append(RegistrationInfo(aor=identity.impu, id=own, state=aor_state, contacts=tuple(contacts)))
        return RegInfo(version=version, full=full, registrations=tuple(registrations))

    def _active(
        self, binding: StoredBinding, identity: PublicIdentity, default: PublicIdentity, event: ContactEvent, now: float
    ) -> ContactInfo:
        if event is ContactEvent.REGISTERED and identity is not default:
            # TS 24.229 §5.4.2.1.2: the other identities of the set are registered implicitly.
            event = ContactEvent.CREATED
        # TS 34.229-1 A.1.6: a tel URI has the GRUUs of the default identity.
        named = identity if identity.impu.startswith("sip") else default
        gruus = self._gruus.make(binding, named.impu)
        return _contact(
            binding,
            identity,
            ContactState.ACTIVE,
            event,
            expires=max(0, round(binding.expires_at - now)),
            pub_gruu=None if gruus is None else str(gruus.public),
            temp_gruu=None if gruus is None else TemporaryGruu(str(gruus.temporary), gruus.first_cseq),
        )


def _contact(
    binding: StoredBinding,
    identity: PublicIdentity,
    state: ContactState,
    event: ContactEvent,
    *,
    expires: int,
    retry_after: int | None = None,
    pub_gruu: str | None = None,
    temp_gruu: TemporaryGruu | None = None,
) -> ContactInfo:
    contact = NameAddr.parse(binding.contact)
    return ContactInfo(
        # RFC 3680 §5.1: unique among all contacts of the document, and the same in every document of the dialog.
        id=f"c{_digest(binding.impi, identity.impu, str(binding.registration_set), binding.key)}",
        uri=str(contact.uri),
        state=state,
        event=event,
        expires=expires,
        retry_after=retry_after,
        q=contact.q_text,  # RFC 3680 §5.4: a decimal number, or the watcher can read nothing of the document
        callid=binding.call_id,
        cseq=binding.cseq,
        display_name=contact.display or None,
        # RFC 3680 §5.1: as they are written in a Contact.
        unknown_params=tuple(
            (name, "" if value is None else f'"{value}"' if name.startswith("+") else value)
            for name, value in contact.params.without(*_HAVE_ELEMENTS).items()
        ),
        pub_gruu=pub_gruu,
        temp_gruu=temp_gruu,
    )


def _digest(*parts: str) -> str:
    """Return an id that is the same in every document, after a restart as well."""
    return hashlib.blake2s("\0".join(parts).encode(), digest_size=8).hexdigest()
