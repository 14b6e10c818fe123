"""Peers that live as long as a test; their logs are shown if it fails."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from .peers.process import Peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator

P = TypeVar("P", bound=Peer)
TEST_SECONDS = 90
LOG_LINES = 60


class Peers:
    """Starter of real programs in the directory of a test."""

    def __init__(self, directory: Path, stack: AsyncExitStack) -> None:
        self.directory = directory
        self.started: list[Peer] = []
        self._stack = stack

    async def start(self, peer: P) -> P:
        """Start a peer, and stop it at the end of the test."""
        self.started.append(peer)
        started: Peer = peer
        await self._stack.enter_async_context(started)
        return peer


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[Peers]:
    """Starter of peers for one test."""
    async with AsyncExitStack() as stack:
        yield Peers(tmp_path, stack)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test here the time that real programs take."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the logs of the peers to the report of a failure."""
    report = yield
    found = getattr(item, "funcargs", {}).get("peers")
    if report.failed and isinstance(found, Peers):
        report.sections += [(f"{peer.name}: {peer.log}", peer.tail(LOG_LINES)) for peer in found.started]
    return report
