"""One TCP connection, bare or in TLS, under a protocol of messages.

A link has one deadline at a time: that of the handshakes (TCP, TLS and the message protocol together), then that of the
keep-alive, then that of the farewell. Its flow ends for its users when it is of no use any more, which may be long before
the socket is gone: `FlowHandler.closed` is called on the way into CLOSING, with the first cause that was seen.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from abc import ABC, abstractmethod
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Final, cast

from wic.errors import ConnectFailed, HandshakeRejected, TransportError
from wic.sip.flow import Flow
from wic.sip.state_table import MachineEnum, StateTable
from wic.transport.alarms import Deadline, alarms
from wic.transport.base import EndedBy, FlowEnd
from wic.transport.tls import explain

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from wic.transport.alarms import Alarm
    from wic.transport.base import FlowHandler, KeepAlive, LinkOptions
    from wic.transport.tls import TlsPipe

_log = logging.getLogger(__name__)
_flow_ids = count(1)


class LinkState(MachineEnum):
    """State of a link."""

    SECURING = "Securing"
    """TCP is connected, TLS is not up yet."""
    GREETING = "Greeting"
    """The message protocol's own handshake is under way."""
    OPEN = "Open"
    CLOSING = "Closing"
    """The flow is gone for its users; the peer is given a moment to take the farewell."""
    CLOSED = "Closed"


ENDING: Final = (LinkState.CLOSING, LinkState.CLOSED)
"""States of a link whose flow has ended."""


class LinkInput(MachineEnum):
    """Input of a link's machine."""

    SECURED = "TLS is up, or there is none"
    OPENED = "the message protocol's handshake is done"
    ENDED = "closed or aborted here, ended by the peer, or failed"
    LOST = "the socket is gone"


_S, _I = LinkState, LinkInput

LINK: Final = StateTable(
    name="Link",
    clause="RFC 7118 §4, RFC 6455 §7.1",
    initial=LinkState.SECURING,
    final=LinkState.CLOSED,
    rows={
        (_S.SECURING, _I.SECURED): LinkState.GREETING,  # RFC 8446 §4.4.4: both Finished messages are there
        (_S.SECURING, _I.ENDED): LinkState.CLOSING,
        (_S.GREETING, _I.OPENED): LinkState.OPEN,  # RFC 7118 §4; on TCP and TLS at once
        (_S.GREETING, _I.ENDED): LinkState.CLOSING,
        (_S.OPEN, _I.ENDED): LinkState.CLOSING,  # RFC 6455 §7.1.2, §7.1.7
        (_S.CLOSING, _I.LOST): LinkState.CLOSED,
    },
)
"""States of a link; an input without a row changes nothing, so that the first cause of an end is the one that counts."""


