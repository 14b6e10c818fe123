"""REGISTER through the eP-CSCF (TS 24.371 §6.4.1, TS 24.229 §5.2.2)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.network.epcscf.associations import Association, same_binding
from wic.network.epcscf.mechanism import Mechanism, determine, determine_by_digest, integrity_protected
from wic.network.epcscf.trust import (
    clean_request_from_wic,
    clean_to_wic,
    digest_credentials,
    withhold_keys,
    write_credentials,
)
from wic.network.epcscf.trusted_node import Refusal, restore_identities
from wic.sip.errors import MalformedHeader
from wic.sip.message import Response
from wic.sip.proxy.core import ContextState, Target

if TYPE_CHECKING:
    from wic.network.epcscf.parts import Parts
    from wic.network.epcscf.survival import Survival
    from wic.network.epcscf.trusted_node import TrustedNode
    from wic.sip.flow import Flow
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Request
    from wic.sip.params import Params
    from wic.sip.proxy.core import PassingResponse, ProxyContext

_log = logging.getLogger(__name__)

_PAUSE = 5
"""Seconds that a WIC is told to wait whose REGISTER came while another one is pending."""


@dataclass(frozen=True, slots=True)
class Registering:
    """The owner of a REGISTER's context: what the response will be compared with."""

    mechanism: Mechanism
    impi: str
    impu: str
    """As the core knows it."""
    wanted: str
    """As the WIC named it."""
    remaining: int | None = None
    """Seconds that the WIC's access token had left; None without one."""


