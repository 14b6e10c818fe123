"""Requests that arrive while the entities open, one after the other."""

from __future__ import annotations

import asyncio
import re
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest

from wic.errors import ConfigurationError
from wic.network import ImsNetwork, NetworkOptions, entities
from wic.network.epcscf import server
from wic.network.scscf.server import Scscf
from wic.sip.flow import Flow
from wic.sip.uri import Uri
from wic.transport.base import EndedBy, FlowEnd


def request(method: str, port: int) -> str:
    return (
        f"{method} sip:ims.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-early\r\n"
        "From: <sip:bob@ims.example>;tag=b\r\nTo: <sip:bob@ims.example>\r\nCall-ID: early\r\n"
        f"CSeq: 1 {method}\r\nContact: <sip:bob@127.0.0.1:{port}>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )


async def test_a_phone_registers_at_the_scscf_before_there_is_an_epcscf(make_mw_peer, monkeypatch):
    phone, open_scscf = await make_mw_peer(), Scscf.open

    async def open_and_register(*arguments, **more):
        scscf = await open_scscf(*arguments, **more)
        phone.send(request("REGISTER", phone.port), ("127.0.0.1", scscf.node.mw.port))
        await phone.expect("SIP/2.0 403 Identity Not Known")
        return scscf

    monkeypatch.setattr(Scscf, "open", open_and_register)
    async with ImsNetwork(NetworkOptions(web=False)) as network:
        assert network.scscf.node.driver.counters.failures == 0


async def test_a_request_on_mw_before_the_epcscf_knows_its_own_address(make_mw_peer, monkeypatch):
    peer, network, serve = await make_mw_peer(), ImsNetwork(NetworkOptions(web=False)), server.serve_websocket

    async def open_late(host, port, **more):
        node = more["handler"].node
        address = (node.mw.host, node.mw.port)
        peer.send(request("OPTIONS", peer.port), address)
        answer = await peer.expect("SIP/2.0 503")
        assert "Retry-After: 1\r\n" in answer
        node.driver.closed(Flow("UDP", address, peer.address), FlowEnd(EndedBy.PEER, "unreachable"))
        return await serve(host, port, **more)

    monkeypatch.setattr(server, "serve_websocket", open_late)
    async with network:
        assert network.epcscf.node.driver.counters.failures == 0


@pytest.mark.parametrize("names", [{"mw_host": "localhost"}, {"host": "localhost"}, {"host": "0.0.0.0"}])
async def test_hosts_are_looked_up_once_at_the_start(names):
    """What stands in Via, Path and session descriptions, and what peers are compared with, are addresses."""
    peers = ("other.example=sip:localhost:9", "sip:192.0.2.7")
    async with ImsNetwork(NetworkOptions(web=False, peers=peers, **names)) as network:
        assert ip_address(network.epcscf.node.mw.host).is_loopback
        assert network.scscf.node.flow_to(Uri.parse("sip:other.example")).remote[1] == 9


async def test_a_name_of_several_addresses_means_one_of_them(tmp_path, monkeypatch):
    """A WIC that has reached the eP-CSCF reaches its media, WAF and WWSF too, at the address that was looked up."""

    async def look_up(host):
        return {"edge.example": "127.0.0.2"}.get(host, host)

    monkeypatch.setattr(entities, "address_of", look_up)
    async with ImsNetwork(NetworkOptions(host="edge.example", directory=tmp_path)) as network:
        for url in map(urlsplit, (network.wss_url, network.web.waf.url, network.web.wwsf.url)):
            assert url.hostname == "edge.example"
            _, writer = await asyncio.open_connection("127.0.0.2", url.port)
            writer.close()


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ({"mw_host": "nowhere.invalid"}, "the host 'nowhere.invalid' is not known"),
        ({"host": "nowhere.invalid"}, "the host 'nowhere.invalid' is not known"),
        ({"mw_host": "a" * 64}, "the host 'a+' is not known"),
        ({"peers": ("sip:nowhere.invalid",)}, "the host 'nowhere.invalid' is not known"),
        ({"mw_host": "0.0.0.0"}, "the entities cannot have the address 0.0.0.0 .+: name one address"),
        ({"mw_host": "::"}, "the entities cannot have the address :: .+: name one address"),
    ],
)
async def test_hosts_that_lead_nowhere(names, sentence):
    network = ImsNetwork(NetworkOptions(web=False, **names))
    with pytest.raises(ConfigurationError) as refused:
        await network.__aenter__()
    assert re.fullmatch(sentence, str(refused.value))
