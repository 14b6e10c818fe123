"""Routing at the eP-CSCF: who may send a request, and its next hop (TS 24.229 §5.2.6).

    over a WebSocket: REGISTER       -> RegisterHandler
                      outside dialog -> identity asserted, Service-Route of the registration
                      within dialog  -> by our Record-Route only, where the dialog goes
    over Mw:          outside dialog -> by the token in Path, to the connection
                      within dialog  -> by the token in our Record-Route, to the UE wherever it is now

The WIC chooses neither its identity nor its route: each is replaced by what the registration or the dialog says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.network.epcscf.call_legs import CONNECTION_LOST, RETURN_PAUSE
from wic.network.epcscf.context import RequestContext
from wic.network.epcscf.leg import LEG_PARAM
from wic.network.epcscf.register import ForwardedRegister
from wic.network.epcscf.screening import is_emergency, screen
from wic.network.epcscf.tables import UeState
from wic.network.epcscf.trust import (
    assert_identities,
    clean_from_wic,
    clean_response_from_wic,
    has_token,
    identities_in,
)
from wic.network.node import LR
from wic.network.trust_boundary import clean_to_outside
from wic.sdp.body import remove_sdp
from wic.sdp.line_map import Side
from wic.sip.errors import MalformedHeader
from wic.sip.headers.address import NameAddr
from wic.sip.ims3gpp import IMS_3GPP, AlternativeService
from wic.sip.message import Response
from wic.sip.methods import DIALOG_FORMING, TARGET_REFRESH
from wic.sip.proxy.core import ProxyLogic, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wic.network.epcscf.call_legs import CallLegs
    from wic.network.epcscf.context import EPcscfContext
    from wic.network.epcscf.flow_recovery import FlowRecovery
    from wic.network.epcscf.register import RegisterHandler
    from wic.network.epcscf.trusted_node import ProvenIdentities
    from wic.network.epcscf.ue import RegisteredUe, UeIndex, W2Connection
    from wic.sip.flow import Flow
    from wic.sip.proxy.core import PassingAck, PassingResponse, ProxyContext
    from wic.sip.uri import Uri

_NO_EMERGENCY_CALLS = AlternativeService("emergency", reason="Make emergency calls by a telephone").to_xml()
_PAUSE = 5
"""Seconds that a WIC which sends too much is told to wait."""


class EPcscfLogic(ProxyLogic):
    """Decisions of the eP-CSCF about the requests and responses that pass."""

    def __init__(
        self,
        context: EPcscfContext,
        ues: UeIndex,
        legs: CallLegs,
        registers: RegisterHandler,
        recovery: FlowRecovery,
        w2: Uri,
    ) -> None:
        self._context = context
        self._ues = ues
        self._legs = legs
        self._registers = registers
        self._recovery = recovery
        self._w2 = w2  # the address towards the WICs, as it stands in Record-Route

    def next_hop(self, uri: Uri) -> Flow | None:
        """Return the flow to an element on Mw; a name instead of an address leads to the core."""
        return self._context.node.flow_to(uri) or self._context.core

    def record_route(self, context: ProxyContext, target: Target) -> Sequence[str]:
        """Stay in the way of dialogs, once for each side, since the transport changes (RFC 5658 §5)."""
        owner = context.owner
        if context.in_dialog or context.request.method not in DIALOG_FORMING:
            return ()
        if not isinstance(owner, RequestContext) or owner.ue is None:
            return ()
        params = LR.with_(LEG_PARAM, owner.leg_id) if owner.leg_id else LR
        params = params.with_("transport", "ws")  # RFC 7118 §5.2: for WSS as well
        w2 = self._w2.replace(user=self._ues.token(owner.ue), params=params)
        sides = (f"<{w2}>", f"<{self._context.node.mw.uri()}>")
        return sides if owner.origin is Side.MW else sides[::-1]

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
        connection = self._ues.connection(context.flow)
        if connection is None:
            context.reject(403, "Not Registered", now=now)  # it has closed, with all that was registered over it
            return
        request, trusted = context.request, self._context.trusted
        if context.in_dialog and request.method != "REGISTER":
            self._within_dialog_from_wic(context, connection, now)
        elif not connection.allowance.admit(now=now):
            # RFC 3261 §21.5.4; what belongs to a dialog is let through, so that calls can end.
            context.reject(503, now=now, headers=[("Retry-After", _PAUSE)])
        elif request.method == "REGISTER":
            self._registers.route(context, connection, now=now)
        elif self._screened(context, now):
            pass
        elif trusted is not None and has_token(request):

            def proceed(proven: ProvenIdentities, now: float) -> None:
                # Its holder has to be registered over the same connection.
                self._originate(context, connection, now, impi=proven.authorization.impi)

            self._context.tasks.start(trusted.admit(context, self._context.node.driver, proceed))
        else:
            self._originate(context, connection, now)

    def _originate(
        self, context: ProxyContext, connection: W2Connection, now: float, *, impi: str | None = None
    ) -> None:
        """Take a request outside dialogs (TS 24.229 §5.2.6.3)."""
        request = context.request
        contacts = request.contacts if request.method in TARGET_REFRESH else ()
        # TS 24.229 §5.2.6.3.1: From has no part in this.
        found = connection.identify(identities_in(request, "P-Preferred-Identity"), contacts, now=now, impi=impi)
        if found is None:
            context.reject(403, "Not Registered", now=now)
            return
        if is_emergency(request.uri, self._context.options.emergency_numbers, self._context.options.domain):
            # TS 24.371 §7.4.4. TS 24.229 §5.2.10.4: the UE believes it by the URI in Path.
            headers = [("P-Asserted-Identity", f"<{self._context.path(connection)}>"), ("Content-Type", IMS_3GPP)]
            context.reject(380, headers=headers, body=_NO_EMERGENCY_CALLS, now=now)
            return
        ue, association, identities = found
        clean_from_wic(request)
        assert_identities(request, identities)
        request.headers.set("P-Charging-Vector", self._context.charging_vector())
        # TS 24.229 §5.2.6.3.3: the preloaded Route has to be the Service-Route of the registration; what the WIC wrote
        # is replaced by it.
        request.headers.remove("Route")
        routes = association.service_route
        target = Target(routes=routes) if routes else Target(flow=self._context.core)
        self._pass(context, RequestContext(Side.WIC, ue, connection, identities), target, now)

    def _within_dialog_from_wic(self, context: ProxyContext, connection: W2Connection, now: float) -> None:
        """Take a request within a dialog: it has to come by our Record-Route, over the UE's own connection.

        TS 24.229 §5.2.6.3: the Route values have to be those of the dialog; what the WIC wrote is replaced by them.
        """
        request, taken = context.request, context.taken_routes
        token = taken[0].uri.user if taken else None
        ue, current = self._ues.resolve(token)
        if current is not connection:
            # RFC 5057 §5.1: a token that leads nowhere is of a dialog that is over, and only 481 says so.
            void = token is not None and ue is None and current is None
            context.reject(481 if void else 403, now=now)
            return
        dialog = None if ue is None else ue.dialogs.find(request, Side.WIC, now=now)
        if ue is None or dialog is None:
            context.reject(481, now=now)
            return
        if self._screened(context, now):
            return
        dialog.confine(request)
        dialog.passed(request, Side.WIC, now=now)
        clean_from_wic(request)
        leg = ue.leg(taken)
        owner = RequestContext(Side.WIC, ue, connection, leg_id="" if leg is None else leg.id)
        self._pass(context, owner, Target(), now)

    # from the core

    def _from_core(self, context: ProxyContext, now: float) -> None:
        """Take a request for a WIC: along its Path, or within a dialog by our Record-Route."""
        tokens = [taken.uri.user for taken in context.taken_routes if taken.uri.user]
        if not tokens:
            context.reject(481 if context.in_dialog else 404, now=now)
            return
        ue, connection = self._ues.resolve(tokens[0])
        if context.in_dialog:
            self._within_dialog_from_core(context, ue, connection, now)
            return
        # TS 24.229 §5.2.6.4.3: the identity that the core has called, if it says so.
        called, contact = identities_in(context.request, "P-Called-Party-ID")[:1], NameAddr("", context.request.uri)
        found = None if connection is None else connection.identify(called, [contact], now=now)
        if connection is None or found is None:
            # RFC 5626 §5.3.1: the connection is gone, which the registrar wants to know.
            context.reject(430, now=now)
            return
        if self._screened(context, now):
            return
        # TS 24.229 §5.2.6.4.3: the called identity is asserted in the responses.
        called_ue, _, identities = found
        clean_to_outside(context.request)
        owner = RequestContext(Side.MW, called_ue, connection, identities)
        self._pass(context, owner, Target(flow=connection.flow), now)

    def _within_dialog_from_core(
        self, context: ProxyContext, ue: RegisteredUe | None, connection: W2Connection | None, now: float
    ) -> None:
        if self._screened(context, now):
            return
        leg = None
        if ue is not None:
            dialog = ue.dialogs.find(context.request, Side.MW, now=now)
            if dialog is not None:
                dialog.passed(context.request, Side.MW, now=now)
            if ue.state is UeState.ABSENT:
                self._legs.answer_for_absent(context, ue, now=now)
                return
            leg = ue.leg(context.taken_routes)
        if connection is None:
            context.reject(430, now=now)  # RFC 5626 §5.3.1
            return
        clean_to_outside(context.request)
        owner = RequestContext(Side.MW, ue, connection, leg_id="" if leg is None else leg.id)
        self._pass(context, owner, Target(flow=connection.flow), now)

    # both ways

    def _screened(self, context: ProxyContext, now: float) -> bool:
        """Refuse a request that may pass in neither direction; return whether that was done."""
        refusal = screen(context.request)
        if refusal is not None:
            context.reject(*refusal, now=now)
        return refusal is not None

    def _pass(self, context: ProxyContext, owner: RequestContext, target: Target, now: float) -> None:
        """Forward a request, after its session description has been taken care of."""
        context.owner = owner
        if context.request.method == "OPTIONS":
            remove_sdp(context.request)  # as in its response, see `CallLegs.response`
        self._legs.request(context, owner, target, now=now)

    def response(self, passing: PassingResponse, *, now: float) -> None:
        """Clean a response on its way back, and take care of its session description."""
        owner = passing.context.owner
        if isinstance(owner, ForwardedRegister):
            self._registers.response(passing, owner, now=now)
            passing.release(now=now)
        elif isinstance(owner, RequestContext):
            open_ = self._context.node.is_open(owner.connection.flow)
            if open_ and owner.ue is not None:
                request = passing.context.transaction.request
                owner.ue.dialogs.answered(request, passing.response, owner.origin, now=now)
            if owner.origin is Side.WIC:
                clean_to_outside(passing.response)
            else:
                if passing.response.status >= 500 and not open_:
                    passing.response = self._connection_broke(passing.context, owner, now)
                clean_response_from_wic(passing.response, passing.branch, owner.identities)
            self._legs.response(passing, owner, now=now)
        else:
            passing.release(now=now)

    def _connection_broke(self, context: ProxyContext, owner: RequestContext, now: float) -> Response:
        """Answer a request under which the connection broke."""
        transaction, ue = context.transaction, owner.ue
        if context.in_dialog and ue is not None and self._recovery.may_return(ue, now=now):
            # RFC 5057 §5.1: a 500 ends no dialog.
            return Response.answer(transaction.request, 500, CONNECTION_LOST, headers=[("Retry-After", RETURN_PAUSE)])
        # RFC 5626 §5.3.1: the registrar wants to know.
        return Response.answer(transaction.request, 430, to_tag=transaction.tag)

    def ack(self, ack: PassingAck, *, now: float) -> None:
        """Pass the ACK of a 2xx; one that did not come by our Record-Route, or is of no dialog, is lost."""
        tokens = [taken.uri.user for taken in ack.taken_routes]
        if ack.flow.transport in ("WS", "WSS"):
            ue, connection = self._ues.resolve(tokens[0] if tokens else None)
            if ue is None or connection is None or connection.flow != ack.flow:
                return
            dialog = ue.dialogs.find(ack.request, Side.WIC, now=now)
            if dialog is not None:
                dialog.confine(ack.request)
                clean_from_wic(ack.request)
                self._legs.ack(ack, ue, None, now=now)
            return
        found = (self._ues.resolve(token) for token in tokens)
        ue, connection = next((each for each in found if each[1] is not None), (None, None))
        if connection is not None:
            clean_to_outside(ack.request)
            if ue is None:
                ack.forward(now=now, flow=connection.flow)
            else:
                self._legs.ack(ack, ue, connection.flow, now=now)

    def cancelled(self, context: ProxyContext, *, now: float) -> None:
        """Take note that a caller gave up."""
        if isinstance(context.owner, RequestContext):
            self._legs.cancelled(context, context.owner)
