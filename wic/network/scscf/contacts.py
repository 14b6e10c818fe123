"""What a REGISTER asks for, as changes to bindings (RFC 3261 §10.3 steps 6 and 7, RFC 5626 §6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.network.hss import Binding
from wic.sip.errors import MalformedHeader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wic.network.scscf.options import RegistrarOptions
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Request


class ContactsRefused(Exception):
    """The REGISTER cannot be granted.

    Attributes:
        status: the answer.
        headers: what goes with it.
    """

    def __init__(self, status: int, *headers: tuple[str, object]) -> None:
        super().__init__(f"REGISTER refused with {status}")
        self.status = status
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Granted:
    """Changes to make, all or none."""

    store: tuple[Binding, ...]
    remove: tuple[str, ...]
    outbound: bool = False
    """Whether several flows of one instance are kept apart (RFC 5626)."""


def wanted_bindings(
    request: Request, impi: str, known: Sequence[Binding], options: RegistrarOptions, *, now: float
) -> Granted:
    """Work out what a REGISTER changes.

    Raises:
        ContactsRefused: it asks for too little time, too many bindings, or comes out of order.
        MalformedHeader: it breaks the rules.
    """
    if request.contact_is_wildcard:
        return _remove_all(request, known)
    store: list[Binding] = []
    remove: list[str] = []
    outbound = False
    for contact in request.contacts:
        flow_key = _flow_key(contact, request)
        outbound = outbound or flow_key is not None
        binding = _binding(contact, flow_key or str(contact.uri), request, impi, options, now)
        _check_order(request, binding.key, known)
        if binding.expires_at > now:
            store.append(binding)
        else:
            remove.append(binding.key)
    if len({binding.key for binding in (*known, *store)} - {*remove}) > options.max_bindings:
        raise ContactsRefused(403)
    return Granted(tuple(store), tuple(remove), outbound and bool(store))


def _remove_all(request: Request, known: Sequence[Binding]) -> Granted:
    # RFC 3261 §10.3 step 6: only together with "Expires: 0" and nothing else.
    if request.expires != 0:
        raise MalformedHeader("Contact: * without Expires: 0")
    for binding in known:
        _check_order(request, binding.key, known)
    return Granted((), tuple(binding.key for binding in known))


def _flow_key(contact: NameAddr, request: Request) -> str | None:
    """Return the key of a binding to a flow; None if it is an ordinary one."""
    instance, reg_id = contact.params.get("+sip.instance"), contact.params.get("reg-id")
    if not instance or not reg_id or "outbound" not in request.supported:
        return None
    if not (reg_id.isascii() and reg_id.isdigit() and 0 < int(reg_id[:11]) < 2**31):
        raise MalformedHeader("reg-id is no number from 1 to 2**31-1")
    # RFC 5626 §6: the first proxy has to keep the flow, which the "ob" of its Path value says.
    if len(request.vias) > 1 and not (request.paths and "ob" in request.paths[-1].uri.params):
        raise ContactsRefused(439)
    return f"{instance};reg-id={int(reg_id)}"


def _binding(
    contact: NameAddr, key: str, request: Request, impi: str, options: RegistrarOptions, now: float
) -> Binding:
    asked = contact.expires if contact.expires is not None else request.expires
    expires = options.max_expires if asked is None else min(asked, options.max_expires)
    if 0 < expires < options.min_expires:
        raise ContactsRefused(423, ("Min-Expires", options.min_expires))
    return Binding(
        impi=impi,
        key=key,
        contact=str(contact.with_params(contact.params.without("expires"))),
        path=tuple(str(path) for path in request.paths),
        call_id=request.call_id,
        cseq=request.cseq.number,
        expires_at=now + expires,
    )


def _check_order(request: Request, key: str, known: Sequence[Binding]) -> None:
    # RFC 3261 §10.3 step 7: within one Call-ID only a higher CSeq may change a binding.
    for binding in known:
        if binding.key == key and binding.call_id == request.call_id and binding.cseq >= request.cseq.number:
            raise ContactsRefused(500)
