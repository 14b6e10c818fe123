"""TCP relay between a WIC and its server that a test can cut; the bytes of TLS pass unchanged."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from .process import free_port

if TYPE_CHECKING:
    from types import TracebackType

CHUNK = 65536


class Cable:
    """Relay of TCP connections to a port of loopback."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.carried = 0
        """Connections so far."""
        self._target = target
        self._ends: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Abort all connections in both directions; later connections are relayed again."""
        for end in self._ends:
            end.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.carried += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        ends = {writer, far_writer}
        self._ends |= ends
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            self._ends -= ends
            for end in ends:
                end.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
