"""Capture of a WIC's messages and media, decrypted, as a pcapng file for Wireshark.

Packets are written as "exported PDUs" (link type 252): each names the dissector that reads it and
the addresses it went between, so that SIP from inside TLS and RTP from inside SRTP show up as what
they are, on any port, without keys. Credentials in SIP are masked as in every trace.

Format: draft-ietf-opsawg-pcapng (section header, interface description, enhanced packet blocks).
"""

from __future__ import annotations

import ipaddress
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, Self

from wic.errors import ConfigurationError
from wic.files import open_to_write, write_all
from wic.sip.masking import mask_secrets

if TYPE_CHECKING:
    from pathlib import Path

Protocol = Literal["sip", "rtp", "rtcp", "sctp"]
Address = tuple[str, int]

LINKTYPE_EXPORTED_PDU = 252

_SECTION_HEADER = 0x0A0D0D0A

TAG_END = 0
TAG_DISSECTOR = 12
TAG_IPV4_SOURCE = 20
TAG_IPV4_TARGET = 21
TAG_IPV6_SOURCE = 22
TAG_IPV6_TARGET = 23
TAG_PORT_TYPE = 24
TAG_SOURCE_PORT = 25
TAG_TARGET_PORT = 26

PORT_TYPES: dict[Protocol, int] = {"sip": 2, "rtp": 3, "rtcp": 3, "sctp": 1}
"""Wireshark's port types: 1 SCTP, 2 TCP, 3 UDP."""

MAPPED: frozenset[Protocol] = frozenset({"rtp", "rtcp"})
"""Written with IPv4-mapped addresses: Wireshark remembers from the SDP that those without the prefix carry SRTP."""

IPV4_MAPPED = bytes(10) + b"\xff\xff"


class Capture:
    """A pcapng file that packets are written to; a block is whole on the disk or not there.

    Args:
        path: the file, made anew, readable by its owner only; an older capture is replaced, any other file is not.

    Raises:
        ConfigurationError: the file cannot be written, or is no capture.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failure: OSError | None = None
        """Cause of an early end, such as a full disk."""
        try:
            if path.is_file() and not _may_replace(path):
                raise ConfigurationError(f"{path} exists already and is no capture: name another file.")
            # Without a buffer: a reader of the growing file sees whole blocks.
            self._file = open_to_write(path, replace=True)
        except OSError as error:
            raise ConfigurationError(f"Cannot write the capture {path}: {error.strerror}.") from error
        self._octets = 0
        self.packets = 0
        section = _block(_SECTION_HEADER, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))  # version 1.0, of unknown length
        self._write(section + _block(1, struct.pack("<HHI", LINKTYPE_EXPORTED_PDU, 0, 0)))

    def packet(self, at: float, protocol: Protocol, source: Address, target: Address, data: bytes) -> None:
        """Write one packet.

        Args:
            at: when, in seconds since the epoch.
            protocol: the dissector that reads it.
            source: address and port of the sender; a host that is no IP address is shown as 0.0.0.0.
            target: address and port of the receiver.
            data: the packet, decrypted.
        """
        if self._file.closed or self.failure is not None:
            return
        if protocol == "sip":
            # The file goes to other people when a fault is reported.
            data = mask_secrets(data)
        data = _tags(protocol, source, target) + data
        micros = int(at * 1_000_000)  # the unit of time where the interface names no other
        head = struct.pack("<IIIII", 0, micros >> 32, micros & 0xFFFFFFFF, len(data), len(data))
        self._write(_block(6, head + data))
        self.packets += self.failure is None

    def close(self) -> None:
        """Write what is still held and close the file."""
        self._file.close()

    def _write(self, block: bytes) -> None:
        try:
            write_all(self._file, block)
            self._octets += len(block)
        except OSError as error:  # what is captured goes on
            self.failure = error
            with suppress(OSError):  # a pipe cannot be cut
                self._file.truncate(self._octets)  # the file ends with a whole block

    def __enter__(self) -> Self:
        """Use as a context manager that closes the file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()


def _may_replace(path: Path) -> bool:
    """Tell whether a file is empty, or a capture."""
    with path.open("rb") as file:
        return file.read(4) in (b"", struct.pack("<I", _SECTION_HEADER))


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)  # blocks are whole 32-bit words, and name their length at both ends
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def _tag(kind: int, value: bytes) -> bytes:
    value += bytes(-len(value) % 4)
    return struct.pack(">HH", kind, len(value)) + value


def _tags(protocol: Protocol, source: Address, target: Address) -> bytes:
    ends = _ip(source[0]), _ip(target[0])
    if protocol not in MAPPED and all(end.version == 4 for end in ends):
        kinds = TAG_IPV4_SOURCE, TAG_IPV4_TARGET
        packed = [end.packed for end in ends]
    else:
        kinds = TAG_IPV6_SOURCE, TAG_IPV6_TARGET
        packed = [end.packed if end.version == 6 else IPV4_MAPPED + end.packed for end in ends]
    return b"".join(
        (
            _tag(TAG_DISSECTOR, protocol.encode()),
            _tag(kinds[0], packed[0]),
            _tag(kinds[1], packed[1]),
            _tag(TAG_PORT_TYPE, struct.pack(">I", PORT_TYPES[protocol])),
            _tag(TAG_SOURCE_PORT, struct.pack(">I", source[1])),
            _tag(TAG_TARGET_PORT, struct.pack(">I", target[1])),
            struct.pack(">HH", TAG_END, 0),
        )
    )


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return ipaddress.IPv4Address(0)
