"""Framing of a byte stream by Content-Length (RFC 3261 §18.3), and CRLF keep-alives (RFC 5626 §3.5.1)."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from wic.errors import RemoteProtocolError
from wic.sip.limits import Limits

_LENGTH: Final = re.compile(
    rb"\r\n(?:content-length|l)[ \t]*+:(?:[ \t]|\r\n[ \t])*+([^\r]*+)(?=\r\n(?![ \t]))", re.IGNORECASE
)
_DIGITS: Final = re.compile(rb"([0-9]{1,16})[ \t]*+")
_END: Final = b"\r\n\r\n"
_DEFAULT_LIMITS: Final = Limits()


class FrameRefused(RemoteProtocolError):
    """Stream without a message boundary to be found any more; the connection has to be closed.

    Attributes:
        frames: what came whole before the fault in the same bytes.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, status_hint=None)
        self.frames: list[bytes | CrlfKeepAlive] = []


class CrlfKeepAlive(Enum):
    """CRLF keep-alive, between the messages of a stream or alone in a WebSocket message (RFC 5626 §3.5.1)."""

    PING = b"\r\n\r\n"
    """Sent by the client; to be answered by a PONG."""
    PONG = b"\r\n"
    """The answer of the server."""


def keep_alive(data: bytes) -> CrlfKeepAlive | None:
    r"""Return the keep-alive that `data` is as a whole, or None.

    >>> keep_alive(bytes.fromhex("0d0a0d0a"))
    <CrlfKeepAlive.PING: b'\r\n\r\n'>
    """
    return _KEEP_ALIVES.get(data)


_KEEP_ALIVES: Final = {kind.value: kind for kind in CrlfKeepAlive}


class StreamFramer:
    """Splitter of a byte stream into messages and keep-alives, in time linear in its input."""

    def __init__(self, limits: Limits = _DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._searched = 0
        self._needed = 0
        self._half_ping = False

    def feed(self, data: bytes) -> list[bytes | CrlfKeepAlive]:
        """Take bytes and return what is complete now, in order.

        Raises:
            FrameRefused: no boundary can be found any more and the connection has to be closed; the
                frames that came whole before are on the error.
        """
        self._buffer += data
        frames: list[bytes | CrlfKeepAlive] = []
        start = 0
        try:
            while start < len(self._buffer):
                frame, end = self._next(start)
                if frame is None:
                    break
                frames.append(frame)
                start = end
        except FrameRefused as error:
            error.frames = frames
            raise
        del self._buffer[:start]
        return frames

    @property
    def pending(self) -> int:
        """Octets that wait for the rest of their message."""
        return len(self._buffer)

    def _next(self, start: int) -> tuple[bytes | CrlfKeepAlive | None, int]:
        """Return the frame that begins at `start` and where it ends, or None if it is not complete."""
        if not self._needed:
            between = self._keep_alive(start)
            if between is not None:
                return between
            self._needed = self._size(start)
        if not self._needed or len(self._buffer) - start < self._needed:
            return None, start
        end = start + self._needed
        self._needed = 0
        self._searched = 0
        return bytes(self._buffer[start:end]), end

    def _keep_alive(self, start: int) -> tuple[CrlfKeepAlive | None, int] | None:
        """Read line breaks between messages; None where a message begins.

        A lone CRLF is a PONG at once, because nothing may follow it; should its other half come with
        the next bytes, it was a PING cut in two, and is told then.
        """
        buffer = self._buffer
        if buffer[start] != 0x0D:  # a start line, not a keep-alive
            self._half_ping = False
            return None
        if buffer.startswith(_END, start) and not self._half_ping:
            return CrlfKeepAlive.PING, start + 4  # RFC 5626 §3.5.1
        if buffer.startswith(b"\r\n", start):
            kind = CrlfKeepAlive.PING if self._half_ping else CrlfKeepAlive.PONG
            self._half_ping = not self._half_ping
            return kind, start + 2
        if len(buffer) - start > 1:
            raise FrameRefused("carriage return without line feed between messages")
        return None, start

    def _size(self, start: int) -> int:
        """Return the octets of the message that begins at `start`, or 0 while its head is not complete."""
        head_limit = self._limits.head_size
        end = self._buffer.find(_END, max(start, start + self._searched - 3), start + head_limit + 4)
        if end < 0:
            self._searched = len(self._buffer) - start
            if self._searched > head_limit + 4:  # a peer that never ends its head
                raise FrameRefused(f"head of more than {head_limit} octets")
            return 0
        size = end + 4 - start + self._content_length(bytes(self._buffer[start : end + 2]))
        if size > self._limits.message_size:
            raise FrameRefused(f"message of {size} octets")
        return size

    @staticmethod
    def _content_length(head: bytes) -> int:
        """Return the length of the body; a stream cannot do without (RFC 3261 §20.14)."""
        values = _LENGTH.findall(head)
        match = _DIGITS.fullmatch(values[0]) if len(values) == 1 else None
        if match is None:
            raise FrameRefused("Content-Length missing, repeated or malformed")
        return int(match[1])
