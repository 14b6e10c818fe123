from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

import pytest

from wic.aio import FileLock, KeyedLocks, TaskSet

if TYPE_CHECKING:
    from pathlib import Path


async def fail() -> None:
    raise RuntimeError("unforeseen")


async def test_a_failing_task_is_reported_and_harms_no_other() -> None:
    tasks = TaskSet()
    reported: list[tuple[str, str]] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: reported.append((context["message"], str(context["exception"])))
    )
    tasks.start(fail(), "the test")
    other = tasks.start(asyncio.sleep(30))
    assert len(tasks) == 2
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert reported == [("the test failed: unforeseen", "unforeseen")]
    assert not other.done()
    await tasks.close()
    assert len(tasks) == 0


async def test_without_a_handler_a_failing_task_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    tasks = TaskSet()
    with caplog.at_level(logging.ERROR):
        await asyncio.wait([tasks.start(fail(), "a test")])
        await asyncio.sleep(0)
    assert "a test failed" in caplog.text
    assert len(tasks) == 0


async def test_closing_cancels_tasks() -> None:
    tasks = TaskSet()
    task = tasks.start(asyncio.Event().wait())
    await tasks.close()
    assert task.cancelled()
    assert not tasks


async def test_closing_waits_for_a_lasting_task() -> None:
    tasks = TaskSet()
    task = tasks.start(asyncio.sleep(0.01), lasting=True)
    await tasks.close()
    assert task.done()
    assert not task.cancelled()
    assert not tasks


async def test_closing_with_grace_that_is_cancelled_cancels_the_tasks() -> None:
    tasks = TaskSet()
    work = tasks.start(asyncio.sleep(3600.0))
    closing = asyncio.create_task(tasks.close(grace=3600.0))
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing, work])
    assert work.cancelled()


async def test_closing_with_grace_lets_tasks_end() -> None:
    tasks = TaskSet()
    brief, long = tasks.start(asyncio.sleep(0.01)), tasks.start(asyncio.sleep(30))
    await tasks.close(grace=0.5)
    assert not brief.cancelled()
    assert long.cancelled()


async def test_a_task_may_close_its_own_set() -> None:
    tasks = TaskSet()
    other = tasks.start(asyncio.sleep(30))
    own = tasks.start(tasks.close())
    await own
    assert other.cancelled()


def test_two_locks_of_a_file_exclude_each_other(tmp_path: Path) -> None:
    with FileLock(tmp_path / "a") as one, FileLock(tmp_path / "a") as other:
        assert one.try_acquire()
        assert not other.try_acquire()
        with FileLock(tmp_path / "b") as unrelated:
            assert unrelated.try_acquire()
    with FileLock(tmp_path / "a") as again:
        assert again.try_acquire()


def test_a_directory_is_locked_without_a_file(tmp_path: Path) -> None:
    with FileLock(tmp_path, make=False) as one, FileLock(tmp_path, make=False) as other:
        one.acquire()
        assert not other.try_acquire()
    assert list(tmp_path.iterdir()) == []


def test_a_thread_waits_for_the_lock(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with FileLock(tmp_path / "a") as lock:
            lock.acquire()
            order.append("second")

    thread = threading.Thread(target=second)
    with FileLock(tmp_path / "a") as lock:
        lock.acquire()
        thread.start()
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


async def test_a_task_waits_for_the_lock(tmp_path: Path) -> None:
    holder = FileLock(tmp_path / "a")
    holder.acquire()
    with FileLock(tmp_path / "a") as waiter:
        with pytest.raises(TimeoutError):
            await waiter.acquire_within(0.01)
        waiting = asyncio.create_task(waiter.acquire_within(10))
        await asyncio.sleep(0)
        holder.release()
        await waiting


def test_a_file_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileLock(tmp_path / "missing" / "a")


async def test_locks_by_name_exclude_tasks_of_one_name() -> None:
    locks, order = KeyedLocks(), list[str]()

    async def work(name: str, step: str) -> None:
        async with locks.of(name):
            order.append(f"{step} begins")
            await asyncio.sleep(0)
            order.append(f"{step} ends")

    await asyncio.gather(work("a", "first"), work("a", "second"), work("b", "other"))
    assert order.index("first ends") < order.index("second begins")
    assert order.index("other begins") < order.index("first ends")
