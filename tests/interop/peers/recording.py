"""Recordings of rtpengine, after its own DTLS-SRTP: one decoded stream for each sender."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import g711, tone

if TYPE_CHECKING:
    import array
    from pathlib import Path

    from .rtpengine import RtpEngine

PCAP_HEADER = 24
RAW_IP = 101
PCMU = 0


@dataclass(frozen=True, slots=True)
class Stream:
    """The RTP of one sender in plain µ-law."""

    source: tuple[str, int]
    packets: int
    samples: array.array[int]

    def heard(self) -> tone.Heard:
        """Measure its loudest stretch."""
        return tone.measure(self.samples, 8000)


def of_only_call(rtpengine: RtpEngine) -> list[Stream]:
    """Read the streams of the one call that rtpengine has served."""
    (path,) = rtpengine.recordings.rglob("*.pcap")
    return read(path)


def read(path: Path) -> list[Stream]:
    """Read one of rtpengine's files: pcap of raw IPv4 and UDP."""
    octets = path.read_bytes()
    if struct.unpack_from("<I", octets, 20)[0] != RAW_IP:
        raise ValueError(f"{path}: not a capture of raw IP")
    payloads: dict[tuple[str, int], list[bytes]] = {}
    at = PCAP_HEADER
    while at + 16 <= len(octets):
        length = struct.unpack_from("<I", octets, at + 8)[0]
        packet = octets[at + 16 : at + 16 + length]
        at += 16 + length
        rtp = packet[28:]
        if len(rtp) > 12 and rtp[0] == 0x80 and rtp[1] & 0x7F == PCMU:
            source = ".".join(map(str, packet[12:16])), int.from_bytes(packet[20:22])
            payloads.setdefault(source, []).append(rtp[12:])
    return [Stream(source, len(parts), g711.decode(b"".join(parts))) for source, parts in payloads.items()]
