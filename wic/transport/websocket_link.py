"""Client and server end of a SIP over WebSocket connection (RFC 7118, RFC 6455).

Frames are the work of the sans-I/O classes of `websockets`; what they say is told to the link here.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from websockets.exceptions import InvalidHandshake, InvalidStatus, PayloadTooBig
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Protocol as Framing
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from wic.errors import HandshakeRejected
from wic.sip.framing import CrlfKeepAlive, keep_alive
from wic.sip.masking import masked
from wic.transport.base import EndedBy, KeepAlive, LinkOptions
from wic.transport.link import ENDING, Link, LinkState

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    from websockets.client import ClientProtocol

    from wic.transport.base import FlowHandler
    from wic.transport.tls import TlsPipe

# RFC 7118 §4: the subprotocol that both ends must name.
SIP = Subprotocol("sip")

# The library would log whole handshakes at DEBUG, with credentials and cookies in them.
frames_log = logging.getLogger(f"{__name__}.frames")
frames_log.setLevel(logging.WARNING)

_CLOSE_REASON_OCTETS = 123
_KEEP_ALIVE = KeepAlive()
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


@dataclass(frozen=True, kw_only=True, slots=True)
class FramingOptions(LinkOptions):
    """Options of both ends of a WebSocket connection."""

    max_message: int = 128 * 1024
    """Octets of one message, fragments together; more closes the connection with 1009."""
    max_fragments: int = 1024
    """Frames of one message."""
    keep_alive: KeepAlive | None = _KEEP_ALIVE


class WebSocketLink(Link):
    """One end of a SIP over WebSocket connection, after its handshake."""

    __slots__ = ("_fragments", "_framing", "_max_fragments")

    scheme = "WS"
    secure_scheme = "WSS"

    def __init__(
        self,
        framing: Framing,
        *,
        handler: FlowHandler,
        options: FramingOptions,
        pipe: TlsPipe | None,
        lost: Callable[[Link], None] | None = None,
    ) -> None:
        super().__init__(handler=handler, options=options, pipe=pipe, lost=lost)
        self._framing = framing
        self._max_fragments = options.max_fragments
        self._fragments: list[Frame] = []

    def send(self, data: bytes) -> None:
        """Send one SIP message, as text if it is text (RFC 7118 §4.2: both must be understood)."""
        if self._state is not LinkState.OPEN or self._framing.state is not State.OPEN:
            return
        # RFC 6455 §5.6: text frames hold UTF-8 only, a SIP message octets of any kind.
        if data.isascii() or _is_utf8(data):
            self._framing.send_text(data)
        else:
            self._framing.send_binary(data)
        self._flush()

    def eof_received(self) -> bool:
        """Let an answer that ends with the connection be read as one."""
        if self._state is LinkState.GREETING:  # RFC 9112 §6.3: an HTTP body may be as long as the connection
            self._framing.receive_eof()
            self._step()
        return super().eof_received()

    def _plain_received(self, data: bytes) -> None:
        self._framing.receive_data(data)
        self._step()

    def _step(self) -> None:
        for event in self._framing.events_received():
            # RFC 6455 §5.5: Ping, Pong and Close frames are answered by the library; they only come here to be passed over.
            if isinstance(event, Frame):
                self._frame_received(event)
            else:
                self._handshake_received(event)
                event.headers.clear()  # the library keeps it as long as the connection lasts
        self._flush()
        if self._state not in ENDING and self._framing.close_expected():
            self._see_end()

    @abstractmethod
    def _handshake_received(self, event: Request | Response) -> None:
        """Take the peer's part of the handshake."""

    def _frame_received(self, frame: Frame) -> None:
        if self._state is not LinkState.OPEN or frame.opcode not in _DATA:
            return
        self._fragments.append(frame)
        if frame.fin:
            fragments, self._fragments = self._fragments, []
            self._message_received(fragments)
        elif len(self._fragments) >= self._max_fragments:
            # RFC 6455 §7.4.1: 1008 is for what no other code fits.
            self._violated(CloseCode.POLICY_VIOLATION, f"a message of more than {self._max_fragments} fragments")

    def _message_received(self, fragments: list[Frame]) -> None:
        data = bytes(fragments[0].data) if len(fragments) == 1 else b"".join(bytes(part.data) for part in fragments)
        if fragments[0].opcode is Opcode.TEXT and not (data.isascii() or _is_utf8(data)):
            # RFC 6455 §8.1: text that is not UTF-8 fails the connection.
            self._violated(CloseCode.INVALID_DATA, "text that is not UTF-8")
        elif (crlf := keep_alive(data)) is CrlfKeepAlive.PING:
            # RFC 7118 §6: a server may also be asked by CRLFCRLF in a message of its own.
            self.send(CrlfKeepAlive.PONG.value)
        elif crlf is None and data:
            self._handler.received(self.flow, data)

    def _violated(self, code: CloseCode, words: str) -> None:
        """Close the connection, for the peer broke a rule."""
        self._framing.fail(code, words)
        self._flush()
        self._end(EndedBy.LOCAL, words, code)

    def _see_end(self) -> None:
        """End the flow with the cause for which the framing closes: the peer asked for it, or broke its rules."""
        received, sent = self._framing.close_rcvd, self._framing.close_sent
        if received is not None and self._framing.parser_exc is None:
            self._end(EndedBy.PEER, _reason(received.code, received.reason), received.code)
        elif isinstance(self._framing.parser_exc, PayloadTooBig):
            words = f"a message of more than {self._framing.max_message_size} bytes"  # RFC 6455 §7.4.1: 1009
            self._end(EndedBy.LOCAL, words, CloseCode.MESSAGE_TOO_BIG)
        elif sent is not None:
            self._end(EndedBy.LOCAL, f"broken WebSocket frames: {sent.reason}", sent.code)
        else:
            self._end(EndedBy.LOCAL, "the peer does not speak WebSocket")

    def _flush(self) -> None:
        chunks = self._framing.data_to_send()
        if data := b"".join(chunks):
            self._write(data)
        # The library marks the end of what it sends by an empty chunk.
        if b"" in chunks:
            self._half_close()

    def _say_goodbye(self, reason: str) -> None:
        if self._framing.state is not State.OPEN:  # RFC 6455 §5.5.1: one Close frame, and nothing after it
            return
        # RFC 6455 §5.5.1: the reason is at most 123 bytes of UTF-8.
        fitting = reason.encode()[:_CLOSE_REASON_OCTETS].decode(errors="ignore")
        self._framing.send_close(CloseCode.NORMAL_CLOSURE, fitting)
        self._flush()

    def _ping(self) -> None:
        if self._keep_alive is not None and self._keep_alive.crlf:  # RFC 5626 §3.5.1, RFC 7118 §6
            self.send(CrlfKeepAlive.PING.value)
        else:
            self._framing.send_ping(b"")  # RFC 6455 §5.5.2
            self._flush()


