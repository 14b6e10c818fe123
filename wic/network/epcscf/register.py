"""REGISTER through the eP-CSCF (TS 24.371 §6.4.1, TS 24.229 §5.2.2).

A REGISTER goes to the core with what the eP-CSCF knows about it: the path back, how its credentials are protected, or in
place of an access token the identities that the token proves. The 200 makes an association, or ends one. Of one identity
only one REGISTER is on its way over a connection.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from math import inf
from typing import TYPE_CHECKING

from wic.network.epcscf.association import AssociatedContact, Association, same_binding
from wic.network.epcscf.mechanism import Mechanism, determine, determine_by_digest, integrity_protected
from wic.network.epcscf.trust import clean_from_wic, digest_credentials, withhold_keys, write_credentials
from wic.network.epcscf.trusted_node import restore_identities
from wic.network.trust_boundary import clean_to_outside
from wic.sip.errors import MalformedHeader
from wic.sip.message import Message, Response
from wic.sip.proxy.core import ContextState, Target

if TYPE_CHECKING:
    from wic.network.epcscf.context import EPcscfContext
    from wic.network.epcscf.flow_recovery import FlowRecovery
    from wic.network.epcscf.trusted_node import ProvenIdentities, TrustedNode
    from wic.network.epcscf.ue import UeIndex, W2Connection
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Request
    from wic.sip.proxy.core import PassingResponse, ProxyContext

_log = logging.getLogger(__name__)

_MAX_ASSOCIATIONS = 256
"""Pairs of a private and a public identity, each registered with its implicit set, over one connection."""
_PAUSE = 5
"""Seconds that a WIC is told to wait whose REGISTER came while another one is pending."""


@dataclass(frozen=True, slots=True)
class ForwardedRegister:
    """Owner of a REGISTER's proxy context: what the response will be compared with."""

    mechanism: Mechanism
    impi: str
    impu: str
    """As the core knows it."""
    wanted: str
    """As the WIC named it."""
    order: int
    """Its number among the REGISTERs that go to the core."""
    remaining: int | None = None
    """Seconds that the WIC's access token had left; None without one."""


