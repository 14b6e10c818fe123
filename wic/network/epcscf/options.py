"""Options of the eP-CSCF."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wic.option_checks import NumericOptions
from wic.sdp.line_map import GatewayPolicy
from wic.sip.timers import RFC3261, Timers
from wic.transport.base import KeepAlive
from wic.transport.websocket import WebSocketServerOptions

if TYPE_CHECKING:
    import ssl

    from wic.network.peers import Peer


@dataclass(frozen=True, slots=True, kw_only=True)
class EPcscfOptions(NumericOptions):
    """Options of an `EPcscf`; times in seconds."""

    may_be_zero: ClassVar = ("grace", "linger", "max_sessions_per_flow", "flow_timer")
    domain: str = "ims.example"
    """Home domain."""
    host: str = "127.0.0.1"
    """Address towards the WICs."""
    name: str | None = None
    """Host name in the URL that WICs connect to; None takes the address."""
    port: int = 0
    """WebSocket port; 0 takes a free one."""
    mw_host: str = "127.0.0.1"
    """Address towards the core."""
    mw_port: int = 0
    """Port towards the core; 0 takes a free one."""
    core: str = "sip:127.0.0.1:5060"
    """SIP URI of the next hop of REGISTERs, and of requests for which no Service-Route is known."""
    peers: tuple[Peer, ...] = ()
    """Further elements that requests may go to without passing the core, such as those that its Service-Route names."""
    ssl_context: ssl.SSLContext | None = None
    """For WSS; None serves WS, which TS 24.371 does not know."""
    integrity_protected: str = "tls-protected"
    """For a REGISTER within a TLS association: TS 24.371 §6.4.1.2 says `tls-protected`, TS 24.229 `tls-yes`."""
    websocket: WebSocketServerOptions = field(default_factory=lambda: WebSocketServerOptions(keep_alive=KeepAlive()))
    """Limits of the WebSocket side; by default a WIC that has fallen silent is pinged."""
    policy: GatewayPolicy = field(default_factory=GatewayPolicy)
    """Operator's policy about m-lines."""
    timers: Timers = RFC3261
    """SIP timers."""
    authz_server: str | None = None
    """URL of the authorization server (WAF) that Bearer challenges name."""
    scope: str = "ims"
    """Scope that Bearer challenges name."""
    origins: tuple[str, ...] | None = ()
    """Web pages that may connect, such as `https://wwsf.example:8081`, besides those of this host; None lets in all."""
    native_clients: bool = True
    """Whether clients may connect that name no Origin, as browsers always do (TS 33.203 §X.2.1)."""
    emergency_numbers: tuple[str, ...] = ("112", "911")
    """Numbers that get 380, as emergency service URNs do: a WIC can make no emergency calls (TS 24.371 §7.4.4)."""
    flow_timer: int = 120
    """Interval of the keep-alives that a WIC should send (RFC 5626 §4.4, RFC 6223)."""
    grace: float = 30.0
    """Time for which the calls of a WIC wait for it after its connection broke; 0 ends them at once."""
    linger: float = 32.0
    """Time for which a connection without a registration is kept, be it not yet or not any more."""
    reg_event: bool = True
    """Whether to subscribe to the registration state of the WICs (TS 24.229 §5.2.3)."""
    max_sessions_per_flow: int = 64
    """Calls of one WIC at a time."""
    requests_per_second: float = 50.0
    """Requests outside dialogs, REGISTER included, of one WIC in the long run; more get 503."""
    requests_at_once: int = 200
    """Such requests of one WIC in a burst."""
