"""The capture file, read back block by block with a reader of its own."""

import resource
import signal
import stat
import struct
from pathlib import Path

import pytest

from wic.errors import ConfigurationError
from wic.media.capture import Capture

HERE = ("127.0.0.1", 50000)
THERE = ("127.0.0.1", 443)


def blocks(path: Path) -> list[tuple[int, bytes]]:
    data = path.read_bytes()
    found = []
    while data:
        kind, length = struct.unpack_from("<II", data)
        assert length % 4 == 0
        assert struct.unpack_from("<I", data, length - 4) == (length,)
        found.append((kind, data[8 : length - 4]))
        data = data[length:]
    return found


def pdu(body: bytes) -> tuple[dict[int, bytes], bytes]:
    """The tags and the data of an enhanced packet block that holds an exported PDU."""
    captured, original = struct.unpack_from("<II", body, 12)
    assert captured == original
    packet = body[20 : 20 + captured]
    tags: dict[int, bytes] = {}
    while True:
        kind, length = struct.unpack_from(">HH", packet)
        packet = packet[4:]
        if kind == 0:
            return tags, packet
        tags[kind] = packet[:length]
        packet = packet[length:]


def test_packets_come_back_with_dissector_and_addresses(tmp_path: Path) -> None:
    with Capture(tmp_path / "x.pcapng") as capture:
        capture.packet(1_700_000_000.25, "rtp", HERE, THERE, b"\x80\x00odd")
        capture.packet(1_700_000_001.0, "rtcp", ("::1", 1), THERE, b"\x81\xc9")
        assert capture.packets == 2
    header, interface, first, second = blocks(tmp_path / "x.pcapng")
    assert header[0] == 0x0A0D0D0A
    assert struct.unpack_from("<H", interface[1]) == (252,)
    tags, data = pdu(first[1])
    assert data == b"\x80\x00odd"
    assert tags[12].rstrip(b"\x00") == b"rtp"
    assert tags[22] == tags[23] == bytes(10) + b"\xff\xff" + bytes([127, 0, 0, 1])
    assert struct.unpack(">I", tags[25]) == (50000,)
    assert struct.unpack(">I", tags[26]) == (443,)
    high, low = struct.unpack_from("<II", first[1], 4)
    assert (high << 32 | low) == 1_700_000_000_250_000
    tags, _ = pdu(second[1])
    assert tags[22] == bytes(15) + b"\x01"
    assert tags[23] == bytes(10) + b"\xff\xff" + bytes([127, 0, 0, 1])


def test_sip_keeps_its_addresses(tmp_path: Path) -> None:
    with Capture(tmp_path / "x.pcapng") as capture:
        capture.packet(0.0, "sip", HERE, THERE, b"OPTIONS sip:a@b SIP/2.0\r\n\r\n")
    tags, _ = pdu(blocks(tmp_path / "x.pcapng")[2][1])
    assert tags[20] == tags[21] == bytes([127, 0, 0, 1])


def test_secrets_of_sip_are_masked(tmp_path: Path) -> None:
    message = (
        b'REGISTER sip:ims.example SIP/2.0\r\nAuthorization: Digest username="alice", realm="r", nonce="n",'
        b' uri="sip:ims.example", response="6629fae49393a05397450978507c4ef1"\r\n\r\n'
    )
    with Capture(tmp_path / "x.pcapng") as capture:
        capture.packet(0.0, "sip", ("df7jal23ls0d.invalid", 0), THERE, message)
    written = (tmp_path / "x.pcapng").read_bytes()
    assert b"REGISTER sip:ims.example" in written
    assert b"6629fae49393a05397450978507c4ef1" not in written


def test_a_capture_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    with Capture(tmp_path / "x.pcapng") as capture:
        capture.packet(0.0, "sip", HERE, THERE, b"OPTIONS sip:a@b SIP/2.0\r\n\r\n")
        assert len(blocks(tmp_path / "x.pcapng")) == 3


def test_the_file_is_its_owners_only_and_a_closed_one_takes_no_more(tmp_path: Path) -> None:
    capture = Capture(tmp_path / "x.pcapng")
    capture.close()
    capture.packet(0.0, "rtp", HERE, THERE, b"late")
    assert capture.packets == 0
    assert stat.S_IMODE((tmp_path / "x.pcapng").stat().st_mode) == 0o600


def test_a_path_that_cannot_be_written_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Cannot write the capture"):
        Capture(tmp_path / "no" / "x.pcapng")


def test_only_a_capture_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    path.touch()
    for _ in range(2):
        with Capture(path) as capture:
            capture.packet(0.0, "rtp", HERE, THERE, b"\x80")
    assert len(blocks(path)) == 3
    path.write_bytes(b"RIFF precious")
    with pytest.raises(ConfigurationError, match="is no capture: name another file"):
        Capture(path)
    assert path.read_bytes() == b"RIFF precious"


@pytest.mark.parametrize("room", [50, 10])
def test_a_full_disk_ends_the_capture_with_a_whole_block(tmp_path: Path, room: int) -> None:
    path = tmp_path / "x.pcapng"
    capture = Capture(path)
    capture.packet(0.0, "rtp", HERE, THERE, b"\x80")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, before[1]))
        for _ in range(3):
            capture.packet(0.0, "rtp", HERE, THERE, bytes(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    capture.close()
    assert capture.packets == 1
    assert isinstance(capture.failure, OSError)
    assert len(blocks(path)) == 3


def test_a_device_that_takes_nothing_ends_the_capture() -> None:
    with Capture(Path("/dev/full")) as capture:
        capture.packet(0.0, "rtp", HERE, THERE, b"\x80")
    assert isinstance(capture.failure, OSError)
    assert capture.packets == 0
