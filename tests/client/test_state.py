from __future__ import annotations

import asyncio
import os
import stat
from typing import TYPE_CHECKING

import pytest

from wic.client.state import locked, state_directory, write_private
from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_directory_is_in_the_state_directory_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_directory() == tmp_path / "wic"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_directory() == tmp_path / ".local" / "state" / "wic"


def test_a_file_is_private_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    mask = os.umask(0)
    try:
        write_private(path, b"one")
        write_private(path, b"two")
    finally:
        os.umask(mask)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["b"]


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    write_private(path, b"one")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(ConfigurationError, match="a cannot be written: No space left on device"):
        write_private(path, b"two")
    assert path.read_bytes() == b"one"
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


async def test_a_file_system_without_locks_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(ConfigurationError, match="cannot be locked: No locks available"):
        async with locked(tmp_path / "a"):
            pass


async def test_a_directory_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_private(tmp_path / "file" / "a", b"")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        async with locked(tmp_path / "file" / "a"):
            pass


async def test_tasks_hold_a_lock_one_after_the_other(tmp_path: Path) -> None:
    path, inside, order = tmp_path / "a", asyncio.Event(), []

    async def second() -> None:
        await inside.wait()
        async with locked(path):
            order.append("second")

    async with asyncio.TaskGroup() as group:
        group.create_task(second())
        async with locked(path):
            inside.set()
            await asyncio.sleep(0.1)
            order.append("first")
    assert order == ["first", "second"]


async def test_a_lock_that_is_held_for_too_long(tmp_path: Path) -> None:
    async with locked(tmp_path / "a"):
        with pytest.raises(ConfigurationError, match=r"held .*a for more than 0\.1 s"):
            async with locked(tmp_path / "a", timeout=0.1):
                pass
    async with locked(tmp_path / "a", timeout=0.1):
        pass
