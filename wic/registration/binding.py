"""The binding that a 200 to REGISTER grants."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.errors import RegistrationFailed
from wic.registration.implicit_set import ImplicitSet
from wic.sip.errors import MalformedHeader, MalformedUri
from wic.sip.masking import masked
from wic.sip.message import Response
from wic.sip.routing import port_of
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wic.sip.headers import NameAddr

logger = logging.getLogger(__name__)

_DEFAULT_EXPIRES = 3600  # RFC 3261 §10.2: also the value of what is malformed
_EARLY = 600  # TS 24.229 §5.1.1.4.1: seconds before the end
_LONG = 1200  # TS 24.229 §5.1.1.4.1: seconds from which on `_EARLY` counts
_SOONEST = 1.0  # a registrar that grants a second or two is not flooded


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """One address of the user, known to the registrar until `expires_at`."""

    contact: NameAddr
    """Our contact as the registrar keeps it."""
    expires: int
    """Seconds granted, never more than asked for."""
    expires_at: float
    """In the clock of `now`."""
    impu: Uri
    """The public user identity that was registered explicitly."""
    edge: NameAddr | None = None
    """The eP-CSCF's URI, for `routes`; None where requests do not name it."""
    service_route: tuple[NameAddr, ...] = ()
    """The registrar's part of `routes` (RFC 3608 §6.1)."""
    path: tuple[NameAddr, ...] = ()
    """The way that requests for the user take (RFC 3327 §5.1); nothing is routed by it here."""
    associated_uris: tuple[NameAddr, ...] = ()
    """Public user identities registered along; the first is the default one (TS 24.229 §5.1.1.2.1)."""
    public_gruu: Uri | None = None
    temporary_gruu: Uri | None = None
    outbound: bool = False
    """Whether the registrar supports outbound (RFC 5626 §4.2.1: `Require: outbound`)."""
    flow_timer: int | None = None
    """Seconds within which the flow wants a keep-alive (RFC 5626 §4.4)."""
    keep_alive: int | None = None
    """The next hop takes keep-alives and wants one within so many seconds (RFC 6223 `keep`); 0 = it names no figure."""

    @property
    def routes(self) -> tuple[NameAddr, ...]:
        """Preloaded Route of every request outside a dialog: the eP-CSCF's URI, and the Service-Route."""
        edge, route = self.edge, self.service_route
        # A registrar without a Service-Route is no S-CSCF, and some of its kind refuse every preloaded Route. An edge
        # proxy that is the registrar names itself in the Service-Route, and is not visited twice.
        if edge is None or not route or _next_hop(route[0].uri) == _next_hop(edge.uri):
            return route
        return (edge, *route)  # TS 24.229 §5.1.2A.1.1

    @property
    def network(self) -> tuple[Uri, ...]:
        """The URIs by which answers of the eP-CSCF and the S-CSCF themselves are known (see `believed_alternative`)."""
        return tuple(address.uri for address in (*self.service_route, *self.path))

    @property
    def implicit_set(self) -> ImplicitSet:
        """The identities that this binding is good for."""
        return ImplicitSet(self.impu, tuple(each.uri for each in self.associated_uris))

    @property
    def identities(self) -> tuple[Uri, ...]:
        """The public user identities that may be used, the default one first."""
        return self.implicit_set.identities

    @property
    def default_identity(self) -> Uri:
        """The default public user identity."""
        return self.implicit_set.default

    @property
    def barred(self) -> bool:
        """Whether the registered identity may be used for nothing but registering."""
        return self.implicit_set.barred

    def preferred_identity(self, wanted: Uri | None = None) -> Uri:
        """Return the identity for P-Preferred-Identity; see `ImplicitSet.preferred`."""
        return self.implicit_set.preferred(wanted)

    @property
    def refresh_after(self) -> float:
        """Seconds from the grant to the next REGISTER (TS 24.229 §5.1.1.4.1)."""
        return max(_SOONEST, self.expires - _EARLY if self.expires > _LONG else self.expires / 2)


