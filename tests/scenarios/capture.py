"""Reader of pcapng files with exported PDUs, for the messages on Mw."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .messages import Message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ENHANCED_PACKET = 6
_SOURCE_PORT, _TARGET_PORT = 25, 26


@dataclass(frozen=True)
class Captured:
    source: int
    """Source port."""
    target: int
    message: Message


def read_capture(path: Path) -> Iterator[Captured]:
    """Yield the SIP messages that the file holds so far."""
    data, at = path.read_bytes(), 0
    while at + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if at + length > len(data):
            return
        if kind == _ENHANCED_PACKET:
            (size,) = struct.unpack_from("<I", data, at + 20)
            yield _exported(data[at + 28 : at + 28 + size])
        at += length


def _exported(packet: bytes) -> Captured:
    tags: dict[int, bytes] = {}
    at = 0
    while True:
        kind, length = struct.unpack_from(">HH", packet, at)
        at += 4
        if kind == 0:
            break
        tags[kind] = packet[at : at + length]
        at += length
    ports = (int.from_bytes(tags[kind], "big") for kind in (_SOURCE_PORT, _TARGET_PORT))
    return Captured(*ports, Message(packet[at:]))
