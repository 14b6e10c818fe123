"""Flows of the S-CSCF that begin at the eP-CSCF."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from wic.network.own_flows import OwnFlows
from wic.sip.flow import Flow


class Edge:
    """The shell of an eP-CSCF, which counts how often it is asked for its connections."""

    def __init__(self, flows: list[Flow]) -> None:
        self.driver = self
        self.asked = 0
        self._connections = [SimpleNamespace(flow=flow) for flow in flows]

    @property
    def connections(self) -> list[SimpleNamespace]:
        self.asked += 1
        return self._connections


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_connection_is_looked_up_once(is_ours):
    """An element on Mw that sends much does not have all connections of WICs looked through each time."""
    far, near = ("127.0.0.1", 5), ("127.0.0.1", 6)
    edge = Edge([Flow("TCP", far, near, "1")] if is_ours else [])
    flows, flow = OwnFlows(), Flow("TCP", near, far, "2")
    assert not flows.holds(flow)
    flows.edge = edge
    assert [flows.holds(flow) for _ in range(3)] == [is_ours] * 3
    assert edge.asked == 1


def test_only_the_latest_connections_are_remembered():
    edge = Edge([])
    flows = OwnFlows()
    flows.edge = edge
    many = [Flow("TCP", ("127.0.0.1", 6), ("127.0.0.1", 5), str(number)) for number in range(1025)]
    assert not any(flows.holds(flow) for flow in many + many[:1])
    assert edge.asked == 1026
