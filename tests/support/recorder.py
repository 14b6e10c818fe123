"""A handler of connections that keeps what it is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.sip.flow import Flow
    from wic.transport.base import Connection, FlowEnd


class Recorder:
    """A FlowHandler that keeps what it is told, to be waited for."""

    def __init__(self) -> None:
        self.connections: asyncio.Queue[Connection] = asyncio.Queue()
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()
        self.flows: list[Flow] = []
        self.ends: asyncio.Queue[FlowEnd] = asyncio.Queue()
        self.told_twice: list[Flow] = []
        self._gone: set[Flow] = set()

    def opened(self, connection: Connection) -> None:
        self.connections.put_nowait(connection)

    def received(self, flow: Flow, data: bytes) -> None:
        self.flows.append(flow)
        self.messages.put_nowait(data)

    def closed(self, flow: Flow, end: FlowEnd) -> None:
        if flow in self._gone:
            self.told_twice.append(flow)
        self._gone.add(flow)
        self.ends.put_nowait(end)
