"""Route of the requests that a client sends outside a dialog (TS 24.229 §5.1.2A.1.1); in virtual time."""

from __future__ import annotations

import pytest

from wic.sip.parser import parse

pytestmark = pytest.mark.virtual_time

SERVICE_ROUTE = "<sip:home.ims.example;lr>"


@pytest.mark.parametrize(
    ("named", "route"),
    [(True, ["<sip:b.example:8443;transport=ws;lr>", SERVICE_ROUTE]), (False, [SERVICE_ROUTE])],
    ids=["with the eP-CSCF", "without"],
)
async def test_requests_outside_a_dialog(memory_home, named, route):
    """The eP-CSCF is the one of the connection there is."""
    memory_home.down.add("ws://a/")
    settings = {"edge_route": named}
    client = memory_home.client("alice", "ws://a/", "ws://b.example:8443/", settings=settings, reg_event=True)
    sent = []
    client.on_message(lambda now, direction, data, flow: sent.append(data) if direction.name == "SENT" else None)
    async with client:
        await client.call("sip:bob@ims.example")
        await memory_home.until(lambda: any(data.startswith(b"SUBSCRIBE ") for data in sent), 5.0)
    first = {}
    for data in sent:
        request = parse(data)
        first.setdefault(getattr(request, "method", "response"), request)
    assert first["REGISTER"].headers.get_all("Route") == []
    for method in ("INVITE", "ACK", "SUBSCRIBE"):
        assert first[method].headers.get_all("Route") == route, method
