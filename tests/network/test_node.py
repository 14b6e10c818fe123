"""Node of an entity on Mw: its port, its flows, and requests that come before the entity stands."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.support.waiting import until
from wic.errors import ConfigurationError
from wic.network.node import Node, address_of, local_address, sip_uri
from wic.sip.events import RequestReceived
from wic.sip.uri import Uri


@pytest.fixture
async def node():
    opened = await Node.open("127.0.0.1", 0)
    yield opened
    await opened.close()


def options(port: int, branch: str) -> str:
    return (
        f"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-{branch}\r\n"
        "From: <sip:a@ims.example>;tag=a\r\nTo: <sip:b@ims.example>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )


async def test_requests_are_declined_until_an_entity_serves(node, make_mw_peer) -> None:
    peer = await make_mw_peer()
    mw = (node.mw.host, node.mw.port)
    peer.send(options(peer.port, "1"), mw)
    assert "Retry-After: 1\r\n" in await peer.expect("SIP/2.0 503")

    def answer(event: object) -> None:
        assert isinstance(event, RequestReceived)
        node.endpoint.reply(event.transaction, 200, now=node.driver.now)

    node.serve(answer)
    peer.send(options(peer.port, "2"), mw)
    await peer.expect("SIP/2.0 200")
    assert node.driver.counters.failures == 0


async def test_udp_and_tcp_have_one_port(node) -> None:
    with pytest.raises(ConfigurationError, match=f"Port {node.mw.port} on 127.0.0.1 is taken"):
        await Node.open("127.0.0.1", node.mw.port)
    with socket.create_connection((node.mw.host, node.mw.port)):
        pass


async def test_a_port_that_is_taken_for_tcp_is_free_for_udp_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} on 127.0.0.1 is taken"):
            await Node.open("127.0.0.1", port)
        with socket.socket(type=socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("uri", "transport", "remote"),
    [
        ("sip:127.0.0.1", "UDP", ("127.0.0.1", 5060)),
        ("sip:x@127.0.0.1:7;lr", "UDP", ("127.0.0.1", 7)),
        ("sip:127.0.0.1:7;transport=TCP", "TCP", ("127.0.0.1", 7)),
        ("sip:name.invalid:7;maddr=127.0.0.2", "UDP", ("127.0.0.2", 7)),
    ],
)
async def test_flows_to_addresses(node, uri: str, transport: str, remote: tuple[str, int]) -> None:
    node.destinations.add(*remote)
    flow = node.flow_to(Uri.parse(uri))
    assert (flow.transport, flow.remote) == (transport, remote)
    assert flow.local == (node.mw.host, node.mw.port if transport == "UDP" else 0)
    assert not node.is_open(flow)


@pytest.mark.parametrize("uri", ["tel:+49", "sips:127.0.0.1", "sip:name.invalid", "sip:127.0.0.1;transport=sctp"])
async def test_no_flow_to_other_uris(node, uri: str) -> None:
    for port in (5060, 5061):
        node.destinations.add("127.0.0.1", port)
    assert node.flow_to(Uri.parse(uri)) is None


async def test_addresses_of_a_core() -> None:
    assert await address_of("127.0.0.1") == "127.0.0.1"
    assert await address_of("localhost") in ("127.0.0.1", "::1")
    with pytest.raises(ConfigurationError, match="is not known"):
        await address_of("no-such-host.invalid")
    for host in ("a..b", "x" * 64):
        with pytest.raises(ConfigurationError, match=r"is not known$"):
            await address_of(host)
    assert local_address("127.0.0.9") == "127.0.0.1"


@pytest.mark.parametrize("text", ["core", "tel:+49", "http://core"])
def test_a_core_that_is_no_sip_uri(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a SIP URI; write sip:HOST:PORT"):
        sip_uri(text)


@pytest.mark.parametrize("turns", [1, 2, 3, 4])
async def test_a_node_whose_closing_is_cancelled_gives_its_port_back(turns) -> None:
    node = await Node.open("127.0.0.1", 0)
    _, writer = await asyncio.open_connection(node.mw.host, node.mw.port)
    await until(lambda: node.driver.connections)  # it says farewell to it
    closing = asyncio.create_task(node.close())
    for _ in range(turns):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    await asyncio.sleep(0)
    await (await Node.open("127.0.0.1", node.mw.port)).close()
    assert node.driver.connections == ()
    writer.close()
