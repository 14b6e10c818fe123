"""Tasks that have an owner: nothing runs on after the client is closed."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine

_log = logging.getLogger(__name__)


class TaskSet:
    """Runs tasks until it is closed; a task that fails is logged and harms no other."""

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], bool] = {}  # whether it is lasting

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[None, None, None], name: str, *, lasting: bool = False) -> asyncio.Task[None]:
        """Start a task; a lasting one is not cancelled when the set is closed, but waited for."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[task] = lasting
        task.add_done_callback(self._done)
        return task

    async def close(self) -> None:
        """Cancel what runs, but for lasting tasks, and return when all have ended."""
        tasks = tuple(self._tasks.items())
        for task, lasting in tasks:
            if not lasting:
                task.cancel()
        await asyncio.gather(*(task for task, _ in tasks), return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed", task.get_name(), exc_info=error)
