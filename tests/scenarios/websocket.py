"""Reader of WebSocket frames (RFC 6455 §5.2) that is independent of the library that wrote them."""

from __future__ import annotations

from dataclasses import dataclass

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


@dataclass(frozen=True)
class Frame:
    opcode: int
    masked: bool
    payload: bytes


class FrameReader:
    """Reader of one direction of a connection, the HTTP head first."""

    def __init__(self) -> None:
        self.head: bytes = b""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        self._buffer += data
        if not self.head:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return []
            self.head = bytes(self._buffer[: end + 4])
            del self._buffer[: end + 4]
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> Frame | None:
        data = self._buffer
        if len(data) < 2:
            return None
        assert data[0] & 0xF0 == 0x80, "one frame a message, nothing negotiated that changes it"
        masked, length, at = bool(data[1] & 0x80), data[1] & 0x7F, 2
        if length >= 126:
            octets = 2 if length == 126 else 8
            length, at = int.from_bytes(data[2 : 2 + octets], "big"), 2 + octets
        key, at = (bytes(data[at : at + 4]), at + 4) if masked else (b"\0\0\0\0", at)
        if len(data) < at + length:
            return None
        payload = bytes(octet ^ key[index % 4] for index, octet in enumerate(data[at : at + length]))
        opcode = data[0] & 0x0F
        del data[: at + length]
        return Frame(opcode, masked, payload)