class WebSocketServerLink(WebSocketLink):
    """Server end."""

    __slots__ = ("_path",)

    _framing: ServerProtocol

    def __init__(
        self,
        *,
        path: str | None,
        origins: tuple[str | re.Pattern[str] | None, ...] | None,
        handler: FlowHandler,
        options: FramingOptions,
        pipe: TlsPipe | None,
        lost: Callable[[Link], None],
    ) -> None:
        framing = ServerProtocol(
            origins=origins,  # type: ignore[arg-type]  # an Origin is a str to type checkers only
            subprotocols=[SIP],
            max_size=options.max_message,
            logger=frames_log,
        )
        super().__init__(framing, handler=handler, options=options, pipe=pipe, lost=lost)
        self._path = path

    def _greet(self) -> None:
        """Wait for the client's request."""

    def _plain_received(self, data: bytes) -> None:
        # Frames right behind the request are for an open connection, so the request is answered first.
        start = 0
        while start < len(data) and self._state is LinkState.GREETING:
            end = data.find(b"\n", start) + 1 or len(data)
            super()._plain_received(data[start:end])
            start = end
        if start < len(data):
            super()._plain_received(data[start:])

    def _handshake_received(self, event: Request | Response) -> None:
        assert isinstance(event, Request)
        # The path is the server's to choose (RFC 6455 §3); a query behind it is the client's.
        if self._path is not None and event.path.partition("?")[0] != self._path:
            response = self._framing.reject(404, "There is no SIP at this path.\n")
        else:
            response = self._framing.accept(event)  # RFC 6455 §4.2.2: 400 without the subprotocol, 403 by Origin
        self._framing.send_response(response)
        self._flush()
        if response.status_code == 101:
            self._opened()
        else:
            self._fail(HandshakeRejected(f"answered the handshake with HTTP {response.status_code}"))


class WebSocketClientLink(WebSocketLink):
    """Client end."""

    __slots__ = ("_request",)

    _framing: ClientProtocol

    def __init__(
        self,
        framing: ClientProtocol,
        *,
        request: tuple[bytes, bytes],
        handler: FlowHandler,
        options: FramingOptions,
        pipe: TlsPipe | None,
    ) -> None:
        super().__init__(framing, handler=handler, options=options, pipe=pipe)
        self._request = request

    def _greet(self) -> None:
        before, after = self._request
        self._write(before + self._framing.key.encode() + after)

    def _handshake_received(self, event: Request | Response) -> None:
        if self._framing.handshake_exc is not None:
            self._refused(self._framing.handshake_exc)
        elif self._framing.subprotocol != SIP:
            # RFC 7118 §4.1: a server that does not name the subprotocol does not speak it.
            self._fail(HandshakeRejected("it does not offer SIP over WebSocket (no subprotocol 'sip')"))
            self._framing.fail(CloseCode.PROTOCOL_ERROR, "no subprotocol sip")
        else:
            self._opened()

    def _see_end(self) -> None:
        if self._framing.handshake_exc is not None:
            self._refused(self._framing.handshake_exc)
        else:
            super()._see_end()

    def _refused(self, cause: Exception) -> None:
        if isinstance(cause, InvalidStatus):
            words = f"it answered the WebSocket handshake with HTTP {cause.response.status_code}"
        elif isinstance(cause, InvalidHandshake) and "subprotocol" in str(cause):
            words = "it does not offer SIP over WebSocket (no subprotocol 'sip')"
        else:
            words = "it is not a WebSocket server"
        self._fail(HandshakeRejected(words))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _reason(code: int, reason: str) -> str:
    if reason:
        return masked(reason)  # it goes into logs and sentences
    try:
        return CloseCode(code).name.replace("_", " ").lower()
    except ValueError:
        return "no reason given"
