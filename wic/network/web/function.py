"""What WAF and WWSF are: functions that answer HTTPS and keep a database clean."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from wic.aio import TaskSet
from wic.errors import StorageFailed

if TYPE_CHECKING:
    from types import TracebackType

    from wic.network.web.server import WebServer

_log = logging.getLogger(__name__)

SWEEP = 60.0
"""Seconds between two rounds of removing what is over."""


class WebFunction(ABC):
    """A function as an async context manager, alone on its server or with another one."""

    def __init__(self) -> None:
        self._server: WebServer | None = None
        self._tasks = TaskSet()

    @property
    def url(self) -> str:
        """Where it is, without a slash in the end; the WAF's is its issuer URL, and so its identity."""
        return self._running.url

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._running.port

    @property
    def _running(self) -> WebServer:
        assert self._server is not None, "it is running"
        return self._server

    @abstractmethod
    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigurationError: the port is taken, or the address is not of this machine.
        """

    @abstractmethod
    async def close(self) -> None:
        """Stop listening, and close the database; also after a start that failed."""

    @abstractmethod
    def sweep(self) -> int:
        """Remove what is over; return how many rows there were."""

    def _keep_clean(self) -> None:
        """Sweep now and then, until the tasks are closed."""
        self._tasks.start(self._sweep_again_and_again())

    async def _sweep_again_and_again(self) -> None:
        while True:
            try:
                self.sweep()
            except StorageFailed as error:
                _log.warning("what is over stays for now: %s", error)
            await asyncio.sleep(SWEEP)

    async def __aenter__(self) -> Self:
        """Start."""
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()
