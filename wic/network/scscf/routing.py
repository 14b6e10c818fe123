"""Where the S-CSCF sends requests (TS 24.229 §5.4.3), with the I-CSCF's look at the HSS before it (§5.3.2)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from wic.errors import StorageFailed
from wic.network.hss import StoredBinding
from wic.network.scscf.boundary import Boundary, next_hop
from wic.network.scscf.dialog_marks import DialogMarks
from wic.network.scscf.reg_event import wants_reg_event
from wic.network.scscf.restoration import RESTORATION_BODY, restoration_headers
from wic.sip.errors import MalformedHeader
from wic.sip.headers.address import NameAddr
from wic.sip.message import Response
from wic.sip.methods import DIALOG_FORMING
from wic.sip.proxy.core import PassingResponse, ProxyLogic, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wic.network.hss import Hss
    from wic.network.node import Node
    from wic.network.scscf.boundary import Trust
    from wic.network.scscf.network_deregistration import Removals
    from wic.network.scscf.reg_event import RegEventNotifier
    from wic.network.scscf.registrar import Registrar
    from wic.network.scscf.target_lookup import Callees
    from wic.sip.flow import Flow
    from wic.sip.message import Request
    from wic.sip.proxy.core import PassingAck, ProxyContext
    from wic.sip.uri import Uri

_log = logging.getLogger(__name__)

ORIGINATING = "orig"
"""User part of the Service-Route, which tells the originating case (TS 24.229 §5.4.3.2)."""
_RETRY_AFTER = 10
"""Seconds after which a database may be written again."""


class ScscfLogic(ProxyLogic):
    """The decisions of the S-CSCF.

    Args:
        node: its shell.
        hss: subscribers and bindings.
        registrar: answers REGISTER.
        callees: looks Request-URIs up.
        removals: removes bindings whose flows have failed.
        notifier: tells of registrations.
        domain: the home domain.
        trust: tells flows of this network's eP-CSCFs from others.
        wall_clock: seconds of the epoch, in which bindings end.
    """

    def __init__(
        self,
        node: Node,
        hss: Hss,
        registrar: Registrar,
        callees: Callees,
        removals: Removals,
        notifier: RegEventNotifier,
        *,
        domain: str,
        trust: Trust,
        wall_clock: Callable[[], float],
    ) -> None:
        self._node = node
        self._hss = hss
        self._registrar = registrar
        self._callees = callees
        self._removals = removals
        self._notifier = notifier
        self._domain = domain.lower()
        self._trust = trust
        self._boundary = Boundary(trust, node.flow_to)
        self._marks = DialogMarks(hss.gruu_key(), node.flow_to)
        self._wall_clock = wall_clock

    def next_hop(self, uri: Uri) -> Flow | None:
        """Return the flow to an element on Mw, which is known by its address."""
        return self._node.flow_to(uri)

    def record_route(self, context: ProxyContext, target: Target) -> Sequence[str]:
        """Stay in the way of dialogs (TS 24.229 §5.4.3.2, §5.4.3.3)."""
        if context.in_dialog or context.request.method not in DIALOG_FORMING:
            return ()
        behind = target.routes[0].uri if target.routes else target.uri or next_hop(context.request)
        return (f"<{self._node.mw.uri(self._marks.make(context.request, behind))}>",)

    def rewrite_request(self, context: ProxyContext, request: Request, target: Target) -> None:
        """Keep from elements outside what is the network's own."""
        self._boundary.leave(request, target.flow)

    def ack(self, ack: PassingAck, *, now: float) -> None:
        """Let the ACK of a 2xx pass, if it goes where its dialog goes."""
        if not self._is_within_dialog(ack):
            return
        self._boundary.enter(ack.request, ack.flow)
        self._boundary.leave(ack.request)
        ack.forward(now=now)

    def route(self, context: ProxyContext, *, now: float) -> None:
        """Answer a REGISTER, follow the routes within a dialog, or look the target up."""
        self._boundary.enter(context.request, context.flow)
        try:
            self._route(context, now)
        except MalformedHeader as error:
            context.reject(400, str(error), now=now)
        except StorageFailed as error:
            _log.error("%s", error)
            context.reject(503, headers=[("Retry-After", _RETRY_AFTER)], now=now)

    def _route(self, context: ProxyContext, now: float) -> None:
        request = context.request
        if request.method == "REGISTER":
            self._register(context, now)
        elif context.in_dialog:
            self._follow(context, now)
        elif request.routes:
            # Outside a dialog only we decide about the way: whoever asks for another one wants a relay.
            context.reject(403, now=now)
        elif wants_reg_event(request):
            self._watch(context, now)
        elif any(taken.uri.user == ORIGINATING for taken in context.taken_routes):
            self._originate(context, now)
        elif self._is_home(request.uri) or request.uri.scheme == "tel":
            self._terminate(context, now)
        else:
            # Somebody who is no user of this network asks it to relay elsewhere.
            context.reject(403, "Not Our Domain", now=now)

    def _register(self, context: ProxyContext, now: float) -> None:
        request = context.transaction.request
        if not self._is_home(context.request.uri):
            context.reject(403, "Not Our Domain", now=now)
            return
        response = self._registrar.register(
            request, trusted=self._trust(context.flow), tag=context.transaction.tag, now=self._wall_clock()
        )
        context.respond(response, now=now)

    def _watch(self, context: ProxyContext, now: float) -> None:
        """Let somebody be told of a registration (TS 24.229 §5.4.2.1.1)."""
        watched = self._callees.find(context.request.uri, now=self._wall_clock())
        if watched is None:
            context.reject(404, now=now)
            return
        uris = [NameAddr.parse(value).uri for value in context.request.headers.values("P-Asserted-Identity")]
        self._notifier.subscribe(context, watched.impu, uris, now=now)

    def _follow(self, context: ProxyContext, now: float) -> None:
        """Pass a request on within a dialog of ours."""
        if not context.request.routes and self._is_own(context.request.uri):
            context.reject(481, now=now)
        elif not self._is_within_dialog(context):
            context.reject(403, now=now)
        else:
            context.forward(now=now)

    def _is_within_dialog(self, passing: ProxyContext | PassingAck) -> bool:
        """Tell whether our own Record-Route has led a request here; that of a stranger has to be marked for its way."""
        taken = passing.taken_routes
        return bool(taken) and (self._trust(passing.flow) or self._marks.fit(taken, passing.request))

    def _originate(self, context: ProxyContext, now: float) -> None:
        """Serve the caller, then the called one: both in this hop, since one S-CSCF serves all (§5.4.3.2)."""
        registered = self._is_registered(context)
        if registered is None:
            context.reject(403, "Not Registered", now=now)
        elif not registered:
            # TS 24.229 §5.4.3.2, TS 23.380 §4.4: its eP-CSCF takes it for registered, so we have lost it.
            headers = restoration_headers(self._node.mw.uri(ORIGINATING))
            context.reject(504, "Registration Lost", headers=headers, body=RESTORATION_BODY, now=now)
        elif self._is_home(context.request.uri) or context.request.uri.scheme == "tel":
            self._terminate(context, now)
        elif self._node.flow_to(context.request.uri) is not None:
            context.forward(now=now)
        else:
            context.reject(404, "No Route To Domain", now=now)

    def _is_registered(self, context: ProxyContext) -> bool | None:
        """Tell whether who calls is registered, by the identity that a trusted eP-CSCF asserted: others' are removed.

        Returns:
            None if nobody may call by that identity: it is not asserted, not known or barred.
        """
        now = self._wall_clock()
        known = None
        for value in context.request.headers.values("P-Asserted-Identity"):
            impu = str(NameAddr.parse(value).uri.aor())
            for holder in self._hss.holders(impu):
                identity = holder.identity(impu)
                if identity is None or identity.barred:
                    continue
                known = False
                if self._hss.bindings(holder.impi, registration_set=identity.registration_set, now=now):
                    return True
        return known

    def _terminate(self, context: ProxyContext, now: float) -> None:
        callee = self._callees.find(context.request.uri, now=self._wall_clock())
        if callee is None:
            context.reject(404, now=now)
        elif not callee.bindings:
            context.reject(480, now=now)
        else:
            # TS 24.229 §5.4.3.3: the called identity is kept, as the Request-URI gives way to the contact.
            context.request.headers.set("P-Called-Party-ID", f"<{callee.impu}>")
            context.forward([_target(binding) for binding in callee.bindings], now=now)

    def response(self, passing: PassingResponse, *, now: float) -> None:
        """Clean a response, and remove bindings whose flows have failed (RFC 5626 §5.3, §6)."""
        self._boundary.pass_back(passing)
        if passing.response.status >= 200:
            failed = [branch for branch in passing.context.branches if branch.final and branch.final.status == 430]
            for branch in failed:
                if isinstance(branch.target.owner, StoredBinding):
                    self._flow_failed(branch.target.owner)
            if passing.response.status == 430:
                request, tag = passing.context.transaction.request, passing.context.transaction.tag
                passing.response = Response.answer(request, 480, to_tag=tag)
        passing.release(now=now)

    def _flow_failed(self, binding: StoredBinding) -> None:
        try:
            self._removals.flow_failed(binding, now=self._wall_clock())
        except StorageFailed as error:
            _log.error("a binding stays whose flow has failed: %s", error)

    def _is_home(self, uri: Uri) -> bool:
        return uri.is_sip and (uri.host.lower() == self._domain or self._is_own(uri))

    def _is_own(self, uri: Uri) -> bool:
        return uri.host == self._node.mw.host and uri.port == self._node.mw.port


def _target(binding: StoredBinding) -> Target:
    """Return the way to a binding: along its Path to its contact (RFC 3327 §5.4)."""
    contact = NameAddr.parse(binding.contact)
    routes = tuple(NameAddr.parse(path) for path in binding.path)
    return Target(uri=contact.uri, routes=routes, q=contact.q, owner=binding)
