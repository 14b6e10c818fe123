from __future__ import annotations

import io

import pytest

from wic.sip.flow import Flow
from wic.transport.driver import Direction
from wic_cli.console import Console
from wic_cli.options import Common
from wic_cli.watch import MOST_ARROWS, Watch, label_of

FLOW = Flow("WSS", ("127.0.0.1", 40000), ("127.0.0.1", 443), "1")
REGISTER = b'REGISTER sip:ims.example SIP/2.0\r\nCSeq: 1 REGISTER\r\nAuthorization: Digest response="ab"\r\n\r\n'


class FakeClient:
    def __init__(self) -> None:
        self.observers, self.packets = [], []
        self.on_message, self.on_packet = self.observers.append, self.packets.append


def settings(**changes) -> Common:
    console = Console(out=io.StringIO(), err=io.StringIO())
    return Common(**{"console": console, "trace": False, "pcap": None, **changes})


@pytest.mark.parametrize(
    ("message", "label"),
    [
        (REGISTER, "REGISTER"),
        (b"SIP/2.0 401 Unauthorized\r\ncseq:1  REGISTER\r\n\r\n", "401 Unauthorized (REGISTER)"),
        (b"INVITE sip:b@x SIP/2.0\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n", "INVITE +SDP"),
        (b"SIP/2.0 200 OK\r\n\r\n", "200 OK"),
        (b"\xff\xfe rubbish", "\ufffd\ufffd"),
        (b"", ""),
    ],
)
def test_a_message_in_a_few_words(message: bytes, label: str) -> None:
    assert label_of(message) == label


def test_arrows_point_the_way_the_message_went() -> None:
    watch, alice, bob = Watch(settings()), FakeClient(), FakeClient()
    watch.attach(alice, "alice")
    watch.attach(bob, "bob")
    alice.observers[0](1.0, Direction.SENT, REGISTER, FLOW)
    bob.observers[0](2.0, Direction.RECEIVED, REGISTER, FLOW)
    bob.observers[0](3.0, Direction.SENT, b"\r\n\r\n", FLOW)  # a keep-alive
    assert [(each.source, each.target) for each in watch.arrows] == [("alice", "eP-CSCF"), ("eP-CSCF", "bob")]
    assert watch.participants == ["alice", "eP-CSCF", "bob"]
    assert not alice.packets


def test_an_entity_of_the_network_has_a_column_of_its_own() -> None:
    watch, ims = Watch(settings()), FakeClient()
    watch.attach_network(ims, "S-CSCF")
    ims.observers[0]("S-CSCF", 1.0, Direction.RECEIVED, REGISTER, FLOW)
    ims.observers[0]("eP-CSCF", 1.0, Direction.SENT, REGISTER, FLOW)
    assert [(each.source, each.target) for each in watch.arrows] == [("eP-CSCF", "S-CSCF")]


def test_a_ladder_shows_what_is_new() -> None:
    common = settings()
    watch, client = Watch(common), FakeClient()
    watch.attach(client, "alice")
    client.observers[0](1.0, Direction.SENT, REGISTER, FLOW)
    watch.show_ladder()
    watch.show_ladder()
    assert common.console._out.getvalue().count("REGISTER") == 1


def test_a_ladder_does_not_grow_without_end() -> None:
    watch, client = Watch(settings()), FakeClient()
    watch.attach(client, "alice")
    for _ in range(MOST_ARROWS + 5):
        client.observers[0](1.0, Direction.SENT, REGISTER, FLOW)
    assert len(watch.arrows) == MOST_ARROWS


def test_trace_and_capture(tmp_path) -> None:
    common = settings(trace=True, pcap=tmp_path / "x.pcapng")
    watch, client = Watch(common), FakeClient()
    watch.attach(client, "alice")
    client.observers[0](1.0, Direction.SENT, REGISTER, FLOW)
    client.observers[0](2.0, Direction.RECEIVED, REGISTER, FLOW)
    client.packets[0](3.0, "rtp", FLOW.local, FLOW.remote, bytes(12))
    watch.close()
    written = (tmp_path / "x.pcapng").read_bytes()
    assert written.count(b"REGISTER sip:ims.example") == 2
    assert b'response="ab"' not in written
    trace = common.console._err.getvalue()
    assert trace.count("alice ") == 2
    assert "ab" not in trace.partition("response=")[2][:5]
