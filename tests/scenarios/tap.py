"""Tap on W2: terminates the TLS of a WIC, forwards every byte to the eP-CSCF, and records the messages."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self

from .messages import Message
from .websocket import BINARY, CLOSE, TEXT, Frame, FrameReader

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

_PATIENCE = 20.0


class Session:
    """One connection through the tap."""

    def __init__(self, port: int) -> None:
        self.port = port
        """Source port of the WIC as the eP-CSCF sees it."""
        self.messages: list[Message] = []
        self.sent: list[Message] = []
        """Messages of the WIC."""
        self.received: list[Message] = []
        """Messages of the eP-CSCF."""
        self.closing: list[str] = []
        """Senders of Close frames, in order of time."""
        self.from_wic, self.from_epcscf = FrameReader(), FrameReader()
        self.is_over = False

    def take(self, *, from_wic: bool, data: bytes) -> None:
        reader = self.from_wic if from_wic else self.from_epcscf
        for frame in reader.feed(data):
            # RFC 6455 §5.1: a client masks every frame, a server none.
            assert frame.masked is from_wic
            self._frame(frame, from_wic=from_wic)

    def _frame(self, frame: Frame, *, from_wic: bool) -> None:
        if frame.opcode == CLOSE:
            self.closing.append("WIC" if from_wic else "eP-CSCF")
        elif frame.opcode in (TEXT, BINARY) and frame.payload.strip():
            message = Message(frame.payload)
            self.messages.append(message)
            (self.sent if from_wic else self.received).append(message)


class Tap:
    """Listener in a thread of its own; the command keeps the main thread, as for users."""

    def __init__(self, upstream: int, server: ssl.SSLContext, client: ssl.SSLContext) -> None:
        self.sessions: list[Session] = []
        self.faults: list[BaseException] = []
        self._upstream, self._server_context, self._client_context = upstream, server, client
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tap")
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._do(
            asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._server_context), self._loop
        )
        self.url = f"wss://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close(), self._loop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        assert not self.faults, self.faults

    @property
    def session(self) -> Session:
        """The only connection so far."""
        (session,) = self.sessions
        return session

    def cut(self) -> None:
        """Cut all connections, without a Close frame."""
        self._do(self._cut(), self._loop)

    def wait(self, holds: Callable[[Self], object]) -> None:
        """Wait until a condition on the recorded messages holds."""
        with self._changed:
            assert self._changed.wait_for(lambda: holds(self), _PATIENCE), self.transcript()

    def wait_for(self, status: int, method: str, *, times: int = 1) -> Message:
        """Wait until the WIC has received so many such responses, over any connection; return the last one."""

        def found() -> list[Message]:
            received = [each for session in self.sessions for each in session.received]
            return [each for each in received if (each.status, each.method) == (status, method)]

        self.wait(lambda _: len(found()) >= times)
        return found()[times - 1]

    def transcript(self) -> str:
        """Return all messages so far, for the report of a failure."""
        return "\n\n".join(each.raw.decode() for session in self.sessions for each in session.messages)

    @staticmethod
    def _do(work, loop):
        return asyncio.run_coroutine_threadsafe(work, loop).result(_PATIENCE)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await self._connect()
        session = Session(far_writer.get_extra_info("sockname")[1])
        self.sessions.append(session)
        self._writers |= {writer, far_writer}
        for source, target, from_wic in ((reader, far_writer, True), (far_reader, writer, False)):
            pump = asyncio.ensure_future(self._pump(session, source, target, from_wic=from_wic))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the eP-CSCF as soon as it listens."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                try:
                    return await asyncio.open_connection(
                        "127.0.0.1", self._upstream, ssl=self._client_context, server_hostname="127.0.0.1"
                    )
                except ConnectionRefusedError:
                    await asyncio.sleep(0.05)

    async def _pump(
        self, session: Session, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, from_wic: bool
    ) -> None:
        try:
            while data := await source.read(65536):
                with self._changed:
                    session.take(from_wic=from_wic, data=data)
                    self._changed.notify_all()
                target.write(data)
        except OSError:  # cut
            pass
        except AssertionError as fault:
            self.faults.append(fault)
        finally:
            target.close()
            with self._changed:
                session.is_over = True
                self._changed.notify_all()

    async def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _close(self) -> None:
        self._server.close()
        await self._cut()
        if self._pumps:
            await asyncio.wait(self._pumps, timeout=2)
