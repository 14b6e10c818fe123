"""Which way requests go through the eP-CSCF, and who may send them (TS 24.229 §5.2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.network.epcscf.flow_tokens import Owner
from wic.network.epcscf.passage import Passage, Way
from wic.network.epcscf.registering import Registering
from wic.network.epcscf.sessions import CONNECTION_LOST, LEG, RETURN_PAUSE
from wic.network.epcscf.trust import clean_request_from_wic, clean_response_from_wic, clean_to_wic
from wic.network.epcscf.trusted_node import Refusal
from wic.network.node import LR
from wic.sip.errors import MalformedHeader
from wic.sip.headers.address import NameAddr
from wic.sip.message import Response
from wic.sip.methods import DIALOG_FORMING
from wic.sip.proxy.core import ContextState, ProxyLogic, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wic.network.epcscf.parts import Parts
    from wic.network.epcscf.registering import RegisterHandler
    from wic.network.epcscf.sessions import Sessions
    from wic.network.epcscf.survival import Survival
    from wic.network.epcscf.throttle import Throttle
    from wic.network.epcscf.trusted_node import TrustedNode
    from wic.sip.flow import Flow
    from wic.sip.proxy.core import PassingAck, PassingResponse, ProxyContext
    from wic.sip.uri import Uri

_PAUSE = 5
"""Seconds that a WIC which sends too much is told to wait."""


class EPcscfLogic(ProxyLogic):
    """The decisions of the eP-CSCF."""

    def __init__(
        self,
        parts: Parts,
        w2: Uri,
        survival: Survival,
        registers: RegisterHandler,
        sessions: Sessions,
        throttle: Throttle,
    ) -> None:
        self._parts = parts
        self._w2 = w2
        self._survival = survival
        self._registers = registers
        self._sessions = sessions
        self._throttle = throttle

    def next_hop(self, uri: Uri) -> Flow | None:
        """Return the flow to an element on Mw; a name instead of an address leads to the core."""
        return self._parts.node.flow_to(uri) or self._parts.core

    def record_route(self, context: ProxyContext, target: Target) -> Sequence[str]:
        """Stay in the way of dialogs, once for each side, since the transport changes (RFC 5658 §3.2)."""
        passage = context.owner
        if not isinstance(passage, Passage) or context.in_dialog or context.request.method not in DIALOG_FORMING:
            return ()
        params = LR.with_(LEG, passage.leg) if passage.leg else LR
        params = params.with_("transport", "ws")  # RFC 7118 §5.1: for WSS as well
        w2 = self._w2.replace(user=self._parts.tokens.token(passage.wic), params=params)
        sides = (f"<{w2}>", f"<{self._parts.node.mw.uri()}>")
        return sides if passage.way is Way.TO_WIC else sides[::-1]

    def route(self, context: ProxyContext, *, now: float) -> None:
        """Decide about a request."""
        try:
            if context.flow.transport in ("WS", "WSS"):
                self._from_wic(context, now)
            else:
                self._from_core(context, now)
        except MalformedHeader as error:
            context.reject(400, str(error), now=now)

    # from the WIC

    def _from_wic(self, context: ProxyContext, now: float) -> None:
        if context.in_dialog and context.request.method != "REGISTER":
            self._within_dialog_from_wic(context, now)
        elif not self._throttle.admits(context.flow, now=now):
            # RFC 3261 §21.5.4; what belongs to a dialog is let through, so that calls can end.
            context.reject(503, now=now, headers=[("Retry-After", _PAUSE)])
        elif context.request.method == "REGISTER":
            self._registers.route(context, now=now)
        elif self._parts.trusted is not None and any(
            each.scheme.lower() == "bearer" for each in context.request.auth("Authorization")
        ):
            self._parts.tasks.start(self._with_token(context, self._parts.trusted))
        else:
            self._originate(context, now)

    async def _with_token(self, context: ProxyContext, trusted: TrustedNode) -> None:
        """Take a request that carries a token, if it is one of a user who is registered over the same connection."""
        found = await trusted.check(context.request)
        now = self._parts.node.driver.now
        try:
            if context.state is ContextState.ANSWERED:
                return  # the caller has given up meanwhile
            if isinstance(found, Refusal):
                context.reject(found.status, now=now, headers=found.headers)
            else:
                self._originate(context, now, impi=found.authorization.impi)
        except MalformedHeader as error:
            context.reject(400, str(error), now=now)
        finally:
            self._parts.node.driver.pump()

    def _originate(self, context: ProxyContext, now: float, *, impi: str | None = None) -> None:
        """Take a request outside dialogs (TS 24.229 §5.2.6.3)."""
        request, flow = context.request, context.flow
        preferred = [str(NameAddr.parse(v).uri.aor()) for v in request.headers.values("P-Preferred-Identity")]
        preferred.append(str(request.from_.uri.aor()))
        found = self._parts.associations.identity(flow, preferred[:8], now=now, impi=impi)
        if found is None:
            context.reject(403, "Not Registered", now=now)
            return
        association, identity = found
        clean_request_from_wic(request)
        request.headers.remove("P-Preferred-Identity")
        request.headers.set("P-Asserted-Identity", f"<{identity}>")
        self._parts.charging.mark(request)
        # TS 24.229 §5.2.6.3.3: the preloaded Route has to be the Service-Route of the registration; whatever the
        # WIC wrote is replaced by it.
        request.headers.remove("Route")
        routes = association.service_route
        target = Target(routes=routes) if routes else Target(flow=self._parts.core)
        self._pass(context, Passage(Way.TO_CORE, Owner(flow, association.impi), identity), target, now)

    def _within_dialog_from_wic(self, context: ProxyContext, now: float) -> None:
        """Take a request within a dialog: it has to come by our Record-Route, over the dialog's own connection.

        TS 24.229 §5.2.6.3: the Route values have to be those of the dialog; whatever the WIC wrote is replaced by them.
        """
        wic = self._came_by(context.taken_routes, context.flow)
        if wic is None:
            # RFC 5057 §5.1: a token that leads nowhere is of a dialog that is over, and only 481 says so.
            context.reject(481 if self._is_void(context.taken_routes) else 403, now=now)
            return
        dialog = self._parts.dialogs.find(wic, context.request, Way.TO_CORE, now=now)
        if dialog is None:
            context.reject(481, now=now)
            return
        dialog.confine(context.request)
        dialog.passed(context.request, Way.TO_CORE, now=now)
        clean_request_from_wic(context.request)
        context.request.headers.remove("P-Preferred-Identity")
        leg = self._sessions.find(context.taken_routes, context.flow)
        self._pass(context, Passage(Way.TO_CORE, wic, leg="" if leg is None else leg.id), Target(), now)

    def _came_by(self, taken: tuple[NameAddr, ...], flow: Flow) -> Owner | None:
        """Return whose dialog the topmost of our Record-Route values means, if it is one of this connection."""
        owner = self._parts.tokens.owner(taken[0].uri.user) if taken else None
        return owner if owner is not None and owner.flow == flow else None

    def _is_void(self, taken: tuple[NameAddr, ...]) -> bool:
        """Tell whether the topmost of our Record-Route values leads nowhere: its WIC came back too late, or we did."""
        token = taken[0].uri.user if taken else None
        return token is not None and self._parts.tokens.owner(token) is None

    # from the core

    def _from_core(self, context: ProxyContext, now: float) -> None:
        """Take a request for a WIC: along its Path, or within a dialog by our Record-Route."""
        tokens = [taken.uri.user for taken in context.taken_routes if taken.uri.user]
        if not tokens:
            context.reject(481 if context.in_dialog else 404, now=now)
            return
        wic = self._parts.tokens.owner(tokens[0])
        if wic is not None and context.in_dialog:
            self._take_note(context, wic, now)
        if wic is not None and context.in_dialog and self._survival.is_absent(wic):
            self._sessions.absent(context, self._sessions.find(context.taken_routes, wic.flow), now=now)
        elif wic is None or not (context.in_dialog or self._parts.associations.of(wic.flow, now=now)):
            # RFC 5626 §5.3.1: the connection is gone, which the registrar wants to know.
            context.reject(430, now=now)
        else:
            self._to_wic(context, wic, now)

    def _take_note(self, context: ProxyContext, wic: Owner, now: float) -> None:
        dialog = self._parts.dialogs.find(wic, context.request, Way.TO_WIC, now=now)
        if dialog is not None:
            dialog.passed(context.request, Way.TO_WIC, now=now)

    def _to_wic(self, context: ProxyContext, wic: Owner, now: float) -> None:
        clean_to_wic(context.request)
        target = Target(flow=wic.flow)
        if context.in_dialog:
            leg = self._sessions.find(context.taken_routes, wic.flow)
            self._pass(context, Passage(Way.TO_WIC, wic, leg="" if leg is None else leg.id), target, now)
            return
        impi, identity = self._called(context, wic.flow, now)
        self._pass(context, Passage(Way.TO_WIC, Owner(wic.flow, impi), identity), target, now)

    def _called(self, context: ProxyContext, flow: Flow, now: float) -> tuple[str, str]:
        """Return who is called, by the private and the public identity.

        The latter is to be asserted in the WIC's responses (TS 24.229 §5.2.6.4.3).
        """
        called = context.request.headers.get("P-Called-Party-ID")
        preferred = [] if called is None else [str(NameAddr.parse(called).uri.aor())]
        found = self._parts.associations.identity(flow, preferred, now=now)
        assert found is not None, "somebody is registered over the connection"
        return found[0].impi, found[1]

    # both ways

    def _pass(self, context: ProxyContext, passage: Passage, target: Target, now: float) -> None:
        """Forward a request, after its session description has been taken care of."""
        context.owner = passage
        self._sessions.request(context, passage, target, now=now)

    def response(self, passing: PassingResponse, *, now: float) -> None:
        """Clean a response on its way back, and take care of its session description."""
        owner = passing.context.owner
        if isinstance(owner, Registering):
            self._registers.response(passing, owner, now=now)
        elif isinstance(owner, Passage):
            if self._parts.node.is_open(owner.flow):
                request = passing.context.transaction.request
                self._parts.dialogs.answered(owner, request, passing.response, now=now)
            if owner.way is Way.TO_CORE:
                clean_to_wic(passing.response)
            else:
                self._from_wic_back(passing, owner, now)
            self._sessions.response(passing, owner, now=now)
            return
        passing.release(now=now)

    def _from_wic_back(self, passing: PassingResponse, passage: Passage, now: float) -> None:
        if passing.response.status >= 500 and not self._parts.node.is_open(passage.flow):
            passing.response = self._cut_short(passing.context, passage.wic, now)
        clean_response_from_wic(passing.response, passing.branch, passage.identity)

    def _cut_short(self, context: ProxyContext, wic: Owner, now: float) -> Response:
        """Answer a request under which the connection broke."""
        transaction = context.transaction
        if context.in_dialog and self._survival.may_return(wic, now=now):
            return Response.answer(transaction.request, 500, CONNECTION_LOST, headers=[("Retry-After", RETURN_PAUSE)])
        # RFC 5626 §5.3.1: the registrar wants to know.
        return Response.answer(transaction.request, 430, to_tag=transaction.tag)

    def ack(self, ack: PassingAck, *, now: float) -> None:
        """Pass the ACK of a 2xx; one that did not come by our Record-Route, or is of no dialog, is lost."""
        if ack.flow.transport in ("WS", "WSS"):
            wic = self._came_by(ack.taken_routes, ack.flow)
            dialog = None if wic is None else self._parts.dialogs.find(wic, ack.request, Way.TO_CORE, now=now)
            if dialog is None:
                return
            dialog.confine(ack.request)
            clean_request_from_wic(ack.request)
            self._sessions.ack(ack, ack.flow, Way.TO_CORE, now=now)
            return
        wic = next((found for taken in ack.taken_routes if (found := self._parts.tokens.owner(taken.uri.user))), None)
        if wic is not None and not self._survival.is_absent(wic):
            clean_to_wic(ack.request)
            self._sessions.ack(ack, wic.flow, Way.TO_WIC, now=now)

    def cancelled(self, context: ProxyContext, *, now: float) -> None:
        """Take note that a caller gave up."""
        if isinstance(context.owner, Passage):
            self._sessions.cancelled(context, context.owner)
