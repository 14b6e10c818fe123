"""Child process with a log, stopped at the end of its test."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
from typing import TYPE_CHECKING, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

START_SECONDS = 15.0
STOP_SECONDS = 5.0
_handed_out: set[int] = set()


class PeerFailed(Exception):
    """A peer that did not start, or ended by itself; the message holds its log."""


def strict() -> bool:
    """Tell whether a missing program fails a test instead of skipping it."""
    return os.environ.get("CI") == "true" or os.environ.get("WIC_INTEROP_STRICT") == "1"


def missing(what: str) -> None:
    """End the test because a peer is not installed: skipped locally, failed in CI."""
    sentence = f"{what} is not installed: run .ci/install-peers"
    if strict():
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)


def require(program: str) -> str:
    """Find a program, also where Debian puts daemons.

    Returns:
        Its path.
    """
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        missing(program)
        raise AssertionError(program)
    return path


def free_port() -> int:
    """Choose an even loopback port that is free for UDP and TCP, with the three after it.

    RTP takes an even port and RTCP its odd neighbour, and SIPp binds the next such pair for video. All are below the range
    the kernel hands out by itself, so that no connection takes one meanwhile.
    """
    for _ in range(1000):
        port = random.randrange(20000, 30000, 4)
        if port not in _handed_out and all(map(_is_free, range(port, port + 4))):
            _handed_out.add(port)
            return port
    raise PeerFailed("no free port pair on loopback")


def _is_free(port: int) -> bool:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
    ):
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            datagrams.bind(("127.0.0.1", port))
            stream.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Peer:
    """One program: `async with` starts it, waits until it is ready, and stops it."""

    name = "peer"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / f"{self.name}.log"
        self._process: asyncio.subprocess.Process | None = None

    def command(self) -> list[str]:
        """Name the program and its arguments."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Write what the program reads at its start."""

    async def ready(self) -> bool:
        """Tell whether the program is ready."""
        return True

    async def __aenter__(self) -> Self:
        self.prepare()
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command(),
                cwd=self.directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            await self.until(self.ready, seconds=START_SECONDS, what="start")
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def until(self, condition: Callable[[], Awaitable[bool]], *, seconds: float, what: str) -> None:
        """Wait until a condition of this program holds.

        Raises:
            PeerFailed: it ended first, or the time ran out.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while not await condition():
            if self._process is not None and self._process.returncode is not None:
                raise PeerFailed(f"{self.name} ended ({self._process.returncode}) before: {what}\n{self.tail()}")
            if asyncio.get_running_loop().time() > deadline:
                raise PeerFailed(f"{self.name}: no {what} within {seconds:g} s\n{self.tail()}")
            await asyncio.sleep(0.05)

    async def until_logged(self, text: str, *, seconds: float = START_SECONDS) -> None:
        """Wait until the log holds a text."""

        async def logged() -> bool:
            return text in self.output()

        await self.until(logged, seconds=seconds, what=repr(text))

    async def wait(self, *, seconds: float) -> int:
        """Wait for the program's own end.

        Returns:
            Its exit status.
        """
        if self._process is None:
            raise PeerFailed(f"{self.name} was not started")
        try:
            return await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            raise PeerFailed(f"{self.name} still runs after {seconds:g} s\n{self.tail()}") from None

    async def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """End the program and its child processes."""
        process, self._process = self._process, None
        if process is None:
            return
        for force in (sign, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, force)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
                break

    def output(self) -> str:
        """Return the output of the program so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, lines: int = 40) -> str:
        """Return the end of the log."""
        return "\n".join(self.output().splitlines()[-lines:])


async def accepts(port: int) -> bool:
    """Tell whether a TCP port of loopback accepts."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
