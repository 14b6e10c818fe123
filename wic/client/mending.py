"""The search for another connection, or another token, while a client has none that serves."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from wic.client.events import ConnectionLost, ConnectionRestored
from wic.errors import WicError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.aio import TaskSet
    from wic.client.access import Access
    from wic.client.events import ClientEvent

__all__ = ["Mending"]

_log = logging.getLogger(__name__)


class Mending:
    """Tries until the user is registered again, or cannot be, and tells how the connection fares."""

    __slots__ = ("_access", "_on_end", "_task", "_tasks", "_tell", "is_cut")

    def __init__(
        self,
        access: Access,
        *,
        tasks: TaskSet,
        tell: Callable[[ClientEvent], None],
        on_end: Callable[[WicError | None], None],
    ) -> None:
        """Rest until there is something to mend.

        Args:
            access: what is tried.
            tasks: runs the search.
            tell: hears of connections lost and restored.
            on_end: called when the user is registered again, or with the error that makes it impossible.
        """
        self._access = access
        self._tasks = tasks
        self._tell = tell
        self._on_end = on_end
        self._task: asyncio.Task[None] | None = None
        self.is_cut = False
        """Whether the connection was lost and is not restored yet."""

    def begin(self, wait: float) -> None:
        """Look for what is missing, after some seconds."""
        self._task = self._tasks.start(self._mend(wait), "reconnection")

    def lose(self, server: str, error: WicError, wait: float) -> None:
        """Tell that there is no connection that serves, and look for one."""
        self.is_cut = True
        _log.info("%s; trying %s in %.1f s", error, self._access.servers.current, wait)
        self._tell(ConnectionLost(server, error, wait))
        self.begin(wait)

    def note_cut(self, error: WicError) -> None:
        """Tell that the connection is gone, if it was there until now."""
        if not self.is_cut:
            self.is_cut = True
            self._tell(ConnectionLost(self._access.servers.current, error, 0.0))

    def note_restored(self) -> None:
        """Tell that the user is registered over a connection again, if there was none until now."""
        if self.is_cut:
            self.is_cut = False
            self._tell(ConnectionRestored(self._access.servers.current))

    def cancel(self) -> None:
        """Give up the search, unless it is what has come to an end."""
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    async def stop(self) -> None:
        """Give up the search, and wait until it is given up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _mend(self, wait: float) -> None:
        try:
            if self.is_cut:
                await self._access.hang_up("another server is tried")
            await self._search(wait)
        except WicError as error:
            self._on_end(error)
        else:
            self._on_end(None)
        finally:
            self._task = None

    async def _search(self, wait: float) -> None:
        servers = self._access.servers
        await asyncio.sleep(wait)
        while not (trial := await self._access.attempt(patient=True)).kept:
            assert trial.error is not None
            if not trial.elsewhere:
                raise trial.error
            self.note_cut(trial.error)
            servers.failed()
            wait = servers.wait(retry_after=trial.retry_after)
            _log.warning("%s; trying %s in %.0f s", trial.error, servers.current, wait)
            await asyncio.sleep(wait)
