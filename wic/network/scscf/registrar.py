"""Registrar of the S-CSCF (RFC 3261 §10.3, RFC 5626 §6, TS 24.229 §5.4.1).

A REGISTER passes four steps, of which each may refuse it: the HSS has to know the identities (the I-CSCF's part,
TS 24.229 §5.3.1.2), the user has to be authenticated, the Contacts have to be granted, and the HSS has to store them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from email.utils import formatdate
from math import ceil
from typing import TYPE_CHECKING

from wic.auth.digest_server import find_credentials
from wic.network.hss import StoredBinding, identities_of
from wic.network.scscf.location_service import BindingChange
from wic.network.scscf.received_register import Protection, ReceivedRegister, RegistrationRefused, read_protection
from wic.registration.reg_event.reginfo import ContactEvent
from wic.sip.errors import MalformedHeader
from wic.sip.message import Message, Response
from wic.sip.params import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wic.network.hss import Hss, PublicIdentity
    from wic.network.scscf.authentication import Authenticated, RegisterAuthenticator
    from wic.network.scscf.gruu import GruuFactory
    from wic.network.scscf.location_service import LocationService
    from wic.network.scscf.options import RegistrarOptions
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Request
    from wic.sip.uri import Uri


@dataclass(frozen=True, slots=True)
class CrowdedRegistration:
    """Authenticated REGISTER for which a binding has to give way, if one of them leads to no UE any more."""

    register: ReceivedRegister
    authenticated: Authenticated
    tag: str
    """For the To of the response."""
    others: tuple[StoredBinding, ...]
    """Bindings that may give way, the oldest first; at least one."""


class Registrar:
    """Answers REGISTER requests."""

    def __init__(
        self,
        hss: Hss,
        authenticator: RegisterAuthenticator,
        location_service: LocationService,
        service_route: Uri,
        gruus: GruuFactory,
        options: RegistrarOptions,
    ) -> None:
        self._hss = hss
        self._authenticator = authenticator
        self._location_service = location_service
        self._service_route = service_route  # which requests of registered users have to take
        self._gruus = gruus
        self._options = options
        self._crowded = f"More Than {options.max_bindings} Contacts"  # the phrase of a refusal

    def register(self, request: Request, *, trusted: bool, tag: str, now: float) -> Response | CrowdedRegistration:
        """Return the response to a REGISTER, or what is needed for it: the bindings that lead to no UE any more.

        Args:
            request: as it came.
            trusted: whether it came from an eP-CSCF whose `integrity-protected` is to be believed.
            tag: for the To of the response.
            now: seconds of the epoch.

        Raises:
            StorageFailed: the HSS cannot store the bindings, or the sequence number of a challenge.
        """
        try:
            register = self._identify(request, trusted, now)
            authenticated = self._authenticator.authenticate(register)
            update = request_bindings(register, self._options, proved=authenticated.proved)
            roomy = self._with_room(update, register, gone=())
            if roomy is None:
                others = tuple(each for each in update.others(register.bindings) if not update.supersedes(each))
                if len(register.bindings) < update.surplus or not others:
                    raise RegistrationRefused(403, self._crowded)  # RFC 3261 §21.4.4: it shall not be tried again
                return CrowdedRegistration(register, authenticated, tag, others)
        except MalformedHeader as error:
            return Response.answer(request, 400, str(error), to_tag=tag)
        except RegistrationRefused as refused:
            return refused.answer(request, tag)
        return self._store(roomy, register, authenticated, tag)

    def make_room(self, crowded: CrowdedRegistration, gone: Iterable[StoredBinding], *, now: float) -> Response:
        """Return the response to a REGISTER that waited until it was known which bindings lead to no UE.

        Args:
            crowded: what `register` returned.
            gone: these bindings, those that are to give way first in front.
            now: seconds of the epoch.

        Raises:
            StorageFailed: the HSS cannot store the bindings.
        """
        # Other REGISTERs have been answered meanwhile.
        waited, number = crowded.register, crowded.register.identity.registration_set
        bindings = self._hss.bindings(waited.subscriber.impi, registration_set=number, now=now)
        register = replace(waited, bindings=tuple(bindings), now=now)
        try:
            update = request_bindings(register, self._options, proved=crowded.authenticated.proved)
            roomy = self._with_room(update, register, gone)
            if roomy is None:
                # RFC 3261 §21.4.18: in a while, when the UEs may be asked once more, one may have left. No 503, by which
                # the eP-CSCF or the UE would turn to another server.
                pause = max(1, ceil(self._options.probe_again))
                raise RegistrationRefused(480, self._crowded, ("Retry-After", pause))
        except RegistrationRefused as refused:
            return refused.answer(register.request, crowded.tag)
        return self._store(roomy, register, crowded.authenticated, crowded.tag)

    @staticmethod
    def _with_room(
        update: BindingUpdate, register: ReceivedRegister, gone: Iterable[StoredBinding]
    ) -> BindingUpdate | None:
        """Return the update with the ends of the bindings that give way to it; None if there are too few."""
        if update.surplus <= 0:
            return update
        others = update.others(register.bindings)
        # A UE that forgets its contact with each start leaves the old one behind: the newest registration wins.
        leaving = [BindingChange(each, ContactEvent.UNREGISTERED) for each in others if update.supersedes(each)]
        # RFC 5626 §5.3.1: of those whose flow has failed the oldest one gives way, unless its UE has registered since.
        staying = {_origin(each): each for each in others if not update.supersedes(each)}
        found = (staying.get(_origin(each)) for each in gone)
        leaving += [BindingChange(each, ContactEvent.DEACTIVATED) for each in found if each is not None]
        if len(leaving) < update.surplus:
            return None
        return replace(update, changes=(*leaving[: update.surplus], *update.changes))

    def _store(
        self, update: BindingUpdate, register: ReceivedRegister, authenticated: Authenticated, tag: str
    ) -> Response:
        # RFC 3261 §10.3 step 7: all changes or none; a 200 is sent only for what is stored.
        impi = register.subscriber.impi
        self._location_service.change(impi, update.changes, known=register.bindings, now=register.now)
        return self._accept(register, authenticated, update, tag)

    def _identify(self, request: Request, trusted: bool, now: float) -> ReceivedRegister:
        """Find the subscriber and the identity that a REGISTER is about."""
        credentials = find_credentials(request, self._hss.realm)
        impi = None if credentials is None else credentials.get("username")
        # Several subscribers may share a public identity; without a private one the first of them is challenged.
        subscriber = identity = None
        for impu in identities_of(request.to.uri, self._hss.realm):
            subscriber = next((each for each in self._hss.holders(impu) if not impi or each.impi == impi), None)
            if subscriber is not None:
                identity = subscriber.identity(impu)
                break
        if subscriber is None or identity is None:
            # TS 24.229 §5.3.1.2: the HSS does not know the identity, or not together with the private one.
            raise RegistrationRefused(403, "Identity Not Known")
        return ReceivedRegister(
            request=request,
            credentials=credentials,
            protection=read_protection(credentials, trusted=trusted),
            subscriber=subscriber,
            identity=identity,
            bindings=tuple(self._hss.bindings(subscriber.impi, registration_set=identity.registration_set, now=now)),
            now=now,
            trusted=trusted,
            # The topmost Path names the connection of the WIC; only an eP-CSCF's word counts for that.
            source=str(request.paths[0]) if trusted and request.paths else "",
        )

    def _accept(
        self, register: ReceivedRegister, authenticated: Authenticated, update: BindingUpdate, tag: str
    ) -> Response:
        bindings = update.applied_to(register.bindings)
        # RFC 3261 §10.3 step 8: all bindings, with the time that each has left, and the date.
        headers: list[tuple[str, object]] = [("Contact", self._contact(register, binding)) for binding in bindings]
        headers.append(("Date", formatdate(register.now, usegmt=True)))
        # RFC 3327 §5.3: the Path that is stored; TS 24.229 §5.4.1.2.2F: Service-Route and P-Associated-URI.
        headers += [("Path", value) for value in register.request.headers.get_all("Path")]
        headers.append(("Service-Route", f"<{self._service_route}>"))
        associated = register.subscriber.associated(register.identity.registration_set)
        if associated:
            headers.append(("P-Associated-URI", ", ".join(map(_associated, associated))))
        if update.outbound:
            headers.append(("Require", "outbound"))  # RFC 5626 §6
        if authenticated.authentication_info is not None:
            headers.append(("Authentication-Info", authenticated.authentication_info))
        return Response.answer(register.request, 200, to_tag=tag, headers=headers)

    def _contact(self, register: ReceivedRegister, binding: StoredBinding) -> str:
        """Return the Contact value that reports a binding, with its GRUUs if the UE knows them (RFC 5627 §5.2)."""
        value = f"{binding.contact};expires={max(0, round(binding.expires_at - register.now))}"
        if "gruu" not in register.request.usable(Message.supported):
            return value
        gruus = self._gruus.make(binding, register.subscriber.public_name(register.identity).impu)
        return value if gruus is None else f'{value};pub-gruu="{gruus.public}";temp-gruu="{gruus.temporary}"'


def _origin(binding: StoredBinding) -> tuple[object, ...]:
    """Return what tells the REGISTER that made a binding; a demand to authenticate again changes none of it."""
    return binding.key, binding.path, binding.call_id, binding.cseq


def _associated(identity: PublicIdentity) -> str:
    return f"{quote(identity.display_name)} <{identity.impu}>" if identity.display_name else f"<{identity.impu}>"


@dataclass(frozen=True, slots=True)
class BindingUpdate:
    """Changes that a REGISTER asks for."""

    changes: tuple[BindingChange, ...]
    outbound: bool = False
    """Whether several flows of one instance are kept apart (RFC 5626)."""
    surplus: int = 0
    """Bindings that there would be beyond the limit; not positive if there is room."""

    def others(self, known: Iterable[StoredBinding]) -> list[StoredBinding]:
        """Return the bindings that it does not touch, the oldest first."""
        touched = {change.binding.key for change in self.changes}
        return sorted((each for each in known if each.key not in touched), key=lambda each: each.registered_at)

    def supersedes(self, binding: StoredBinding) -> bool:
        """Tell whether an ordinary binding, not to a flow, is an earlier contact of an instance that registers now."""
        instance = binding.instance
        if instance is None or binding.key.startswith(f"{instance};reg-id="):
            return False
        return any(change.binding.instance == instance for change in self.changes if not change.event.terminates)

    def applied_to(self, known: Iterable[StoredBinding]) -> list[StoredBinding]:
        """Return the bindings after the changes, in the order of their keys."""
        after = {binding.key: binding for binding in known}
        for change in self.changes:
            if change.event.terminates:
                del after[change.binding.key]
            else:
                after[change.binding.key] = change.binding
        return [after[key] for key in sorted(after)]


def request_bindings(register: ReceivedRegister, options: RegistrarOptions, *, proved: bool) -> BindingUpdate:
    """Return the changes that a REGISTER asks for (RFC 3261 §10.3 steps 6 and 7).

    It is `proved` if it authenticates its sender itself, rather than an earlier one.

    Raises:
        RegistrationRefused: it asks for too little time, or comes out of order.
        MalformedHeader: it breaks the rules.
    """
    request, before = register.request, {binding.key: binding for binding in register.bindings}
    if request.contact_is_wildcard:
        return _remove_all(request, register.bindings)
    wanted: dict[str, BindingChange | None] = {}
    outbound = False
    for contact in request.contacts:
        flow_key = _flow_key(contact, request)
        outbound = outbound or flow_key is not None
        key = flow_key or str(contact.uri)
        known = before.get(key)
        _check_order(request, known)
        expires = _expires(contact, register, options)
        # If a contact is there twice, the last one counts.
        if expires:
            binding = _binding(contact, key, register, known, expires=expires, proved=proved)
            wanted[key] = BindingChange(binding, ContactEvent.REFRESHED if known else ContactEvent.REGISTERED)
        else:
            # A binding that is not there can be removed as well (RFC 3261 §10.3).
            wanted[key] = None if known is None else BindingChange(known, ContactEvent.UNREGISTERED)
    changes = tuple(change for change in wanted.values() if change is not None)
    ended = {change.binding.key for change in changes if change.event.terminates}
    # A UE that forgets its instance identifier with each start must not fill the database.
    after = len(before.keys() | {change.binding.key for change in changes}) - len(ended)
    # A REGISTER that ends bindings, or keeps them, is never one too many.
    grows = after > len(before)
    return BindingUpdate(changes, outbound and len(ended) < len(changes), after - options.max_bindings if grows else 0)


def _remove_all(request: Request, known: Sequence[StoredBinding]) -> BindingUpdate:
    # RFC 3261 §10.3 step 6: only together with "Expires: 0" and nothing else.
    if request.expires != 0:
        raise MalformedHeader("Contact: * without Expires: 0")
    for binding in known:
        _check_order(request, binding)
    return BindingUpdate(tuple(BindingChange(binding, ContactEvent.UNREGISTERED) for binding in known))


def _check_order(request: Request, known: StoredBinding | None) -> None:
    # RFC 3261 §10.3 step 7: within one Call-ID only a higher CSeq may change a binding.
    if known is not None and known.call_id == request.call_id and known.cseq >= request.cseq.number:
        raise RegistrationRefused(500)


def _flow_key(contact: NameAddr, request: Request) -> str | None:
    """Return the key of a binding to a flow; None if it is an ordinary one."""
    instance, reg_id = contact.params.get("+sip.instance"), contact.params.get("reg-id")
    if not instance or not reg_id or "outbound" not in request.usable(Message.supported):
        return None
    if not (reg_id.isascii() and reg_id.isdigit() and 0 < int(reg_id[:11]) < 2**31):
        raise MalformedHeader("reg-id is not a number from 1 to 2**31-1")
    # RFC 5626 §6: the first proxy has to keep the flow, which the "ob" of its Path value says.
    if len(request.headers.values("Via")) > 1 and not (request.paths and "ob" in request.paths[-1].uri.params):
        raise RegistrationRefused(439)
    return f"{instance};reg-id={int(reg_id)}"


def _expires(contact: NameAddr, register: ReceivedRegister, options: RegistrarOptions) -> int:
    asked = contact.expires if contact.expires is not None else register.request.expires
    expires = options.max_expires if asked is None else min(asked, options.max_expires)
    # TS 24.371 §6.4.3: the eP-CSCF shortens the time to what is left of a token's life, however little that is.
    if 0 < expires < options.min_expires and register.protection is not Protection.DONE:
        raise RegistrationRefused(423, None, ("Min-Expires", options.min_expires))
    return expires


def _binding(
    contact: NameAddr, key: str, register: ReceivedRegister, known: StoredBinding | None, *, expires: int, proved: bool
) -> StoredBinding:
    request, now = register.request, register.now
    return StoredBinding(
        impi=register.subscriber.impi,
        registration_set=register.identity.registration_set,
        key=key,
        # The UE does not choose its GRUUs, and the expiry is kept as a moment.
        contact=str(contact.with_params(contact.params.without("expires", "pub-gruu", "temp-gruu"))),
        path=tuple(str(path) for path in request.paths),
        call_id=request.call_id,
        cseq=request.cseq.number,
        expires_at=now + expires,
        instance=contact.params.get("+sip.instance") or None,
        registered_at=known.registered_at if known else now,
        unproved=0 if proved or known is None else known.unproved + 1,
        # A demand of the operator stands until the user has been authenticated (TS 24.229 §5.4.1.6).
        prove=not proved and known is not None and known.prove,
    )
