"""Commands of the user and faults of the network in any order: a client ends up registered, or over; in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random

import pytest

from wic.errors import SignInNeeded, WicError

pytestmark = pytest.mark.virtual_time

USERS = ("alice", "work", "club")


class RandomEvents:
    """Random commands and faults, one after the other, for one client."""

    def __init__(self, memory_home, seed):
        self.chance = random.Random(seed)
        self.memory_home = memory_home
        memory_home.chance = self.chance.random
        memory_home.home.granted = self.chance.choice([100, 1000, 100_000])
        impus = tuple(f"sip:{user}@ims.example" for user in USERS[1 : self.chance.randint(1, 3)])
        servers = self.chance.choice([("ws://a/",), ("ws://a/", "ws://b/")])
        self.client = memory_home.client("alice", *servers, impus=impus)
        self.commands = []

    async def happen(self):
        kinds = (self.cut, self.answer, self.hide, self.forbid, self.silence, self.register, self.deregister)
        for _ in range(self.chance.randint(3, 25)):
            self.chance.choice(kinds)()
            if self.chance.random() < 0.02:
                self.memory_home.credentials[-1].on_failed(SignInNeeded("The sign-in has ended."))
            await asyncio.sleep(self.chance.choice([0.0, 0.005, 0.01, 0.02, 0.5, 5.0, 40.0, 200.0]))

    async def recover(self):
        home = self.memory_home.home
        home.register_status, home.register_headers, home.deaf_to, home.forbids = 200, [], set(), set()
        self.memory_home.down = set()
        await asyncio.sleep(4000.0)
        assert all(command.done() for command in self.commands)
        await asyncio.gather(*self.commands)

    def cut(self):
        self.memory_home.far[-1].abort("now of all times")

    def answer(self):
        home = self.memory_home.home
        home.register_status = self.chance.choice([200, 200, 305, 403, 404, 481, 500, 503])
        home.register_headers = self.chance.choice([[], [("Retry-After", "5")]])

    def hide(self):
        self.memory_home.down = set(self.chance.sample(["ws://a/", "ws://b/"], self.chance.randint(0, 2)))

    def forbid(self):
        self.memory_home.home.forbids = set(self.chance.sample(USERS, self.chance.randint(0, 2)))

    def silence(self):
        self.memory_home.home.deaf_to = self.chance.choice([set(), {"REGISTER"}])

    def register(self):
        self.command(self.client.register(f"sip:{self.chance.choice(USERS)}@ims.example"))

    def deregister(self):
        user = self.chance.choice((*USERS, *USERS, None))
        self.command(self.client.deregister(user and f"sip:{user}@ims.example"))

    def command(self, wanted):
        async def run():
            with contextlib.suppress(WicError):
                await wanted

        self.commands.append(asyncio.create_task(run()))


@pytest.mark.parametrize("seed", range(60))
async def test_a_client_ends_up_registered_or_over(memory_home, seed, caplog):
    caplog.set_level(logging.ERROR)
    events = RandomEvents(memory_home, seed)
    async with events.client as client:
        await events.happen()
        await events.recover()
        if client.is_over:
            assert client.ended_by is not None or not client.bindings
            assert client.bindings or not memory_home.home.driver.connections
        else:
            assert client._connection.agent.leading.binding is not None
            assert client.bindings
            assert len(memory_home.home.driver.connections) == 1
            assert client.is_connected
            assert client.ended_by is None
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    assert caplog.records == []
