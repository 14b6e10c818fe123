"""REGISTERs of one device over two connections: the later one counts, also if its 200 comes first."""

from __future__ import annotations

import pytest

from tests.support.waiting import until

EMPTY = (
    'Authorization: Digest username="alice@ims.example", realm="ims.example", nonce="", '
    'uri="sip:ims.example", response=""'
)


class Crossing:
    """Two connections of one device, and the REGISTER that has come over each."""

    def __init__(self, edge, wics, requests) -> None:
        self.edge, self.wics, self.requests = edge, wics, requests

    async def grant(self, number: int) -> None:
        """Let the core answer one of the two."""
        self.edge.core.grant(self.requests[number])
        await self.wics[number].expect("SIP/2.0 200")

    def where(self) -> list[tuple[str, int]]:
        """Return the far ends of the connections over which alice is registered."""
        ues = [ue for ue in self.edge.epcscf.ues if ue.associations]
        return [ue.connection.flow.remote for ue in ues if ue.connection is not None]


@pytest.fixture
async def crossing(edge) -> Crossing:
    wics = [await edge.wic("alice") for _ in range(2)]
    requests = []
    for wic in wics:
        wic.send(wic.register(EMPTY))
        requests.append(await edge.core.expect("REGISTER"))
    return Crossing(edge, wics, requests)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in order", "crossing"])
async def test_the_later_register_counts(crossing, order):
    for number in order:
        await crossing.grant(number)
    assert crossing.where() == [crossing.wics[1].address]
    assert crossing.edge.epcscf.registrations == 1
    crossing.wics[1].send(crossing.wics[1].register(EMPTY))
    crossing.requests[1] = await crossing.edge.core.expect("REGISTER")
    await crossing.grant(1)
    assert not crossing.wics[1].ended.is_set()


async def test_a_connection_that_was_overtaken_is_not_registered(crossing):
    await crossing.grant(1)
    await crossing.grant(0)
    first = crossing.wics[0]
    first.send(first.request("OPTIONS", "sip:bob@ims.example"))
    await first.expect("SIP/2.0 403")


async def test_an_answer_that_was_overtaken_brings_no_absent_ue_back(crossing):
    await crossing.grant(1)
    crossing.wics[1].cut()
    await until(lambda: crossing.where() == [])
    await crossing.grant(0)
    assert crossing.where() == []


async def test_a_register_that_overtakes_nothing_brings_it_back(crossing):
    await crossing.grant(1)
    first = crossing.wics[0]
    await crossing.grant(0)
    first.send(first.register(EMPTY))
    crossing.requests[0] = await crossing.edge.core.expect("REGISTER")
    await crossing.grant(0)
    assert crossing.where() == [first.address]
    await crossing.wics[1].ended.wait()