class RegisterHandler:
    """Relay of REGISTERs to the core, and of the responses that make and end associations."""

    def __init__(self, context: EPcscfContext, ues: UeIndex, recovery: FlowRecovery) -> None:
        self._context = context
        self._ues = ues
        self._recovery = recovery
        self._orders = count(1)

    # requests

    def route(self, context: ProxyContext, connection: W2Connection, *, now: float) -> None:
        """Prepare a REGISTER of a WIC and forward it.

        Raises:
            MalformedHeader: it cannot be read.
        """
        request = context.request
        _ = request.contacts, request.expires  # what is to be bound has to be known when the 200 comes
        wanted = str(request.to.uri.aor())
        mechanism = determine(request)
        pending = connection.registers.get(wanted)
        if pending is not None and pending.state is not ContextState.ANSWERED:
            # RFC 3261 §10.2 forbids it, and §8.2.2 has no better answer: both would want the same binding.
            _log.info("refused: %s from %s: another REGISTER is pending", wanted, connection.address)
            context.reject(500, "Another REGISTER Is Pending", now=now, headers=[("Retry-After", _PAUSE)])
            return
        for answered in [impu for impu, each in connection.registers.items() if each.state is ContextState.ANSWERED]:
            del connection.registers[answered]
        connection.registers[wanted] = context
        if mechanism is Mechanism.IPSEC:
            _log.info("refused: %s from %s: it asks for IPsec", wanted, connection.address)
            context.reject(403, "No IPsec On W2", now=now)
        elif mechanism is Mechanism.TOKEN and self._context.trusted is not None:
            self._with_token(context, connection, self._context.trusted, wanted)
        else:
            self._with_digest(context, connection, wanted, now)

    def _with_digest(self, context: ProxyContext, connection: W2Connection, impu: str, now: float) -> None:
        """Forward a REGISTER whose credentials the core will check (TS 24.371 §6.4.1.2, §6.4.1.3)."""
        request = context.request
        clean_from_wic(request)
        credentials = digest_credentials(request, self._context.options.domain)
        mechanism = determine_by_digest(credentials)  # of those that go on: the WIC may have sent others, too
        impi = (credentials and credentials.get("username")) or impu
        protection = None
        if context.flow.secure and credentials is not None:  # the clauses are about a TLS session
            known = connection.association(impi, impu, now=now)
            protection = integrity_protected(
                mechanism,
                # A registration by token ends with the token: Digest is not to live on what that has proved.
                associated=known is not None and known.mechanism is Mechanism.DIGEST,
                answered=bool(credentials.get("response")),
                existing=self._context.options.integrity_protected,
            )
        write_credentials(request, credentials, protection)
        self._forward(context, connection, ForwardedRegister(mechanism, impi, impu, impu, next(self._orders)), now)

    def _with_token(self, context: ProxyContext, connection: W2Connection, trusted: TrustedNode, wanted: str) -> None:
        """Forward a REGISTER in the name of its token's holder, or ask for a better token (TS 24.371 §6.4.2)."""

        def proceed(proven: ProvenIdentities, now: float) -> None:
            clean_from_wic(context.request)
            impu, impi = trusted.speak_for(context.request, proven), proven.authorization.impi
            order = next(self._orders)
            forwarded = ForwardedRegister(Mechanism.TOKEN, impi, impu, wanted, order, remaining=proven.remaining)
            self._forward(context, connection, forwarded, now)

        self._context.tasks.start(trusted.admit(context, self._context.node.driver, proceed))

    def _forward(
        self, context: ProxyContext, connection: W2Connection, forwarded: ForwardedRegister, now: float
    ) -> None:
        """Send a REGISTER to the core, with what TS 24.229 §5.2.2 has the P-CSCF add."""
        if _is_one_too_many(connection, forwarded):
            # A registrar may grant any identity that is asked for.
            address = connection.address
            _log.info("refused: %s from %s: too many identities over one connection", forwarded.wanted, address)
            context.reject(403, f"More Than {_MAX_ASSOCIATIONS} Identities", now=now)
            return
        context.owner = forwarded
        request = context.request
        request.headers.remove("Route")
        via = request.via
        if "received" not in via.params:
            # TS 24.371 §6.4.1.2 1 d) and e), §6.4.1.3 b) and c): always, not only where RFC 3261 asks for it.
            request.headers.remove_first("Via")
            request.headers.prepend("Via", via.with_param("received", connection.flow.remote[0]))
        request.headers.prepend("Path", f"<{self._context.path(connection)}>")
        # RFC 3327 §5.2: a registrar that does not understand Path could not reach the WIC.
        if "path" not in request.usable(Message.require):
            request.headers.add("Require", "path")
        if "path" not in request.usable(Message.supported):
            request.headers.add("Supported", "path")
        request.headers.set("P-Visited-Network-ID", f'"{self._context.options.domain}"')
        request.headers.set("P-Charging-Vector", self._context.charging_vector())
        context.forward([Target(flow=self._context.core)], now=now)

    # responses

    def response(self, passing: PassingResponse, forwarded: ForwardedRegister, *, now: float) -> None:
        """Learn from a response and clean it for the WIC."""
        response = passing.response
        connection = self._ues.connection(passing.context.flow)
        clean_to_outside(response)
        withhold_keys(response)
        if response.status >= 200 and connection is not None:
            connection.registers.pop(forwarded.wanted, None)
        if self._context.trusted is not None:
            self._translate(passing, forwarded, self._context.trusted)
        given = passing.response  # what the WIC gets
        if given.status >= 300 and given.status != 401:  # a challenge is no refusal
            address = "a connection that is gone" if connection is None else connection.address
            _log.info("refused: %s from %s: %d %s", forwarded.wanted, address, given.status, given.reason)
        if 200 <= response.status < 300:
            if connection is not None:  # else it is gone: 430 to the next request will tell the core
                self._registered(passing.context.transaction.request, connection, response, forwarded, now)
            self._offer_keep_alive(response)
        elif connection is not None and (pause := response.retry_delay()) is not None:
            self._recovery.told_to_wait(connection, pause, now=now)

    def _translate(self, passing: PassingResponse, forwarded: ForwardedRegister, trusted: TrustedNode) -> None:
        """Let a WIC understand what the core says about a REGISTER, as far as tokens come in."""
        request, response = passing.context.transaction.request, passing.response
        if forwarded.remaining is None:
            if forwarded.mechanism is Mechanism.UNKNOWN and response.status == 401:
                # RFC 8898 §2.1.1: a token would do too. In front, for some clients look at the last challenge only.
                response.headers.prepend("WWW-Authenticate", trusted.challenge())
            return
        restore_identities(response, request)
        if response.status == 401:
            # The core does not believe its trusted node; the WIC could not answer its challenge.
            passing.response = Response.answer(request, 403, to_tag=response.to.tag)
        elif response.status == 423 and (response.usable(Message.min_expires) or 0) > forwarded.remaining:
            # The token ends too soon for any registration: a newer one is wanted.
            refusal = trusted.refusal("invalid_token")
            passing.response = Response.answer(request, refusal.status, to_tag=response.to.tag, headers=refusal.headers)

    def _registered(
        self, request: Request, connection: W2Connection, response: Response, forwarded: ForwardedRegister, now: float
    ) -> None:
        """Create the association of TS 24.371 §6.4.1.2, or remove it with the contacts that are gone (§6A.3)."""
        granted = granted_contacts(request, response)
        if granted:
            # TS 24.371 §6.4.3: it ends with the token, even if the core grants more.
            longest = inf if forwarded.remaining is None else forwarded.remaining
            bound = (
                AssociatedContact(contact, now + min(seconds, longest), forwarded.order) for contact, seconds in granted
            )
            association = Association(
                mechanism=forwarded.mechanism,
                impi=forwarded.impi,
                impu=forwarded.impu,
                impus=_associated(response) or (forwarded.impu,),
                bound=tuple(bound),
                service_route=response.usable(Message.service_routes),
            )
            self._recovery.registered(association, connection, now=now)
        ue = connection.ues.get(forwarded.impi)
        if ue is None:
            return
        # What was named and is not granted is gone; what was not named stays as it was (RFC 3261 §10.2.2).
        kept = [contact for contact, _ in granted]
        refused = [each for each in request.contacts if not any(same_binding(each, other) for other in kept)]
        for association in list(ue.associations.values()):
            if association.holds(forwarded.impu):
                gone = association.contacts if request.contact_is_wildcard else refused
                self._recovery.contacts_removed(ue, association, gone, by="the WIC", now=now)

    def _offer_keep_alive(self, response: Response) -> None:
        """Say how often keep-alives are wanted (RFC 6223 §4.4, RFC 5626 §4.4)."""
        every = self._context.options.flow_timer
        with suppress(MalformedHeader):  # what the core makes of the WIC's own Via is for the WIC to judge
            via = response.via
            if via.params.get("keep") == "":
                response.headers.remove_first("Via")
                response.headers.prepend("Via", via.with_param("keep", str(every)))
        if "outbound" in response.usable(Message.require) and "Flow-Timer" not in response.headers:
            response.headers.add("Flow-Timer", every)


