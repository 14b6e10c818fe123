"""Tasks that have an owner."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


class Tasks:
    """The tasks of one object, which ends them when it is closed.

    Unlike a `TaskGroup` it does not need one enclosing block: an entity is opened and closed by callbacks.
    A task that fails with an error nobody foresaw is reported to the event loop at once.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something in the background."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler(
                {"message": f"a task of the network failed: {error}", "exception": error, "task": task}
            )

    async def close(self, *, grace: float = 0.0) -> None:
        """Let what runs end within `grace` seconds, and cancel the rest, but for the caller."""
        own = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not own]
        if tasks and grace:
            await asyncio.wait(tasks, timeout=grace)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
