from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import trustme

from wic.transport import tls

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

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


@pytest.fixture
def recorder() -> Callable[[], Recorder]:
    return Recorder


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a CA and certificates of 127.0.0.1 (server), of a client, and of another host."""
    directory = tmp_path_factory.mktemp("authority")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(directory / "ca.pem")
    for name, identity in (("server", "127.0.0.1"), ("client", "client.example"), ("other", "other.example")):
        ca.issue_cert(identity).private_key_and_cert_chain_pem.write_to_path(directory / f"{name}.pem")
    return directory


@pytest.fixture(scope="session")
def server_tls(authority: Path) -> ssl.SSLContext:
    return tls.server_context(certificate=authority / "server.pem")


@pytest.fixture(scope="session")
def client_tls(authority: Path) -> ssl.SSLContext:
    return tls.client_context(ca=authority / "ca.pem")