class Link(asyncio.Protocol, ABC):
    """Base of WebSocket and stream connections.

    A subclass writes by `_write`, calls `_opened` when messages may flow and `_end` when they may not,
    and fills in `send`, `_greet`, `_plain_received`, `_say_goodbye` and `_ping`.
    """

    __slots__ = (
        "__weakref__", "_alarms", "_asked", "_closed", "_failure", "_finished", "_flow", "_handler", "_heard",
        "_keep_alive", "_lost", "_options", "_pipe", "_ready", "_state", "_timer", "_transport",
    )  # fmt: skip

    scheme: str
    """The transport's name without TLS, for the flow."""
    secure_scheme: str
    """The transport's name with TLS."""

    def __init__(
        self,
        *,
        handler: FlowHandler,
        options: LinkOptions,
        pipe: TlsPipe | None,
        lost: Callable[[Link], None] | None = None,
    ) -> None:
        """Prepare for a TCP connection.

        Args:
            handler: told about the flow.
            options: its limits.
            pipe: this end of TLS, if there is to be TLS.
            lost: called when the socket is gone.
        """
        self._alarms = alarms()
        self._handler = handler
        self._options = options
        self._keep_alive = options.keep_alive
        self._pipe = pipe
        self._ready: asyncio.Future[None] | None = None  # made by the one that waits for a dialled link to open
        self._lost = lost
        self._state = LinkState.SECURING
        self._transport: asyncio.Transport | None = None
        self._flow: Flow | None = None
        self._timer: Alarm | None = None
        self._failure: TransportError | None = None
        self._closed: asyncio.Future[None] | None = None
        self._finished = False
        self._heard = False
        self._asked = False

    # for its users

    @property
    def flow(self) -> Flow:
        """The address of this connection for the pure side; only once opened."""
        assert self._flow is not None, "the flow has an address once it is open"
        return self._flow

    @property
    def state(self) -> LinkState:
        """The state of the link."""
        return self._state

    @property
    def was_open(self) -> bool:
        """Whether messages could ever flow."""
        return self._flow is not None

    async def connect(self, dialled: Awaitable[socket.socket], server: str) -> None:
        """Wait for a socket to `server`, and until messages may flow over it.

        Raises:
            ConnectFailed: they cannot; the message says why in one sentence.
            HandshakeRejected: the server does not speak the message protocol.
        """
        loop = asyncio.get_running_loop()
        self._ready = ready = loop.create_future()
        timeout = self._options.open_timeout
        try:
            with Deadline(timeout):
                sock = await dialled
                try:
                    await loop.create_connection(lambda: self, sock=sock)
                    await ready
                except (ConnectFailed, HandshakeRejected) as error:
                    raise type(error)(f"{server} cannot be used: {error}.") from None
                except asyncio.CancelledError:
                    ready.cancel()  # the end of the socket is told to no one
                    self.abort("not wanted any more")
                    raise
        except TimeoutError:
            raise ConnectFailed(f"{server} did not answer within {timeout:g} s.") from None

    async def close(self, reason: str = "") -> None:
        """End the connection with a farewell to the peer, and return when its socket is gone."""
        if self._state is LinkState.CLOSED:
            return
        # Several callers may wait; the future is made for the first, for most links are never closed from here.
        if self._closed is None:
            self._closed = asyncio.get_running_loop().create_future()
        if self._state in (LinkState.SECURING, LinkState.GREETING):
            self.abort(reason)
        elif self._state is LinkState.OPEN:  # in CLOSING the farewell has been said
            self._say_goodbye(reason)
            self._end(EndedBy.LOCAL, reason or "closed")
        await asyncio.shield(self._closed)

    def abort(self, reason: str = "") -> None:
        """End the connection at once, without a farewell."""
        self._end(EndedBy.LOCAL, reason or "aborted")
        if self._transport is not None:
            self._transport.abort()

    def keep_alive(self, how: KeepAlive | None) -> None:
        """Send keep-alives by other rules from now on; None sends none."""
        if how == self._keep_alive:
            return
        self._keep_alive = how
        if self._state is LinkState.OPEN:  # before that the deadline is the handshake's
            self._asked = False
            self._arm_keep_alive()

    # for a subclass to fill in

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Send one SIP message without waiting."""

    @abstractmethod
    def _greet(self) -> None:
        """Begin the message protocol's own handshake."""

    @abstractmethod
    def _plain_received(self, data: bytes) -> None:
        """Take bytes from the peer, decrypted."""

    @abstractmethod
    def _say_goodbye(self, reason: str) -> None:
        """Tell the peer that this side ends the connection."""

    @abstractmethod
    def _ping(self) -> None:
        """Ask a silent peer whether it is there."""

    # for a subclass to call

    def _opened(self) -> None:
        """Let messages flow."""
        if not self._move(LinkInput.OPENED):
            return  # the end came first
        transport = self._socket()
        self._flow = Flow(
            self.scheme if self._pipe is None else self.secure_scheme,
            _address(transport.get_extra_info("sockname")),
            _address(transport.get_extra_info("peername")),
            str(next(_flow_ids)),
        )
        self._arm_keep_alive()
        if self._ready is not None:
            if not self._ready.done():
                self._ready.set_result(None)
            self._ready = None
        self._handler.opened(self)

    def _end(self, by: EndedBy, reason: str, code: int | None = None) -> None:
        """Let no more messages flow; only the first end counts."""
        was_open = self._state is LinkState.OPEN
        if not self._move(LinkInput.ENDED):
            return
        self._arm(self._options.close_timeout, self._give_up)
        if was_open:  # a flow that never opened has none to tell
            self._handler.closed(self.flow, FlowEnd(by, reason, code))

    def _fail(self, failure: TransportError) -> None:
        """End a handshake that cannot succeed."""
        self._failure = failure
        self._end(EndedBy.LOCAL, str(failure))

    def _write(self, data: bytes) -> None:
        if self._pipe is not None:
            self._pipe.send(data)
            data = self._pipe.outgoing.read()
        transport = self._socket()
        # A socket that has failed takes nothing more; asyncio would log each attempt until it tells of the end.
        if not self._finished and not transport.is_closing():
            transport.write(data)
        # `send` does not wait, so that a peer that does not read would fill the memory.
        waiting = transport.get_write_buffer_size()
        if waiting > self._options.send_limit:
            self.abort(f"the peer reads too slowly, {waiting} bytes wait")

    def _half_close(self) -> None:
        """Say that nothing more will be sent."""
        if self._pipe is not None:
            self._pipe.finish()
            self._put(self._pipe.outgoing.read())
        transport = self._socket()
        if not self._finished and not transport.is_closing():
            # A socket that the peer has reset meanwhile cannot be shut down; its end is told all the same.
            with suppress(OSError):
                transport.write_eof()
        self._finished = True

    # called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start TLS, or the message protocol where there is none."""
        self._transport = cast("asyncio.Transport", transport)
        if self._ready is None:  # else `connect` has begun that wait with the dialling
            self._arm(self._options.open_timeout, self._open_too_slow)
        if self._pipe is None:
            self._secured()
            return
        try:
            self._pipe.start()
        except ssl.SSLError as error:
            self._tls_failed(error, self._pipe)
        self._put(self._pipe.outgoing.read())

    def data_received(self, data: bytes) -> None:
        """Decrypt what came, and pass it up."""
        self._heard = True  # RFC 5626 §4.4.1: also what is no answer to a keep-alive
        if self._pipe is not None:
            self._encrypted_received(self._pipe, data)
        else:
            self._plain_received(data)

    def eof_received(self) -> bool:
        """End the flow, for the peer sends no more; returning False lets asyncio close the socket."""
        if self._state is LinkState.SECURING:
            # Mostly a server that wants a client certificate, or speaks no TLS.
            self._fail(ConnectFailed("it closed the connection during the TLS handshake"))
        self._end(EndedBy.PEER, "the connection was closed")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything, for the socket is gone."""
        self._end(*_cause(exc))
        self._move(LinkInput.LOST)
        self._disarm()
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(self._failure or ConnectFailed("it closed the connection during the handshake"))
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
        if self._lost is not None:
            self._lost(self)
        # The handler may keep the link; what it refers to can go.
        self._transport = self._pipe = self._ready = self._lost = None

    # inside

    def _socket(self) -> asyncio.Transport:
        assert self._transport is not None, "nothing is written before the TCP connection is there, or after its end"
        return self._transport

    def _move(self, given: LinkInput) -> bool:
        """Take an input; return whether it changed the state."""
        following = LINK.rows.get((self._state, given))
        if following is None:
            return False
        _log.debug("%s link %s -> %s", self.scheme, self._state, following)
        self._state = following
        return True

    def _secured(self) -> None:
        self._move(LinkInput.SECURED)
        self._greet()

    def _encrypted_received(self, pipe: TlsPipe, data: bytes) -> None:
        try:
            plain = pipe.receive(data)
        except ssl.SSLError as error:
            self._tls_failed(error, pipe)
            return
        if pipe.established and self._state is LinkState.SECURING:
            self._secured()  # a client's first words leave together with the end of its TLS handshake
        if pipe.outgoing.pending:
            self._put(pipe.outgoing.read())
        if plain:
            self._plain_received(plain)
        if pipe.peer_closed:  # RFC 8446 §6.1: close_notify
            self.eof_received()
            self._socket().close()

    def _put(self, data: bytes) -> None:
        if data and not self._finished:
            self._socket().write(data)

    def _tls_failed(self, error: ssl.SSLError, pipe: TlsPipe) -> None:
        words = explain(error)
        _log.debug("TLS with %s failed: %s", self._socket().get_extra_info("peername"), words)
        if self.was_open:
            self._end(EndedBy.NETWORK, words)
        else:
            self._fail(ConnectFailed(words))
        # RFC 8446 §6.2: the alert that tells the peer is still to be sent.
        self._put(pipe.outgoing.read())
        self._socket().close()

    def _open_too_slow(self, now: float) -> None:
        self._fail(ConnectFailed(f"no handshake within {self._options.open_timeout:g} s"))
        self._give_up(now)

    def _give_up(self, _: float) -> None:
        self._timer = None
        if self._transport is not None:
            self._transport.abort()

    # keep-alive

    def _arm_keep_alive(self) -> None:
        self._disarm()
        if self._keep_alive is not None:
            self._arm(self._keep_alive.every, self._check_peer)

    def _check_peer(self, now: float) -> None:
        """Ask a peer that was not heard since the last check; end the flow if it does not answer (RFC 5626 §4.4.1)."""
        keep_alive = self._keep_alive
        assert keep_alive is not None, "no check is armed without rules"
        heard, self._heard = self._heard, False
        if heard:
            # RFC 5626 §4.4.1: anything that the peer sends shows that it is alive.
            waited = keep_alive.answer_within if self._asked else 0.0
            self._asked = False
            self._arm(max(0.0, keep_alive.every - waited), self._check_peer)
        elif self._asked:  # RFC 5626 §4.4.1: the flow is dead
            self._end(EndedBy.NETWORK, f"no answer to a keep-alive within {keep_alive.answer_within:g} s")
            self._give_up(now)
        else:
            self._asked = True
            self._arm(keep_alive.answer_within, self._check_peer)
            self._ping()

    def _arm(self, delay: float, action: Callable[[float], None]) -> None:
        self._disarm()
        self._timer = self._alarms.call_later(delay, action)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _address(name: tuple[str, int] | tuple[str, int, int, int] | None) -> tuple[str, int]:
    """Take host and port from a socket's name; a socket that died meanwhile has none."""
    return (name[0], name[1]) if name else ("", 0)


def _cause(exc: Exception | None) -> tuple[EndedBy, str]:
    if exc is None:
        return EndedBy.PEER, "the connection was closed"
    if isinstance(exc, ConnectionResetError | BrokenPipeError):
        return EndedBy.PEER, "the connection was reset"
    return EndedBy.NETWORK, str(exc) or type(exc).__name__
