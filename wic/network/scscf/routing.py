"""Routing at the S-CSCF (TS 24.229 §5.4.3), with the I-CSCF's query of the HSS before it (§5.3.2).

One S-CSCF serves all users of the domain, so that a request of one user to another is served for both in one hop. It
is a stateful proxy without dialogs: what it needs to know of one later, it writes into its Record-Route.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from wic.errors import StorageFailed
from wic.network.hss import StoredBinding, identities_of
from wic.network.peers import RefusalLog, is_name
from wic.network.scscf.reg_event import wants_reg_event
from wic.network.scscf.registrar import CrowdedRegistration
from wic.network.scscf.trust import DialogMarks, TrustBoundary, next_hop
from wic.sip.errors import MalformedHeader
from wic.sip.headers.address import NameAddr
from wic.sip.ims3gpp import IMS_3GPP, AlternativeService
from wic.sip.message import Response
from wic.sip.methods import DIALOG_FORMING
from wic.sip.proxy.core import PassingResponse, ProxyLogic, Target
from wic.sip.routing import port_of
from wic.sip.uri import bracketed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wic.network.hss import Hss
    from wic.network.node import Node
    from wic.network.scscf.assertions import Assertions
    from wic.network.scscf.flow_probe import FlowProbe
    from wic.network.scscf.location_service import LocationService
    from wic.network.scscf.reg_event import RegEventNotifier
    from wic.network.scscf.registrar import Registrar
    from wic.network.scscf.target_lookup import TargetLookup
    from wic.network.scscf.trust import Trust
    from wic.sip.flow import Flow
    from wic.sip.message import Request
    from wic.sip.proxy.core import PassingAck, ProxyContext
    from wic.sip.uri import Uri

_log = logging.getLogger(__name__)

ORIGINATING = "orig"
"""User part of the Service-Route, which marks the originating case (TS 24.229 §5.4.3.2)."""
_STORAGE_PAUSE = 10
"""Seconds of the Retry-After while the database cannot be written."""
_RESTORATION = AlternativeService("restoration", "initial-registration").to_xml()
"""Asks the UE to register initially (TS 24.229 §7.6)."""


class ScscfLogic(ProxyLogic):
    """Routing decisions of the S-CSCF."""

    def __init__(
        self,
        node: Node,
        hss: Hss,
        registrar: Registrar,
        targets: TargetLookup,
        location_service: LocationService,
        notifier: RegEventNotifier,
        domain: str,
        trust: Trust,
        probe: FlowProbe,
        wall_clock: Callable[[], float],
        assertions: Assertions,
    ) -> None:
        self._node = node
        self._hss = hss
        self._registrar = registrar
        self._targets = targets
        self._location_service = location_service
        self._notifier = notifier
        self._domain = domain.lower()
        self._trust = trust
        self._probe = probe
        self._boundary = TrustBoundary(trust, node.flow_to)
        self._marks = DialogMarks(hss.gruu_key(), node.flow_to)
        self._wall_clock = wall_clock  # seconds of the epoch, in which bindings end
        self._refusals = RefusalLog()
        self._assertions = assertions

    # Requests

    def route(self, context: ProxyContext, *, now: float) -> None:
        """Answer a REGISTER or a SUBSCRIBE to registration state, follow a dialog, or look the target up."""
        self._boundary.enter(context.request, context.flow)
        try:
            self._route(context, now)
        except MalformedHeader as error:
            context.reject(400, str(error), now=now)
        except StorageFailed as error:
            self._not_stored(context, error, now)

    def _route(self, context: ProxyContext, now: float) -> None:
        request = context.request
        if request.method == "REGISTER":
            self._register(context, now)
        elif context.in_dialog:
            self._follow_dialog(context, now)
        elif request.routes:
            # Outside a dialog the S-CSCF decides on the way: a request with another Route takes it for a relay.
            context.reject(403, now=now)
        elif (back := self._lost_way_back(request)) is not None:
            self._refuse_destination(context, back, 403, now)
        elif wants_reg_event(request):
            self._subscribe(context, now)
        elif any(taken.uri.user == ORIGINATING for taken in context.taken_routes):
            self._originate(context, now)
        elif self._is_home(request.uri) or request.uri.scheme == "tel":
            self._terminate(context, now)
        else:
            # A request from outside to elsewhere: the S-CSCF is no relay.
            context.reject(403, "Not Our Domain", now=now)

    def is_recipient(self, request: Request) -> bool:
        """Tell whether a request is for the registrar or the notifier of the S-CSCF."""
        is_own = request.method == "REGISTER" or (wants_reg_event(request) and not request.routes)
        return is_own and self._is_home(request.uri)

    def _register(self, context: ProxyContext, now: float) -> None:
        request = context.transaction.request
        if not self._is_home(context.request.uri):
            context.reject(403, "Not Our Domain", now=now)
            return
        answer = self._registrar.register(
            request, trusted=self._trust(context.flow), tag=context.transaction.tag, now=self._wall_clock()
        )
        if isinstance(answer, CrowdedRegistration):
            self._probe.ask(answer.others, partial(self._make_room, context, answer), now=now)
        else:
            context.respond(answer, now=now)

    def _make_room(
        self, context: ProxyContext, crowded: CrowdedRegistration, gone: Sequence[StoredBinding], now: float
    ) -> None:
        """Answer a REGISTER once it is known which bindings lead to no UE any more."""
        try:
            response = self._registrar.make_room(crowded, gone, now=self._wall_clock())
        except StorageFailed as error:
            self._not_stored(context, error, now)
        else:
            context.respond(response, now=now)

    def _not_stored(self, context: ProxyContext, error: StorageFailed, now: float) -> None:
        # RFC 3261 §21.5.4: for a while.
        _log.error("%s", error)
        context.reject(503, headers=[("Retry-After", _STORAGE_PAUSE)], now=now)

    def _subscribe(self, context: ProxyContext, now: float) -> None:
        """Pass a SUBSCRIBE to registration state to the notifier (TS 24.229 §5.4.2.1.1)."""
        watched = self._targets.find(context.request.uri, now=self._wall_clock())
        if watched is None:
            context.reject(404, now=now)
            return
        asserted = [NameAddr.parse(value).uri for value in context.request.headers.values("P-Asserted-Identity")]
        self._notifier.subscribe(context, watched.impu, asserted, now=now)

    def _follow_dialog(self, context: ProxyContext, now: float) -> None:
        if not self._is_within_dialog(context):
            context.reject(403, now=now)
        elif self._node.flow_to(hop := next_hop(context.request)) is None:
            # RFC 5057 §5.1: a 403 ends no dialog, as a 404 does.
            self._refuse_destination(context, hop, 403, now)
        else:
            context.forward(now=now)

    def _lost_way_back(self, request: Request) -> Uri | None:
        """Return the URI that requests of the called one would go to, if they may not go there."""
        if request.method not in DIALOG_FORMING:
            return None
        before = request.record_routes or request.contacts
        return before[0].uri if before and self._node.flow_to(before[0].uri) is None else None

    def _refuse_destination(self, context: ProxyContext, uri: Uri, status: int, now: float) -> None:
        """Refuse a request that leads, or whose dialog would lead, to what is neither of this network nor a peer."""
        self._refusals.refused(context.request.method, uri, now=now)
        context.reject(status, "No Route To Domain" if status == 404 else "Destination Not Allowed", now=now)

    def _is_within_dialog(self, passing: ProxyContext | PassingAck) -> bool:
        """Tell whether our own Record-Route has led a request here; from outside it has to be marked for its next hop."""
        taken = passing.taken_routes
        return bool(taken) and (self._trust(passing.flow) or self._marks.fit(taken, passing.request))

    def _originate(self, context: ProxyContext, now: float) -> None:
        """Serve the calling user; a called user of this domain is served in the same hop (TS 24.229 §5.4.3.2)."""
        registered = self._caller_is_registered(context)
        if registered is None:
            context.reject(403, "Not Registered", now=now)
        elif not registered:
            # TS 24.229 §5.4.3.2, TS 23.380 §4.4: its eP-CSCF takes it for registered, so the S-CSCF has lost it.
            # §5.1.2A.1.6: the UE believes a 504 only from a URI of its Service-Route.
            asserted = f"<{self._node.mw.uri(ORIGINATING)}>"
            headers = [("P-Asserted-Identity", asserted), ("Content-Type", IMS_3GPP)]
            context.reject(504, "Registration Lost", headers=headers, body=_RESTORATION, now=now)
        else:
            self._assertions.add_number(context.request)
            self._assertions.assert_service(context.request)
            uri = context.request.uri
            if self._is_home(uri) or uri.scheme == "tel":
                self._terminate(context, now)
            elif self._node.destinations.lead_out(uri):
                context.forward(now=now)
            else:
                # RFC 3261 §21.4.5: 404 for a domain that is not handled; an address is known, and not allowed (§21.4.4).
                self._refuse_destination(context, uri, 404 if not uri.is_sip or is_name(uri) else 403, now)

    def _caller_is_registered(self, context: ProxyContext) -> bool | None:
        """Tell whether the caller is registered, by the identity that a trusted eP-CSCF has asserted.

        Returns:
            None if no identity is asserted, or it is unknown or barred.
        """
        now = self._wall_clock()
        known = None
        for value in context.request.headers.values("P-Asserted-Identity"):
            names = identities_of(NameAddr.parse(value).uri, self._domain)
            for name, holder in ((each, holder) for each in names for holder in self._hss.holders(each)):
                identity = holder.identity(name)
                if identity is None or identity.barred:
                    continue
                # Known, and not registered unless one of its subscribers has a binding.
                known = False
                if self._hss.bindings(holder.impi, registration_set=identity.registration_set, now=now):
                    return True
        return known

    def _terminate(self, context: ProxyContext, now: float) -> None:
        """Serve the called user: fork to its bindings (TS 24.229 §5.4.3.3)."""
        called = self._targets.find(context.request.uri, now=self._wall_clock())
        if called is None:
            context.reject(404, now=now)
        elif not called.bindings:
            context.reject(480, now=now)
        elif context.request.uri.secure:
            # RFC 5630 §5.3: a SIPS URI is never served as if it were a SIP URI, and Mw has no TLS to a contact.
            warning = f'380 {bracketed(self._node.mw.host)}:{self._node.mw.port} "SIPS Not Allowed"'
            context.reject(480, headers=[("Warning", warning)], now=now)
        else:
            # TS 24.229 §5.4.3.3: the called identity is kept, as the Request-URI gives way to the contact.
            context.request.headers.set("P-Called-Party-ID", f"<{called.impu}>")
            # Of a UE whose contact nothing may go to nothing is heard either: 480, if there is no other.
            targets = [target for target in map(_target, called.bindings) if self._may_reach(target)]
            context.forward(targets, now=now)

    def _may_reach(self, target: Target) -> bool:
        hop = target.routes[0].uri if target.routes else target.uri
        return hop is not None and self._node.flow_to(hop) is not None

    def ack(self, ack: PassingAck, *, now: float) -> None:
        """Forward the ACK of a 2xx, if it goes where its dialog goes."""
        # An ACK has no response: one that leads elsewhere is dropped.
        if not self._is_within_dialog(ack):
            return
        self._boundary.enter(ack.request, ack.flow)
        self._boundary.leave(ack.request)
        ack.forward(now=now)

    # Forwarding

    def next_hop(self, uri: Uri) -> Flow | None:
        """Return the flow to an element of this network, or to a peer."""
        return self._node.flow_to(uri)

    def record_route(self, context: ProxyContext, target: Target) -> Sequence[str]:
        """Stay on the path of dialogs (TS 24.229 §5.4.3.2, §5.4.3.3)."""
        if context.in_dialog or context.request.method not in DIALOG_FORMING:
            return ()
        # The mark covers the next hop: that of the Path, of the target, or of the request as it is.
        behind = target.routes[0].uri if target.routes else target.uri or next_hop(context.request)
        return (f"<{self._node.mw.uri(self._marks.make(context.request, behind))}>",)

    def rewrite_request(self, context: ProxyContext, request: Request, target: Target) -> None:
        """Remove the network's own header fields from a request that leaves the trust domain."""
        self._boundary.leave(request, target.flow)

    # Responses

    def response(self, passing: PassingResponse, *, now: float) -> None:
        """Clean a response, and end the bindings whose flows have failed (RFC 5626 §7)."""
        self._boundary.pass_back(passing)
        self._add_number_of_called(passing)
        if passing.response.status >= 200:
            for branch in passing.context.branches:
                if branch.final and branch.final.status == 430 and isinstance(branch.target.owner, StoredBinding):
                    self._flow_failed(branch.target.owner)
            if passing.response.status == 430:
                # RFC 5626 §11.5: 430 is for the registrar only; the caller gets 480.
                request, tag = passing.context.transaction.request, passing.context.transaction.tag
                passing.response = Response.answer(request, 480, to_tag=tag)
        passing.release(now=now)

    def _add_number_of_called(self, passing: PassingResponse) -> None:
        """Add the number of a called user of this domain, who is asserted by the eP-CSCF."""
        branch = passing.branch
        if branch is None or not isinstance(branch.target.owner, StoredBinding):
            return
        try:
            self._assertions.add_number(passing.response)
        except MalformedHeader as error:
            _log.info("an asserted identity in a response cannot be read: %s", error)

    def _flow_failed(self, binding: StoredBinding) -> None:
        try:
            self._location_service.flow_failed(binding, now=self._wall_clock())
        except StorageFailed as error:
            _log.error("a binding stays whose flow has failed: %s", error)

    def _is_home(self, uri: Uri) -> bool:
        return uri.is_sip and (uri.host.lower().removesuffix(".") == self._domain or self._is_own(uri))

    def _is_own(self, uri: Uri) -> bool:
        return uri.host == self._node.mw.host and port_of(uri) == self._node.mw.port


def _target(binding: StoredBinding) -> Target:
    """Return the way to a binding: along its Path to its contact (RFC 3327 §5.4)."""
    contact = NameAddr.parse(binding.contact)
    routes = tuple(NameAddr.parse(path) for path in binding.path)
    return Target(uri=contact.uri, routes=routes, q=contact.q, owner=binding)
