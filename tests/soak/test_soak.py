"""Many calls in one process through the whole network, with real ICE, DTLS-SRTP and SCTP: no resource may leak.

Run by `make soak`. SIP timers are a tenth of the standard ones, so that every
transaction ends within the test; media timers are the standard ones unless a test says otherwise.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import socket
import sys
import threading
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wic.client import Account, CallOutcome, Client, ClientOptions
from wic.media import Count, Silence
from wic.network import ImsNetwork, NetworkOptions
from wic.network.agw.gateway import AgwOptions
from wic.sip.timers import Timers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wic.client import CallReport

TIMERS = Timers(t1=0.05, t2=0.4, t4=0.5)
SETTLED = TIMERS.timeout + 2 * TIMERS.t4 + 1
"""Seconds after which no transaction is left."""
FIRST_PORT, LAST_PORT = 21000, 21199
CALLS = 500
BLOCK = 100
TOGETHER = 20
GROWTH = 1.0
"""Megabytes that the second half of the calls may add, for the noise of the allocator."""


@dataclass(frozen=True)
class Footprint:
    """Resources of a process."""

    descriptors: int
    tasks: int
    threads: int
    contexts: int
    calls: int


class Lab:
    """A network and its clients."""

    def __init__(self, network: ImsNetwork, *clients: Client) -> None:
        self.network = network
        self.clients = clients

    def footprint(self) -> Footprint:
        gc.collect()
        return Footprint(
            descriptors=len(os.listdir("/proc/self/fd")),
            tasks=len(asyncio.all_tasks()),
            threads=threading.active_count(),
            contexts=self.network.agw.contexts,
            calls=sum(len(client.calls) for client in self.clients),
        )

    async def settled(self) -> Footprint:
        """Let all calls and transactions end, and return the resources in use then.

        A busy machine may take longer than the timers say: what a call still holds must not count as used for good.
        """
        await asyncio.sleep(SETTLED)
        while (now := self.footprint()).calls or now.contexts:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        return now

    async def settle(self, wanted: Footprint) -> None:
        """Wait, for 20 s at most, until the resources are those of an earlier moment."""
        end = asyncio.get_running_loop().time() + 20
        while (now := self.footprint()) != wanted:
            assert asyncio.get_running_loop().time() < end, (now, wanted)
            await asyncio.sleep(0.1)


def resident() -> float:
    """Megabytes of memory of this process."""
    gc.collect()
    with suppress(AttributeError):  # of glibc: what is free within the process says nothing about what is kept
        ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def taken_ports() -> list[int]:
    """Return the ports of the eIMS-AGW towards the core that cannot be bound."""
    taken = []
    for port in range(FIRST_PORT, LAST_PORT + 1):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                taken.append(port)
    return taken


@asynccontextmanager
async def running(directory: Path, *names: str) -> AsyncIterator[Lab]:
    agw = AgwOptions(first_port=FIRST_PORT, last_port=LAST_PORT, silence=4.0)
    options = NetworkOptions(directory=directory, subscribers=names, timers=TIMERS, agw=agw)
    async with ImsNetwork(options) as network, AsyncExitStack() as stack:
        chosen = ClientOptions(timers=TIMERS, goodbye_grace=1.0)
        clients = [Client(Account.load(name, network.accounts_path), chosen) for name in names]
        for client in clients:
            await stack.enter_async_context(client)
        yield Lab(network, *clients)


async def take(client: Client) -> CallReport:
    call = await anext(client.incoming())
    await call.answer(audio=Silence(), sinks=[Count()])
    return await call.ended()


async def one_call(caller: Client, called: Client, *, seconds: float = 0.0, text: bool = False) -> None:
    """Make an answered call, with a message on a data channel if `text`; both reports must be COMPLETED."""
    async with asyncio.TaskGroup() as group:
        taking = group.create_task(take(called))
        call = await caller.call(called.account.impu, audio=Silence(), sinks=[Count()])
        await call.answered(timeout=20)
        if text:
            async with call.open_channel("chat") as channel:
                await channel.send("hello")
        await asyncio.sleep(seconds)
        await call.hangup()
    assert call.report().outcome is CallOutcome.COMPLETED
    assert taking.result().outcome is CallOutcome.COMPLETED


@pytest.mark.timeout(300)
async def test_500_calls_leave_nothing_behind(tmp_path, record_property) -> None:
    async with running(tmp_path, "alice", "bob") as lab:
        alice, bob = lab.clients
        for _ in range(5):  # fills caches and makes certificates
            await one_call(alice, bob, text=True)
        before = await lab.settled()
        memory = []
        for _ in range(CALLS // BLOCK):
            for number in range(BLOCK):
                await one_call(alice, bob, text=number % 10 == 0)
            await asyncio.sleep(SETTLED)
            memory.append(resident())
        await lab.settle(before)
        assert taken_ports() == []
        record_property("resident MB", memory)
        # The first blocks grow the allocator to its working size.
        assert memory[-1] - memory[len(memory) // 2] <= GROWTH, memory


@pytest.mark.timeout(120)
async def test_20_calls_at_once(tmp_path) -> None:
    names = [f"user{number}" for number in range(2 * TOGETHER)]
    async with running(tmp_path, *names) as lab:
        await one_call(*lab.clients[:2], text=True)
        before = await lab.settled()
        async with asyncio.TaskGroup() as group:
            for caller, called in zip(lab.clients[:TOGETHER], lab.clients[TOGETHER:], strict=True):
                group.create_task(one_call(caller, called, seconds=1.0, text=True))
        await lab.settle(before)
        assert taken_ports() == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize("role", ["caller", "called"])
async def test_a_client_that_is_killed_in_a_call(tmp_path, role) -> None:
    """Its sockets close without any SIP, RTCP or DTLS goodbye."""
    async with running(tmp_path, "alice", "bob") as lab:
        alice, bob = lab.clients
        lab.network.add_subscriber("carol")
        await one_call(alice, bob)
        before = await lab.settled()
        async with asyncio.TaskGroup() as group:
            if role == "caller":
                taking = group.create_task(take(bob))
                process = await start(lab, "call", "carol", "sip:bob@ims.example")
            else:
                process = await start(lab, "answer", "carol")
                while not lab.network.hss.reachable("sip:carol@ims.example", now=0):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                call = await bob.call("sip:carol@ims.example", audio=Silence(), sinks=[Count()])
                taking = group.create_task(call.ended())
            while not any(call.report().media and call.report().media[0].received for call in bob.calls):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            process.kill()
            await process.wait()
            async with asyncio.timeout(45):
                report = await taking
        assert report.outcome in (CallOutcome.COMPLETED, CallOutcome.FAILED)
        await lab.settle(before)
        assert taken_ports() == []
        await one_call(alice, bob)  # the other clients can still call


async def start(lab: Lab, *words: str) -> asyncio.subprocess.Process:
    wic = Path(sys.executable).with_name("wic")
    null = asyncio.subprocess.DEVNULL
    accounts = ("--accounts", str(lab.network.accounts_path))
    return await asyncio.create_subprocess_exec(wic, *words, *accounts, stdout=null, stderr=null)
