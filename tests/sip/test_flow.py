from __future__ import annotations

import pytest

from wic.sip.flow import Flow

HERE, THERE = ("192.0.2.1", 5060), ("2001:db8::1", 443)


@pytest.mark.parametrize(
    ("transport", "reliable", "secure"),
    [("UDP", False, False), ("TCP", True, False), ("TLS", True, True), ("WS", True, False), ("WSS", True, True)],
)
def test_what_the_transport_gives(transport: str, reliable: bool, secure: bool) -> None:
    flow = Flow(transport, HERE, THERE)
    assert (flow.reliable, flow.secure) == (reliable, secure)


def test_two_connections_between_the_same_addresses_differ() -> None:
    assert len({Flow("TCP", HERE, THERE, "1"), Flow("TCP", HERE, THERE, "2"), Flow("TCP", HERE, THERE, "1")}) == 2


def test_text_for_people() -> None:
    assert str(Flow("WSS", HERE, THERE)) == "WSS 192.0.2.1:5060 -> [2001:db8::1]:443"
