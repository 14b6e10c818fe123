"""REGISTER through the eP-CSCF (TS 24.371 §6.4.1, TS 24.229 §5.2.2)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.network.epcscf.associations import Association
from wic.network.epcscf.trust import clean_request_from_wic, clean_to_wic, keep_keys, set_integrity_protected
from wic.sip.errors import MalformedHeader
from wic.sip.params import UriParams
from wic.sip.proxy import Target

if TYPE_CHECKING:
    from wic.network.epcscf.associations import Associations
    from wic.network.epcscf.charging import Charging
    from wic.network.epcscf.options import EPcscfOptions
    from wic.network.node import Node
    from wic.sip.flow import Flow
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Request, Response
    from wic.sip.proxy import PassingResponse, ProxyContext

_log = logging.getLogger(__name__)

_OB = UriParams((("lr", None), ("ob", None)))


@dataclass(frozen=True, slots=True)
class Registering:
    """The owner of a REGISTER's context: what the response will be compared with."""

    impi: str
    impu: str


class RegisterHandler:
    """Sends REGISTERs to the core and learns from the answers who is registered."""

    def __init__(
        self, node: Node, associations: Associations, charging: Charging, options: EPcscfOptions, core: Flow
    ) -> None:
        self._node = node
        self._associations = associations
        self._charging = charging
        self._options = options
        self._core = core

    def route(self, context: ProxyContext, *, now: float) -> None:
        """Prepare a REGISTER of a WIC and forward it.

        Raises:
            MalformedHeader: it cannot be read.
        """
        request, flow = context.request, context.flow
        clean_request_from_wic(request)
        request.headers.remove("Route")
        credentials = next((value.params for value in request.auth("Authorization")), None)
        impu = str(request.to.uri.aor())
        impi = (credentials and credentials.get("username")) or impu
        answered = bool(credentials and credentials.get("response"))
        set_integrity_protected(request, self._integrity(flow, impi, impu, answered=answered, now=now))
        _stamp_received(request, flow)
        token = self._associations.token(flow)
        request.headers.prepend("Path", f"<{self._node.mw.uri(token, _OB)}>")
        # RFC 3327 §5.2: the registrar has to understand Path, or nobody will reach the WIC.
        if "path" not in request.require:
            request.headers.add("Require", "path")
        if "path" not in request.supported:
            request.headers.add("Supported", "path")
        request.headers.set("P-Visited-Network-ID", f'"{self._options.domain}"')
        self._charging.mark(request)
        context.owner = Registering(impi, impu)
        context.forward([Target(flow=self._core)], now=now)

    def _integrity(self, flow: Flow, impi: str, impu: str, *, answered: bool, now: float) -> str | None:
        """Return the value of `integrity-protected` (TS 24.371 §6.4.1.2 1 a to c), or None to leave it out."""
        if not flow.secure:
            return None  # the clause is about a pre-established TLS session
        if self._associations.find(flow, impi, impu, now=now) is not None:
            return self._options.integrity_protected
        return "tls-pending" if answered else None

    def response(self, passing: PassingResponse, registering: Registering, *, now: float) -> None:
        """Learn from a response and clean it for the WIC."""
        response = passing.response
        clean_to_wic(response)
        keep_keys(response)
        if 200 <= response.status < 300:
            try:
                self._registered(passing.context, response, registering, now)
            except MalformedHeader as error:
                _log.warning("the 200 to a REGISTER of %s cannot be read: %s", registering.impu, error)

    def _registered(self, context: ProxyContext, response: Response, registering: Registering, now: float) -> None:
        expires = granted_expiry(context.transaction.request, response)
        flow = context.flow
        if expires is None:
            return
        if not expires:
            # TS 24.371 §6A.3, TS 24.229 §5.2.5.1: the binding is gone, and with it the TLS association.
            self._associations.remove(flow, registering.impi)
            return
        impus = tuple(str(each.uri.aor()) for each in response.associated_uris) or (registering.impu,)
        self._associations.store(
            Association(
                flow=flow,
                impi=registering.impi,
                impus=impus,
                service_route=response.service_routes,
                expires_at=now + expires,
            )
        )


def granted_expiry(request: Request, response: Response) -> int | None:
    """Return how long the contacts of a REGISTER are registered, in seconds.

    Returns:
        0 if none of them is registered (any more), None if the REGISTER was only a question.

    Raises:
        MalformedHeader: a Contact cannot be read.
    """
    if not request.contacts and not request.contact_is_wildcard:
        return None
    granted = [
        contact.expires if contact.expires is not None else response.expires or 0
        for contact in response.contacts
        if any(_same_binding(contact, wanted) for wanted in request.contacts)
    ]
    return max(granted, default=0)


def _same_binding(one: NameAddr, other: NameAddr) -> bool:
    if one.uri.matches(other.uri):
        return True
    keys = [(contact.params.get("+sip.instance"), contact.params.get("reg-id")) for contact in (one, other)]
    return keys[0] == keys[1] and None not in keys[0]


def _stamp_received(request: Request, flow: Flow) -> None:
    # TS 24.371 §6.4.1.2 1 d and e: the endpoint has done it where RFC 3261 asks for it; here it is always wanted.
    via = request.via
    if "received" not in via.params:
        request.headers.remove_first("Via")
        request.headers.prepend("Via", via.with_param("received", flow.remote[0]))
