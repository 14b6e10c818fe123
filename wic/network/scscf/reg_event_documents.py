"""Registrations of a subscriber as the S-CSCF tells them (TS 24.229 §5.4.2.1.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
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
    from wic.network.scscf.changes import BindingChange
    from wic.network.scscf.gruu import Gruus

GruuFinder = Callable[["StoredBinding", str], "Gruus | None"]
"""Returns the GRUUs of a binding for a public user identity."""

_TOLD_OTHERWISE = ("q", "expires")


class Documents:
    """Writes documents.

    Args:
        gruus: finds GRUUs; None = there are none.
    """

    def __init__(self, gruus: GruuFinder | None = None) -> None:
        self._gruus = gruus

    def full(
        self,
        version: int,
        identities: Sequence[PublicIdentity],
        bindings: Sequence[StoredBinding],
        ended: Sequence[BindingChange],
        *,
        now: float,
    ) -> RegInfo:
        """Return the full state, together with bindings that have just ended.

        Args:
            version: of the document.
            identities: those of the implicit set that may be seen, the default one first.
            bindings: of the set.
            ended: what is not bound any more, and was not told yet.
            now: seconds of the epoch.
        """
        registrations = []
        for identity in identities:
            contacts = [self._active(binding, identity, identities, _standing(binding), now) for binding in bindings]
            contacts += [self._ended(change, identity) for change in ended]
            state = _state(bound=bool(bindings), ended=bool(ended))
            registrations.append(_registration(identity, bindings, ended, state, contacts))
        return RegInfo(version=version, full=True, registrations=tuple(registrations))

    def partial(
        self,
        version: int,
        identities: Sequence[PublicIdentity],
        bindings: Sequence[StoredBinding],
        changes: Sequence[BindingChange],
        *,
        now: float,
    ) -> RegInfo:
        """Return what has changed.

        Args:
            version: of the document.
            identities: those of the implicit set that may be seen, the default one first.
            bindings: of the set, after the changes.
            changes: the last one of each binding.
            now: seconds of the epoch.
        """
        registrations = []
        for identity in identities:
            contacts = [
                self._ended(change, identity)
                if change.event.terminates
                else self._active(change.binding, identity, identities, change.event, now)
                for change in changes
            ]
            state = _state(bound=bool(bindings), ended=True)
            registrations.append(_registration(identity, bindings, changes, state, contacts))
        return RegInfo(version=version, full=False, registrations=tuple(registrations))

    def _active(
        self,
        binding: StoredBinding,
        identity: PublicIdentity,
        identities: Sequence[PublicIdentity],
        event: ContactEvent,
        now: float,
    ) -> ContactInfo:
        default = identities[0]
        if event is ContactEvent.REGISTERED and identity is not default:
            event = ContactEvent.CREATED
        # TS 34.229-1 A.1.6: a tel URI has the GRUUs of the default identity.
        named = identity if identity.impu.startswith("sip") else default
        gruus = None if self._gruus is None else self._gruus(binding, named.impu)
        return _contact(
            binding,
            identity,
            ContactState.ACTIVE,
            event,
            expires=max(0, round(binding.expires_at - now)),
            pub_gruu=None if gruus is None else str(gruus.public),
            temp_gruu=None if gruus is None else TemporaryGruu(str(gruus.temporary), gruus.first_cseq),
        )

    def _ended(self, change: BindingChange, identity: PublicIdentity) -> ContactInfo:
        return _contact(
            change.binding, identity, ContactState.TERMINATED, change.event, expires=0, retry_after=change.retry_after
        )


def _standing(binding: StoredBinding) -> ContactEvent:
    """Return the event that a binding of the full state goes back to."""
    return ContactEvent.SHORTENED if binding.prove else ContactEvent.REGISTERED


def _state(*, bound: bool, ended: bool) -> AorState:
    if bound:
        return AorState.ACTIVE
    return AorState.TERMINATED if ended else AorState.INIT


def _registration(
    identity: PublicIdentity,
    bindings: Sequence[StoredBinding],
    changes: Sequence[BindingChange],
    state: AorState,
    contacts: list[ContactInfo],
) -> RegistrationInfo:
    owner = next((each.impi for each in bindings), "") or next((each.binding.impi for each in changes), "")
    return RegistrationInfo(
        aor=identity.impu, id=f"r{_digest(owner, identity.impu)}", state=state, contacts=tuple(contacts)
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
        id=f"c{_digest(binding.impi, identity.impu, str(binding.registration_set), binding.key)}",
        uri=str(contact.uri),
        state=state,
        event=event,
        expires=expires,
        retry_after=retry_after,
        q=contact.params.get("q"),
        callid=binding.call_id,
        cseq=binding.cseq,
        display_name=contact.display or None,
        unknown_params=tuple(_unknown(contact)),
        pub_gruu=pub_gruu,
        temp_gruu=temp_gruu,
    )


def _unknown(contact: NameAddr) -> list[tuple[str, str]]:
    """Return the parameters for which a document has no place of their own, as they are written in a Contact."""
    params = contact.params.without(*_TOLD_OTHERWISE)
    return [
        (name, "" if value is None else f'"{value}"' if name.startswith("+") else value)
        for name, value in params.items()
    ]


def _digest(*parts: str) -> str:
    """Return an id that is the same after a restart."""
    return hashlib.blake2s("\0".join(parts).encode(), digest_size=8).hexdigest()