def _is_one_too_many(connection: W2Connection, forwarded: ForwardedRegister) -> bool:
    """Tell whether a REGISTER could make one association more than one connection may have."""
    ue = connection.ues.get(forwarded.impi)
    if ue is not None and any(each.holds(forwarded.impu) for each in ue.associations.values()):
        return False
    owners = [each.owner for each in connection.registers.values() if each.state is not ContextState.ANSWERED]
    pending = {(each.impi, each.impu) for each in owners if isinstance(each, ForwardedRegister)}
    known = {(ue.impi, each.impu) for ue, each in connection.associations}
    return len(known | pending) >= _MAX_ASSOCIATIONS


def _associated(response: Response) -> tuple[str, ...]:
    """Return the identities of P-Associated-URI (RFC 7315 §4.1)."""
    return tuple(str(each.uri.aor()) for each in response.usable(Message.associated_uris))


def granted_contacts(request: Request, response: Response) -> list[tuple[NameAddr, int]]:
    """Return those contacts of a REGISTER that are registered now, each with the seconds for which it is."""
    found = []
    for contact in response.usable(Message.contacts):
        expires = contact.expires if contact.expires is not None else response.usable(Message.expires) or 0
        if expires > 0 and any(same_binding(contact, wanted) for wanted in request.contacts):
            found.append((contact.with_params(contact.params.without("expires")), expires))
    return found
