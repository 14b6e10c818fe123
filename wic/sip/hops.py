"""The Via header as the trace of a request's way: stamped on arrival, followed back by the response."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.sip.flow import Flow

if TYPE_CHECKING:
    from wic.sip.message import Request

_DEFAULT_PORT = 5060


def stamp_source(request: Request, flow: Flow) -> None:
    """Write where a request really came from into its topmost Via (RFC 3261 §18.2.1, RFC 3581 §4).

    Raises:
        MalformedHeader: there is no readable Via.
    """
    via = request.via
    host, port = flow.remote
    asked = "rport" in via.params
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
    if flow.reliable:
        return flow
    via = request.via
    port = via.rport or via.port or _DEFAULT_PORT
    remote = (via.received or via.host, port)
    return flow if remote == flow.remote else Flow(flow.transport, flow.local, remote)
