from __future__ import annotations

import io
import logging
import struct
from pathlib import Path

import pytest

from wic.sip.flow import Flow
from wic.sip.trace import time_text
from wic.transport.driver import Direction
from wic_cli.console import Console
from wic_cli.failures import OutputFailed
from wic_cli.options import LOG_FORMAT, OWN_LOGGERS, CommonOptions, LogFormatter, log_to_standard_error
from wic_cli.traffic import MOST_ARROWS, TrafficMonitor, label_of

FLOW = Flow("WSS", ("127.0.0.1", 40000), ("127.0.0.1", 443), "1")
REGISTER = b'REGISTER sip:ims.example SIP/2.0\r\nCSeq: 1 REGISTER\r\nAuthorization: Digest response="ab"\r\n\r\n'


class FakeClient:
    def __init__(self) -> None:
        self.observers, self.packets = [], []
        self.on_message, self.on_packet = self.observers.append, self.packets.append


def settings(**changes) -> CommonOptions:
    """Make the options of a command that traces nothing, and prints nowhere."""
    console = Console(out=io.StringIO(), err=io.StringIO())
    return CommonOptions(**{"console": console, "trace": False, "pcap": None, **changes})


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
def test_a_message_has_a_short_name(message: bytes, label: str) -> None:
    assert label_of(message) == label


@pytest.mark.parametrize(
    ("authorization", "algorithms"),
    [
        ('Digest username="a", response="", algorithm=AKAv2-SHA-256', {}),
        ('Digest username="a", response="ab", algorithm=AKAv2-SHA-256', {"alice": "AKAv2-SHA-256"}),
        ('digest username="a",Algorithm = "SHA-256",response="ab"', {"alice": "SHA-256"}),
        ('Digest username="a", response="ab"', {"alice": "MD5"}),
        ("Bearer abc", {}),
    ],
)
def test_the_algorithm_of_a_registration_is_kept(authorization: str, algorithms: dict[str, str]) -> None:
    traffic, alice = TrafficMonitor(settings()), FakeClient()
    traffic.attach(alice, "alice")
    register = f"REGISTER sip:x SIP/2.0\r\nAuthorization: {authorization}\r\n\r\n".encode()
    for message in (register, b"SIP/2.0 200 OK\r\n\r\n", register.replace(b"REGISTER ", b"INVITE ")):
        alice.observers[0](1.0, Direction.SENT, message, FLOW)
    alice.observers[0](1.0, Direction.RECEIVED, register.replace(b"Digest", b"Digest algorithm=MD6,"), FLOW)
    assert traffic.algorithms == algorithms


def test_arrows_have_the_direction_of_the_message() -> None:
    traffic, alice, bob = TrafficMonitor(settings()), FakeClient(), FakeClient()
    traffic.attach(alice, "alice")
    traffic.attach(bob, "bob")
    alice.observers[0](1.0, Direction.SENT, REGISTER, FLOW)
    bob.observers[0](2.0, Direction.RECEIVED, REGISTER, FLOW)
    bob.observers[0](3.0, Direction.SENT, b"\r\n\r\n", FLOW)  # a keep-alive
    assert [(each.source, each.target) for each in traffic.arrows] == [("alice", "eP-CSCF"), ("eP-CSCF", "bob")]
    assert traffic.participants == ["alice", "eP-CSCF", "bob"]
    assert not alice.packets


def test_an_entity_of_the_network_has_a_column_of_its_own() -> None:
    traffic, ims = TrafficMonitor(settings()), FakeClient()
    traffic.attach_network(ims, "S-CSCF")
    ims.observers[0]("S-CSCF", 1.0, Direction.RECEIVED, REGISTER, FLOW)
    ims.observers[0]("eP-CSCF", 1.0, Direction.SENT, REGISTER, FLOW)
    assert [(each.source, each.target) for each in traffic.arrows] == [("eP-CSCF", "S-CSCF")]


