"""Owned tasks, locks by name and file locks, for every object that lives in an event loop.

A task without an owner outlives the object that started it, and its error is lost. `asyncio.TaskGroup` owns tasks
within one block of code; a client, a call or a network entity is opened and closed by callbacks instead, so it holds a
`TaskSet` and closes it with itself.

File locks are those of the operating system (flock(2)): they end with the process, however that ends, so a crash leaves
nothing to clean up. Two locks of the same file exclude each other within one process too.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from typing import TYPE_CHECKING, Self
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

__all__ = ["FileLock", "KeyedLocks", "TaskSet"]

_POLL = 0.05
"""Seconds between two attempts to take a lock; the operating system offers no event to wait for."""


class TaskSet:
    """The tasks of one object, which ends them when it is closed.

    A task that fails harms no other: its error goes to the exception handler of the event loop at once, as that of a
    callback does.
    """

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], bool] = {}  # whether it is lasting

    def __len__(self) -> int:
        return len(self._tasks)

    def start(
        self, work: Coroutine[object, None, None], name: str | None = None, *, lasting: bool = False
    ) -> asyncio.Task[None]:
        """Start a task.

        Args:
            work: the coroutine to run.
            name: the task's name in the report of an error.
            lasting: `close` waits for its end instead of cancelling it.
        """
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[task] = lasting
        task.add_done_callback(self._done)
        return task

    async def close(self, *, grace: float = 0.0) -> None:
        """Cancel the tasks, and return when all have ended; the calling task is left alone.

        Args:
            grace: seconds in which they may end by themselves.
        """
        own = asyncio.current_task()  # it would wait for itself
        tasks = {task: lasting for task, lasting in self._tasks.items() if task is not own}
        try:
            if tasks and grace:
                await asyncio.wait(tasks, timeout=grace)
        finally:  # also where the caller is cancelled, and does not wait any longer
            for task, lasting in tasks.items():
                if not lasting:
                    task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # `_done` has reported their errors

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        # Reported now: asyncio itself would do so when the task is collected, if ever.
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler(
                {"message": f"{task.get_name()} failed: {error}", "exception": error, "task": task}
            )


class KeyedLocks:
    """Locks by name, each kept as long as a task holds it or waits for it."""

    __slots__ = ("_locks",)

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, name: str) -> asyncio.Lock:
        """Return the lock of a name."""
        return self._locks.setdefault(name, asyncio.Lock())  # kept alive by those who hold or wait


class FileLock:
    """Exclusive lock on a file or a directory, as a context manager that lets it go.

    Args:
        path: a file, which is made if it is missing and stays there.
        make: False for a file or directory that has to exist.

    Raises:
        OSError: the file cannot be made or opened.
    """

    __slots__ = ("_descriptor",)

    def __init__(self, path: Path, *, make: bool = True) -> None:
        access = os.O_RDWR | os.O_CREAT if make else os.O_RDONLY  # a directory cannot be opened to write
        self._descriptor = os.open(path, access | os.O_CLOEXEC, 0o600)

    def acquire(self) -> None:
        """Take the lock; block the thread until it is free.

        Raises:
            OSError: the file system has no locks.
        """
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def try_acquire(self) -> bool:
        """Take the lock if it is free, and tell whether it was.

        Raises:
            OSError: the file system has no locks.
        """
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    async def acquire_within(self, timeout: float) -> None:
        """Take the lock as soon as it is free.

        Args:
            timeout: seconds to wait at most.

        Raises:
            TimeoutError: the holder keeps it for longer.
            OSError: the file system has no locks.
        """
        async with asyncio.timeout(timeout):
            while not self.try_acquire():  # noqa: ASYNC110 - a lock of the system has no event
                await asyncio.sleep(_POLL)

    def release(self) -> None:
        """Let the lock go."""
        os.close(self._descriptor)  # flock(2): closing the last descriptor ends the lock

    def __enter__(self) -> Self:
        """Return the lock, which is not taken yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let the lock go."""
        self.release()
