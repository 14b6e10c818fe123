"""Peers as an operator writes them, and the addresses that they allow."""

from __future__ import annotations

import logging

import pytest

from tests.support.ports import six_free_ports
from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.network import ImsNetwork, NetworkOptions
from wic.network.peers import Destinations, Peer, RefusalLog
from wic.sip.uri import Uri

HERE = "127.0.0.1"


@pytest.mark.parametrize(
    ("text", "address", "transport", "names"),
    [
        ("Other.Example=sip:192.0.2.7:5070", ("192.0.2.7", 5070), "UDP", ("other.example",)),
        ("other.example=sip:192.0.2.7;transport=TCP", ("192.0.2.7", 5060), "TCP", ("other.example",)),
        ("other.example.=sip:[2001:DB8::7]", ("2001:db8::7", 5060), "UDP", ("other.example",)),
        ("other.example=sip:SBC.other.example:5070", ("sbc.other.example", 5070), "UDP", None),
        ("sip:192.0.2.7:5070", ("192.0.2.7", 5070), "UDP", ()),
        ("sip:ibcf@192.0.2.7;transport=tcp", ("192.0.2.7", 5060), "TCP", ()),
    ],
)
def test_a_peer(text, address, transport, names) -> None:
    peer = Peer.parse(text)
    assert (peer.address, peer.transport) == (address, transport)
    assert peer.names == (("other.example", "sbc.other.example") if names is None else names)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "other.example",
        "192.0.2.7:5060",
        "other.example=192.0.2.7",
        "other.example=sips:192.0.2.7",
        "other.example=tel:+49",
        "other.example=sip:192.0.2.7;transport=tls",
        "other.example=sip:",
        "other example=sip:192.0.2.7",
        "192.0.2.8=sip:192.0.2.7",
        "other.example=sip:192.0.2.7:0",
        "sip:192.0.2.7:65536",
        "=sip:192.0.2.7",
        "a=b=sip:192.0.2.7",
    ],
)
def test_what_is_no_peer(text) -> None:
    with pytest.raises(ConfigurationError, match="is not a peer: write DOMAIN=sip:HOST:PORT"):
        NetworkOptions(peers=(text,))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_for_networks_that_live_there(address) -> None:
    peer = Peer.parse("other.example=sip:sbc.other.example")
    assert peer.at(address, mw_host=HERE).port == 5060
    with pytest.raises(ConfigurationError, match="does not reach the loopback interface"):
        peer.at(address, mw_host="192.0.2.1")


@pytest.mark.parametrize("address", ["224.0.0.1", "ff02::1", "0.0.0.0", "::", "::ffff:0.0.0.0"])
def test_a_peer_is_one_element(address) -> None:
    with pytest.raises(ConfigurationError, match="is not the address of one element"):
        Peer.parse("sip:sbc.other.example").at(address, mw_host=HERE)


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("sip:x@192.0.2.7:5070", ("UDP", ("192.0.2.7", 5070))),
        ("sip:x@192.0.2.7:5070;transport=tcp", ("TCP", ("192.0.2.7", 5070))),
        ("sip:x@192.0.2.7", None),
        ("sip:x@192.0.2.7:5070;transport=tls", None),
        ("sips:x@192.0.2.7:5070", None),
        ("tel:+49", None),
        ("sip:x@other.example", ("TCP", ("192.0.2.7", 5070))),
        ("sip:x@OTHER.example.:9;transport=udp", ("UDP", ("192.0.2.7", 5070))),
        ("sip:x@sub.other.example", None),
        ("sip:x@other.example;maddr=127.0.0.1", None),
        ("sip:x@127.0.0.1:9;maddr=other.example", ("TCP", ("192.0.2.7", 5070))),
        ("sip:x@edge.invalid:7;maddr=127.0.0.1", ("UDP", ("127.0.0.1", 7))),
        ("sip:x@[2001:db8:0::8]:5060", ("UDP", ("2001:db8::8", 5060))),
    ],
)
def test_destinations(uri, found) -> None:
    first = Peer.parse("other.example=sip:192.0.2.7:5070;transport=tcp")
    destinations = Destinations([first, Peer.parse("other.example=sip:192.0.2.8"), Peer.parse("sip:[2001:DB8::8]")])
    destinations.add("127.0.0.1", 7)
    assert destinations.find(Uri.parse(uri)) == found


def test_refusals_are_logged_once_and_not_without_end(caplog) -> None:
    log = RefusalLog()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            log.refused("MESSAGE", Uri.parse("sip:x@[::1]:9;transport=tcp"), now=0.0)
        for number in range(1000):
            log.refused("MESSAGE", Uri.parse(f"sip:x@h{number}"), now=1.0)
        assert len(caplog.messages) == 10
        assert caplog.messages[0].startswith("MESSAGE to sip:[::1]:9;transport=tcp refused")
        log.refused("MESSAGE", Uri.parse("sip:y@late"), now=61.0)
    assert caplog.messages[-1].endswith("; 991 others refused meanwhile")


def test_the_log_of_refusals_forgets(caplog) -> None:
    log = RefusalLog()
    for number in range(300):
        log.refused("MESSAGE", Uri.parse(f"sip:h{number}"), now=60.0 * number)
    log.refused("MESSAGE", Uri.parse("sip:h299"), now=1e5)
    log.refused("MESSAGE", Uri.parse("sip:h0"), now=1e5)
    assert len(caplog.messages) == 301


async def test_a_network_is_no_peer_of_itself() -> None:
    """What a user writes into a request would reach the inside of the network."""
    base = six_free_ports()
    network = ImsNetwork(NetworkOptions(web=False, port_base=base, peers=(f"sip:localhost:{base + 2}",)))
    with pytest.raises(ConfigurationError, match="is this network itself"):
        await network.__aenter__()


async def test_a_call_to_another_network(make_mw_peer, make_raw) -> None:
    """The domain of a peer leads to its address, and its requests within the dialog come back."""
    phone = await make_mw_peer()
    peers = (f"other.example=sip:127.0.0.1:{phone.port}",)
    async with ImsNetwork(NetworkOptions(web=False, peers=peers)) as network:
        network.add_subscriber("zoe", password=Secret("correct horse"))
        zoe = await make_raw("zoe", network.ready())
        await zoe.registered()
        zoe.send(zoe.request("INVITE", "sip:x@other.example", f"Contact: {zoe.contact}"))
        invited = await phone.expect("INVITE sip:x@other.example ")
        phone.answer(invited, "486 Busy Here")
        await zoe.expect("SIP/2.0 486")
        zoe.send(zoe.request("MESSAGE", "sip:x@third.example", call_id="third"))
        await zoe.expect("SIP/2.0 404")