def test_a_ladder_shows_the_messages_since_the_last_one() -> None:
    out = io.StringIO()
    common = settings(console=Console(out=out, err=io.StringIO()))
    traffic, client = TrafficMonitor(common), FakeClient()
    traffic.attach(client, "alice")
    client.observers[0](1.0, Direction.SENT, REGISTER, FLOW)
    traffic.show_ladder()
    traffic.show_ladder()
    assert out.getvalue().count("REGISTER") == 1


def test_a_ladder_has_a_greatest_length() -> None:
    traffic, client = TrafficMonitor(settings()), FakeClient()
    traffic.attach(client, "alice")
    for _ in range(MOST_ARROWS + 5):
        client.observers[0](1.0, Direction.SENT, REGISTER, FLOW)
    assert len(traffic.arrows) == MOST_ARROWS


def test_times_are_those_of_the_wall(monkeypatch, tmp_path) -> None:
    """Not of the event loop: a trace can be laid beside a capture and a log."""
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.25)
    errors = io.StringIO()
    common = settings(console=Console(out=io.StringIO(), err=errors), trace=True, pcap=tmp_path / "x.pcapng")
    with TrafficMonitor(common) as traffic:
        traffic.attach(client := FakeClient(), "alice")
        client.observers[0](1.0, Direction.SENT, REGISTER.replace(b"\r\n", b"\r\ni: abcdefghijk@x\r\n", 1), FLOW)
    assert errors.getvalue().startswith(f"{time_text(1_700_000_000.25)} alice [abcdefgh] >>> WSS ")
    micros = 1_700_000_000_250_000
    assert struct.pack("<II", micros >> 32, micros & 0xFFFFFFFF) in (tmp_path / "x.pcapng").read_bytes()
    record = logging.LogRecord("wic", logging.INFO, "", 0, "a\x1b[2Jb", (), None)
    record.created = 1_700_000_000.25
    assert LogFormatter(LOG_FORMAT).format(record) == f"{time_text(record.created)} INFO wic: a\ufffd[2Jb"


@pytest.mark.parametrize(
    ("level", "own", "others"),
    [
        ("debug", "DEBUG", "DEBUG"),
        ("info", "INFO", "WARNING"),
        ("warning",) + ("WARNING",) * 2,
        ("error",) + ("ERROR",) * 2,
    ],
)
def test_libraries_are_heard_at_debug_only(monkeypatch, level: str, own: str, others: str) -> None:
    """What a user wants to see at info is calls and registrations, not each candidate pair of ICE."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger(), "level", logging.NOTSET)
    for name in OWN_LOGGERS:
        monkeypatch.setattr(logging.getLogger(name), "level", logging.NOTSET)
    log_to_standard_error(level)
    for name, expected in (("wic.client", own), ("wic_cli.app", own), ("aioice.ice", others), ("any.library", others)):
        assert logging.getLevelName(logging.getLogger(name).getEffectiveLevel()) == expected


def test_a_capture_that_is_not_complete_is_a_failure() -> None:
    full = settings(pcap=Path("/dev/full"))
    with (
        pytest.raises(OutputFailed, match="/dev/full could not be written in full: No space left"),
        TrafficMonitor(full),
    ):
        pass
    with pytest.raises(ZeroDivisionError), TrafficMonitor(full):  # which comes first
        raise ZeroDivisionError


def test_trace_and_capture(tmp_path) -> None:
    errors = io.StringIO()
    console = Console(out=io.StringIO(), err=errors)
    common = settings(console=console, trace=True, pcap=tmp_path / "x.pcapng")
    traffic, client = TrafficMonitor(common), FakeClient()
    traffic.attach(client, "alice")
    client.observers[0](1.0, Direction.SENT, REGISTER, FLOW)
    client.observers[0](2.0, Direction.RECEIVED, REGISTER, FLOW)
    client.packets[0](3.0, "rtp", FLOW.local, FLOW.remote, bytes(12))
    traffic.close()
    written = (tmp_path / "x.pcapng").read_bytes()
    assert written.count(b"REGISTER sip:ims.example") == 2
    assert b'response="ab"' not in written
    trace = errors.getvalue()
    assert trace.count(" alice >>> ") == trace.count(" alice <<< ") == 1
    assert "ab" not in trace.partition("response=")[2][:5]
