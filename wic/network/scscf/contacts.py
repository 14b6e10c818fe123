"""What a REGISTER asks for, as changes to bindings (RFC 3261 §10.3 steps 6 and 7, RFC 5626 §6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.network.hss import StoredBinding
from wic.network.scscf.attempt import Protection
from wic.network.scscf.changes import BindingChange
from wic.network.scscf.refusal import Refused
from wic.registration.reg_event.reginfo import ContactEvent
from wic.sip.errors import MalformedHeader

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wic.network.scscf.attempt import Attempt
    from wic.network.scscf.options import RegistrarOptions
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Request


@dataclass(frozen=True, slots=True)
class Granted:
    """Changes to make, all or none."""

    store: tuple[StoredBinding, ...]
    remove: tuple[str, ...]
    changes: tuple[BindingChange, ...]
    """The same, as those who watch the registration are told of it."""
    outbound: bool = False
    """Whether several flows of one instance are kept apart (RFC 5626)."""

    def applied_to(self, known: Iterable[StoredBinding]) -> list[StoredBinding]:
        """Return the bindings that there are after the changes, in the order of their keys."""
        after = {binding.key: binding for binding in (*known, *self.store) if binding.key not in self.remove}
        return [after[key] for key in sorted(after)]


def wanted_bindings(attempt: Attempt, options: RegistrarOptions, *, proved: bool) -> Granted:
    """Work out what a REGISTER changes.

    Args:
        attempt: the REGISTER.
        options: what is granted.
        proved: whether it proves who sends it, or only an earlier one.

    Raises:
        Refused: it asks for too little time, too many bindings, or comes out of order.
        MalformedHeader: it breaks the rules.
    """
    request, known = attempt.request, attempt.bindings
    if request.contact_is_wildcard:
        return _remove_all(request, known)
    before = {binding.key: binding for binding in known}
    wanted: dict[str, StoredBinding | None] = {}
    outbound = False
    for contact in request.contacts:
        flow_key = _flow_key(contact, request)
        outbound = outbound or flow_key is not None
        key = flow_key or str(contact.uri)
        _check_order(request, before.get(key))
        expires = _expires(contact, attempt, options)
        # Of a contact that is there twice, the last one counts.
        wanted[key] = (
            _binding(contact, key, attempt, before.get(key), expires=expires, proved=proved) if expires else None
        )
    store = tuple(binding for binding in wanted.values() if binding is not None)
    remove = tuple(key for key, binding in wanted.items() if binding is None)
    if len((before.keys() | wanted.keys()) - {*remove}) > options.max_bindings:
        raise Refused(403)
    changes = [_gone(before[key]) for key in remove if key in before]
    changes += [BindingChange(each, _came(each, before)) for each in store]
    return Granted(store, remove, tuple(changes), outbound and bool(store))


def _remove_all(request: Request, known: Sequence[StoredBinding]) -> Granted:
    # RFC 3261 §10.3 step 6: only together with "Expires: 0" and nothing else.
    if request.expires != 0:
        raise MalformedHeader("Contact: * without Expires: 0")
    for binding in known:
        _check_order(request, binding)
    return Granted((), tuple(binding.key for binding in known), tuple(map(_gone, known)))


def _gone(binding: StoredBinding) -> BindingChange:
    return BindingChange(binding, ContactEvent.UNREGISTERED)


def _came(binding: StoredBinding, before: dict[str, StoredBinding]) -> ContactEvent:
    return ContactEvent.REFRESHED if binding.key in before else ContactEvent.REGISTERED


def _flow_key(contact: NameAddr, request: Request) -> str | None:
    """Return the key of a binding to a flow; None if it is an ordinary one."""
    instance, reg_id = contact.params.get("+sip.instance"), contact.params.get("reg-id")
    if not instance or not reg_id or "outbound" not in request.supported:
        return None
    if not (reg_id.isascii() and reg_id.isdigit() and 0 < int(reg_id[:11]) < 2**31):
        raise MalformedHeader("reg-id is no number from 1 to 2**31-1")
    # RFC 5626 §6: the first proxy has to keep the flow, which the "ob" of its Path value says.
    if len(request.vias) > 1 and not (request.paths and "ob" in request.paths[-1].uri.params):
        raise Refused(439)
    return f"{instance};reg-id={int(reg_id)}"


def _expires(contact: NameAddr, attempt: Attempt, options: RegistrarOptions) -> int:
    asked = contact.expires if contact.expires is not None else attempt.request.expires
    expires = options.max_expires if asked is None else min(asked, options.max_expires)
    # TS 24.371 §6.4.3: the eP-CSCF cuts the time to what is left of a token's life.
    if 0 < expires < options.min_expires and attempt.protection is not Protection.DONE:
        raise Refused(423, None, ("Min-Expires", options.min_expires))
    return expires


def _binding(
    contact: NameAddr, key: str, attempt: Attempt, before: StoredBinding | None, *, expires: int, proved: bool
) -> StoredBinding:
    request, now = attempt.request, attempt.now
    return StoredBinding(
        impi=attempt.subscriber.impi,
        registration_set=attempt.identity.registration_set,
        key=key,
        contact=str(contact.with_params(contact.params.without("expires", "pub-gruu", "temp-gruu"))),
        path=tuple(str(path) for path in request.paths),
        call_id=request.call_id,
        cseq=request.cseq.number,
        expires_at=now + expires,
        instance=contact.params.get("+sip.instance") or None,
        registered_at=before.registered_at if before else now,
        unproved=0 if proved or before is None else before.unproved + 1,
        prove=not proved and before is not None and before.prove,
    )


def _check_order(request: Request, binding: StoredBinding | None) -> None:
    # RFC 3261 §10.3 step 7: within one Call-ID only a higher CSeq may change a binding.
    if binding is not None and binding.call_id == request.call_id and binding.cseq >= request.cseq.number:
        raise Refused(500)
