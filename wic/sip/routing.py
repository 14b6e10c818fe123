"""Ways of a message: route sets, loose and strict (RFC 3261 §12.2.1.1), and the Via that leads a response back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.sip.flow import Flow
from wic.sip.headers.address import NameAddr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wic.sip.message import Request
    from wic.sip.uri import Uri

_DEFAULT_PORTS = {"sip": 5060, "sips": 5061}


def is_loose(uri: Uri) -> bool:
    """Tell whether the proxy of a route follows RFC 3261 (`;lr`), not RFC 2543."""
    return "lr" in uri.params


def route(target: Uri, route_set: Sequence[NameAddr]) -> tuple[Uri, tuple[NameAddr, ...]]:
    """Return Request-URI and Route values that lead to a target over a route set.

    A strict router at the top wants itself in the Request-URI and the target last in Route.
    """
    if not route_set or is_loose(route_set[0].uri):
        return target, tuple(route_set)
    first = route_set[0].uri
    # RFC 3261 §12.2.1.1: without what a Request-URI may not have (§19.1.1: method, header fields).
    cleaned = first.replace(params=first.params.without("method"), headers=first.headers.without(*first.headers))
    return cleaned, (*route_set[1:], NameAddr("", target))


def port_of(uri: Uri) -> int:
    """Return the port of a SIP URI, or the default of its scheme and transport (RFC 3261 §19.1.2, RFC 7118 §5.5)."""
    if uri.port is not None:
        return uri.port
    if (uri.params.get("transport") or "").lower() in ("ws", "wss"):
        return 443 if uri.secure else 80  # RFC 7118 §5.5
    return _DEFAULT_PORTS.get(uri.scheme, 5060)


def stamp_source(request: Request, flow: Flow) -> None:
    """Write where a request really came from into its topmost Via (RFC 3261 §18.2.1, RFC 3581 §4).

    Raises:
        MalformedHeader: there is no readable Via.
    """
    via = request.via
    host, port = flow.remote
    asked = "rport" in via.params  # RFC 3581 §4
    if not asked and via.host.lower() == host.lower() and "received" not in via.params:
        return
    params = via.params.with_("received", host)
    if asked:
        params = params.with_("rport", str(port))
    request.headers.remove_first("Via")
    request.headers.prepend("Via", via.with_params(params))


def reply_flow(request: Request, flow: Flow) -> Flow:
    """Return where the responses to a stamped request go (RFC 3261 §18.2.2, RFC 3581 §4).

    On streams that is the connection it came by. `maddr` is not followed: nothing here is multicast, and
    a peer could name a victim there.

    Raises:
        MalformedHeader: there is no readable Via.
    """
    if flow.reliable:  # §18.2.2: the connection of the request
        return flow
    via = request.via
    port = via.rport or via.port or _DEFAULT_PORTS["sip"]
    remote = (via.received or via.host, port)  # §18.2.2, RFC 3581 §4
    return flow if remote == flow.remote else Flow(flow.transport, flow.local, remote)