class RegisterHandler:
    """Sends REGISTERs to the core and learns from the answers who is registered."""

    def __init__(self, parts: Parts, survival: Survival) -> None:
        self._parts = parts
        self._survival = survival
        self._pending: dict[Flow, dict[str, ProxyContext]] = {}

    def route(self, context: ProxyContext, *, now: float) -> None:
        """Prepare a REGISTER of a WIC and forward it.

        Raises:
            MalformedHeader: it cannot be read.
        """
        request = context.request
        impu = str(request.to.uri.aor())
        mechanism = determine(request)
        if self._is_pending(context, impu):
            # RFC 3261 §10.2 forbids it, and §8.2.2 has no better answer: both would want the same binding.
            context.reject(500, "Another REGISTER Is Pending", now=now, headers=[("Retry-After", _PAUSE)])
        elif mechanism is Mechanism.IPSEC:
            context.reject(403, "No IPsec On W2", now=now)
        elif mechanism is Mechanism.TOKEN and self._parts.trusted is not None:
            self._parts.tasks.start(self._with_token(context, self._parts.trusted, impu))
        else:
            clean_request_from_wic(request)
            self._with_digest(context, impu, now)

    def flow_closed(self, flow: Flow) -> None:
        """Forget a connection that is gone."""
        self._pending.pop(flow, None)

    def _is_pending(self, context: ProxyContext, impu: str) -> bool:
        """Tell whether another REGISTER for this identity is on its way; if not, this one is from now on."""
        pending = self._pending.setdefault(context.flow, {})
        if impu in pending and pending[impu].state is not ContextState.ANSWERED:
            return True
        for answered in [each for each in pending if pending[each].state is ContextState.ANSWERED]:
            del pending[answered]
        pending[impu] = context
        return False

    # requests

    def _with_digest(self, context: ProxyContext, impu: str, now: float) -> None:
        """Forward a REGISTER whose credentials the core will check (TS 24.371 §6.4.1.2, §6.4.1.3)."""
        request, flow = context.request, context.flow
        credentials = digest_credentials(request, self._parts.options.domain)
        mechanism = determine_by_digest(credentials)  # of those that go on: the WIC may have sent others, too
        impi = (credentials and credentials.get("username")) or impu
        write_credentials(request, credentials, self._protection(mechanism, flow, impi, impu, credentials, now))
        context.owner = Registering(mechanism, impi, impu, impu)
        self._forward(context, now)

    def _protection(
        self, mechanism: Mechanism, flow: Flow, impi: str, impu: str, credentials: Params | None, now: float
    ) -> str | None:
        if not flow.secure or credentials is None:
            return None  # the clauses are about a TLS session that was there before
        known = self._parts.associations.find(flow, impi, impu, now=now)
        return integrity_protected(
            mechanism,
            # What another mechanism has proved is not for Digest to live on: a token's registration ends with it.
            associated=known is not None and known.mechanism is Mechanism.DIGEST,
            answered=bool(credentials.get("response")),
            existing=self._parts.options.integrity_protected,
        )

    async def _with_token(self, context: ProxyContext, trusted: TrustedNode, wanted: str) -> None:
        """Forward a REGISTER in the name of its token's holder, or ask for a better token (TS 24.371 §6.4.2)."""
        found = await trusted.check(context.request)
        now = self._parts.node.driver.now
        try:
            if context.state is ContextState.ANSWERED:
                return  # the connection has gone meanwhile
            if isinstance(found, Refusal):
                context.reject(found.status, now=now, headers=found.headers)
                return
            clean_request_from_wic(context.request)
            impu = trusted.speak_for(context.request, found)
            context.owner = Registering(
                Mechanism.TOKEN, found.authorization.impi, impu, wanted, remaining=found.remaining
            )
            self._forward(context, now)
        except MalformedHeader as error:
            context.reject(400, str(error), now=now)
        finally:
            self._parts.node.driver.pump()

    def _forward(self, context: ProxyContext, now: float) -> None:
        """Send a REGISTER to the core, with what TS 24.229 §5.2.2 has the P-CSCF add."""
        request, flow = context.request, context.flow
        request.headers.remove("Route")
        _stamp_received(request, flow)
        request.headers.prepend("Path", f"<{self._parts.path(flow)}>")
        # RFC 3327 §5.2: the registrar has to understand Path, or nobody will reach the WIC.
        if "path" not in request.require:
            request.headers.add("Require", "path")
        if "path" not in request.supported:
            request.headers.add("Supported", "path")
        request.headers.set("P-Visited-Network-ID", f'"{self._parts.options.domain}"')
        self._parts.charging.mark(request)
        context.forward([Target(flow=self._parts.core)], now=now)

    # responses

    def response(self, passing: PassingResponse, registering: Registering, *, now: float) -> None:
        """Learn from a response and clean it for the WIC."""
        response = passing.response
        clean_to_wic(response)
        withhold_keys(response)
        if response.status >= 200:
            self._pending.get(passing.context.flow, {}).pop(registering.wanted, None)
        if self._parts.trusted is not None:
            self._translate(passing, registering, self._parts.trusted)
        if 200 <= response.status < 300:
            try:
                self._registered(passing.context, response, registering, now)
                self._offer_keep_alive(response)
            except MalformedHeader as error:
                _log.warning("the 200 to a REGISTER of %s cannot be read: %s", registering.impu, error)
        elif (pause := response.retry_delay()) is not None:
            self._survival.told_to_wait(passing.context.flow, pause, now=now)

    def _translate(self, passing: PassingResponse, registering: Registering, trusted: TrustedNode) -> None:
        """Let a WIC understand what the core says about a REGISTER, as far as tokens come in."""
        request, response = passing.context.transaction.request, passing.response
        if registering.remaining is None:
            if registering.mechanism is Mechanism.UNKNOWN and response.status == 401:
                # RFC 8898 §2.1.1: a token would do too. In front, for some clients look at the last challenge only.
                response.headers.prepend("WWW-Authenticate", trusted.challenge())
            return
        restore_identities(response, request)
        if response.status == 401:
            # The core does not believe its trusted node; the WIC could not answer its challenge.
            passing.response = Response.answer(request, 403, to_tag=response.to.tag)
        elif response.status == 423 and (response.min_expires or 0) > registering.remaining:
            # The token ends too soon for any registration: a newer one is wanted.
            refusal = trusted.refusal("invalid_token")
            passing.response = Response.answer(request, refusal.status, to_tag=response.to.tag, headers=refusal.headers)

    def _registered(self, context: ProxyContext, response: Response, registering: Registering, now: float) -> None:
        """Create the association of §6.4.1.2, or remove it with the contacts that are gone (§6A.3)."""
        request, flow = context.transaction.request, context.flow
        if not self._parts.node.is_open(flow):
            return  # it was registered for a connection that has gone meanwhile; 430 will tell the core
        granted = granted_contacts(request, response)
        if granted:
            expires = max(seconds for _, seconds in granted)
            if registering.remaining is not None:
                expires = min(expires, registering.remaining)  # §6.4.3: it ends with the token, whatever the core says
            self._survival.registered(
                Association(
                    flow=flow,
                    mechanism=registering.mechanism,
                    impi=registering.impi,
                    impu=registering.impu,
                    impus=tuple(str(each.uri.aor()) for each in response.associated_uris) or (registering.impu,),
                    contacts=tuple(contact for contact, _ in granted),
                    service_route=response.service_routes,
                    expires_at=now + expires,
                ),
                now=now,
            )
            return
        for association in self._parts.associations.over(flow, registering.impi):
            if association.holds(registering.impu) and _is_removed(association, request):
                self._survival.removed(association, now=now)

    def _offer_keep_alive(self, response: Response) -> None:
        """Say how often keep-alives are wanted (RFC 6223 §4.4, RFC 5626 §4.4)."""
        every = self._parts.options.flow_timer
        via = response.via
        if via.params.get("keep") == "":
            response.headers.remove_first("Via")
            response.headers.prepend("Via", via.with_param("keep", str(every)))
        if "outbound" in response.require and "Flow-Timer" not in response.headers:
            response.headers.add("Flow-Timer", every)


def granted_contacts(request: Request, response: Response) -> list[tuple[NameAddr, int]]:
    """Return those contacts of a REGISTER that are registered now, each with the seconds for which it is.

    Raises:
        MalformedHeader: a Contact cannot be read.
    """
    found = []
    for contact in response.contacts:
        expires = contact.expires if contact.expires is not None else response.expires or 0
        if expires > 0 and any(same_binding(contact, wanted) for wanted in request.contacts):
            found.append((contact.with_params(contact.params.without("expires")), expires))
    return found


def _is_removed(association: Association, request: Request) -> bool:
    """Tell whether an accepted REGISTER, by which nothing is registered, has ended an association."""
    if request.contact_is_wildcard:
        return True
    return all(any(same_binding(own, gone) for gone in request.contacts) for own in association.contacts)


def _stamp_received(request: Request, flow: Flow) -> None:
    # TS 24.371 §6.4.1.2 1 d) and e), §6.4.1.3 b) and c): the endpoint has done it where RFC 3261 asks for it; here
    # `received` is always wanted.
    via = request.via
    if "received" not in via.params:
        request.headers.remove_first("Via")
        request.headers.prepend("Via", via.with_param("received", flow.remote[0]))