def read_binding(
    response: Response, own: NameAddr, *, impu: Uri, asked: int, now: float, edge: NameAddr | None = None
) -> Binding:
    """Read the 200 to a REGISTER.

    Args:
        response: the 200.
        own: the Contact of the REGISTER.
        impu: its To.
        asked: seconds it asked for.
        now: the time.
        edge: URI of the eP-CSCF that it came by, for the routes of requests; None leaves it out.

    Raises:
        RegistrationFailed: it lists the contacts of others only, or grants no time.
    """
    contact = _own_contact(response, own)
    # RFC 3261 §10.2.4: the time that the Contact names counts before that of Expires. All else is there to be used
    # where it can be: the binding exists, and what the registrar says besides in a way that cannot be read is left out.
    granted = contact.expires
    if granted is None:
        granted = response.usable(Response.expires)
    if granted is None:
        granted = _DEFAULT_EXPIRES
    expires = min(granted, asked)  # RFC 3261 §10.3 step 7: a registrar may shorten only
    if expires <= 0:
        raise RegistrationFailed("the registrar granted no time", response=response)
    return Binding(
        contact=contact,
        expires=expires,
        expires_at=now + expires,
        impu=impu,
        edge=edge,
        service_route=_routes(response),  # RFC 3608 §6.1
        path=response.usable(Response.paths),  # RFC 3327 §5.1
        associated_uris=response.usable(Response.associated_uris),  # RFC 7315 §4.1: P-Associated-URI
        public_gruu=_gruu(contact, "pub-gruu"),
        temporary_gruu=_gruu(contact, "temp-gruu"),
        outbound="outbound" in response.usable(Response.require),  # RFC 5626 §4.2.1
        flow_timer=_seconds(response.headers.get("Flow-Timer")) or None,  # RFC 5626 §4.4
        keep_alive=_seconds(response.via.params.get("keep")),  # RFC 6223 §4.3
    )


def _next_hop(uri: Uri) -> tuple[str, int]:
    return uri.host.lower(), port_of(uri)


def _own_contact(response: Response, own: NameAddr) -> NameAddr:
    """Return our contact among the bindings, or as it was sent if the answer does not say how the registrar keeps it."""
    if "Contact" not in response.headers:
        return own  # RFC 3261 §10.3 step 8 has every 200 list the bindings; one that lists none is taken at its word
    try:
        contacts = response.contacts
    except MalformedHeader:  # an entry that cannot be read is passed over, and it may be ours
        return find_own(response.usable(Response.contacts), own) or own
    found = find_own(contacts, own)
    if found is None:
        raise RegistrationFailed("the registrar's answer does not list this contact", response=response)
    return found


def _routes(response: Response) -> tuple[NameAddr, ...]:
    """Return the Service-Route; requests cannot be sent along other URIs than SIP URIs (RFC 3608 §5, RFC 3261 §20.34)."""
    routes = response.usable(Response.service_routes)
    usable = tuple([route for route in routes if route.uri.is_sip])
    if len(usable) < len(routes):
        logger.warning("left out of Service-Route what is no SIP URI")
    return usable


def _gruu(contact: NameAddr, name: str) -> Uri | None:
    text = contact.params.get(name)
    if not text:
        return None
    try:
        uri = Uri.parse(text)
    except MalformedUri as error:
        logger.warning("left out of a 200 to REGISTER what cannot be used: %s: %s", name, masked(str(error)))
        return None
    return uri if uri.is_sip else None  # RFC 5627 §3.1: a SIP or SIPS URI


def _seconds(text: str | None) -> int | None:
    valid = text is not None and text.isascii() and text.isdigit() and len(text) <= 9
    return int(text) if text is not None and valid else None


def same_device(contact: NameAddr, own: NameAddr) -> bool:
    """Tell whether a contact of a 200 is our binding: same instance and reg-id, or the same URI (RFC 5626 §6)."""
    instance = contact.params.get("+sip.instance")
    if instance is not None and instance == own.params.get("+sip.instance"):
        return contact.params.get("reg-id") in (None, own.params.get("reg-id"))
    return contact.uri.matches(own.uri)


def find_own(contacts: Sequence[NameAddr], own: NameAddr) -> NameAddr | None:
    """Return our contact among those of a 200: the one with our reg-id, else one of our device, else None."""
    ours = [contact for contact in contacts if same_device(contact, own)]
    if not ours:
        # OpenSIPS leaves the instance out, and its `fix_nated_contact` puts the address of the connection in place of ours.
        # Several devices of a user look alike then; the time that was granted last is the longest.
        host, port = own.uri.host, own.uri.port
        bare = [contact for contact in contacts if "+sip.instance" not in contact.params]
        rewritten = [contact for contact in bare if contact.uri.replace(host=host, port=port).matches(own.uri)]
        return max(rewritten, key=lambda contact: contact.expires or 0, default=None)
    if len(ours) == 1:
        return ours[0]
    exact = [contact for contact in ours if contact.params.get("reg-id") == own.params.get("reg-id")]
    return next(iter(exact or ours), None)
