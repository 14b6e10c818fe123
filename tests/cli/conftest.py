"""A network in a thread of its own, so that commands run in the main thread as they do for users."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import re
import struct
import subprocess
import sys
import threading
import time
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click.testing
import pytest

from wic.client import Account, Client, ClientOptions
from wic.media import Count, Silence
from wic.network import ImsNetwork, NetworkOptions
from wic_cli.app import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from concurrent.futures import Future

WIC = Path(sys.executable).with_name("wic")


class Lab:
    """An IMS network, and clients for the other side of a command; all of them run in the loop of one thread."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.talking = threading.Event()
        """Set while `answer` is in a call."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="the network")
        self.network = ImsNetwork(
            NetworkOptions(directory=directory, subscribers=("alice", "bob", "carol", "dave", "eve"), usims=())
        )

    @property
    def accounts(self) -> str:
        return str(self.network.accounts_path)

    def __enter__(self) -> Self:
        self._thread.start()
        self.do(self.network.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self.network.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def start(self, work: Coroutine):
        """Start work beside the command."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def do(self, work: Coroutine):
        """Do work before or after the command."""
        return self.start(work).result(15)

    def client(self, name: str) -> Client:
        return Client(Account.load(name, self.accounts), ClientOptions(close_timeout=2.0))

    def contacts_now(self, name: str) -> list[str]:
        """Return the registered contacts of a subscriber, for work in the thread of the network."""
        return [each.contact for each in self.network.hss.bindings(f"{name}@ims.example", now=time.time())]

    def contacts(self, name: str) -> list[str]:
        """Return the registered contacts of a subscriber."""

        async def look() -> list[str]:
            return self.contacts_now(name)

        return self.do(look())

    async def registered(self, name: str) -> None:
        """Wait until a subscriber can be called."""
        impu = f"sip:{name}@ims.example"
        while not self.network.hss.reachable(impu, now=time.time()):  # noqa: ASYNC110 - the HSS has no events
            await asyncio.sleep(0.01)

    async def answer(self, name: str, ready: threading.Event, *, reject: int | None = None, seconds: float = 60.0):
        """Answer one call, echo its texts, and hang up after a time."""
        async with self.client(name) as client, asyncio.TaskGroup() as group:
            ready.set()
            call = await anext(client.incoming())
            if reject is not None:
                await call.reject(reject)
                return await call.ended()

            async def echo() -> None:
                async for channel in call.channels():
                    async for message in channel:
                        await channel.send(f"{message} yourself")

            echoing = group.create_task(echo())
            await call.answer(audio=Silence(), sinks=[Count()])
            self.talking.set()
            try:
                async with asyncio.timeout(seconds):
                    return await call.ended()
            except TimeoutError:
                await call.hangup()
                return call.report()
            finally:
                self.talking.clear()
                echoing.cancel()

    async def call(self, name: str, target: str, *, seconds: float = 0.3, text: str = "", echo: bool = True):
        """Call a subscriber as soon as it is registered; `echo` says that the text comes back."""
        async with self.client(name) as client:
            await self.registered(target)
            call = await client.call(f"sip:{target}@ims.example", audio=Silence(), sinks=[Count()])
            try:
                await call.answered(timeout=10)
            except Exception:  # noqa: BLE001 - the report says it
                return call.report(), None
            answer = None
            if text:
                async with call.open_channel("chat") as channel:
                    await channel.send(text)
                    if echo:
                        answer = await anext(channel)
            await asyncio.sleep(seconds)
            await call.hangup()
            return call.report(), answer

    async def interrupt_when(self, holds: Callable[[], bool], number: int, *, times: int = 1) -> None:
        """Send this process a signal as soon as a condition holds."""
        while not holds():  # noqa: ASYNC110 - the condition has no event
            await asyncio.sleep(0.02)
        for _ in range(times):
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.1)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One network for all modules: each test uses subscribers of its own, or leaves them as they were."""
    with Lab(tmp_path_factory.mktemp("ims")) as running:
        yield running


@pytest.fixture
def answering(lab: Lab) -> Callable[..., Future]:
    """Let a subscriber answer one call beside the command."""

    def start(name: str, **how: object) -> Future:
        ready = threading.Event()
        future = lab.start(lab.answer(name, ready, **how))
        assert ready.wait(10)
        return future

    return start


@pytest.fixture
def wic(monkeypatch: pytest.MonkeyPatch) -> Callable[..., click.testing.Result]:
    """Run a command in this process, as `wic WORD …`; its exceptions are raised."""
    monkeypatch.delenv("WIC_ACCOUNTS", raising=False)
    monkeypatch.delenv("WIC_PASSWORD", raising=False)
    monkeypatch.setattr(logging.getLogger("wic"), "level", logging.ERROR)

    def invoke(*words: object, **settings: object) -> click.testing.Result:
        runner = click.testing.CliRunner()
        return runner.invoke(cli, [str(word) for word in words], catch_exceptions=False, prog_name="wic", **settings)

    return invoke


@pytest.fixture
def start_wic(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command as a process of its own; it is killed after the test if it still runs."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [str(WIC), *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def complaint() -> Callable[[click.testing.Result], str]:
    """Return the error sentence of a result, after a check that there is one, and nothing else."""

    def read(result: click.testing.Result, *, code: int) -> str:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        documents = [json.loads(line) for line in result.stdout.splitlines()]
        errors = [line for line in lines if line.startswith("Error: ")]
        assert len(errors) == 1, result.stderr
        assert re.search(r"[.)?]$|\w$", errors[0])
        if documents:  # with --json, of which the failure is the last
            assert documents[-1]["error"]
            assert documents[-1]["outcome"] in ({"usage"} if code == 2 else {"failed", "rejected", "cancelled"})
        return errors[0].removeprefix("Error: ")

    return read


@pytest.fixture
def make_wav() -> Callable[..., Path]:
    """Write a WAV file with one tone in each channel."""

    def make(path: Path, *tones: float, rate: int = 8000, seconds: float = 1.0) -> Path:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(len(tones))
            file.setsampwidth(2)
            file.setframerate(rate)
            samples = (
                int(9000 * math.sin(2 * math.pi * tone * index / rate))
                for index in range(int(rate * seconds))
                for tone in tones
            )
            file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
        return path

    return make
