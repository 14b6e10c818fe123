"""Identities that the network refuses, or asks to wait, over connections that come and go; in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from wic.client.events import ConnectionRestored, Registered, RegistrationLost
from wic.errors import RegistrationFailed

pytestmark = pytest.mark.virtual_time

ALICE, WORK, CLUB = (f"sip:{user}@ims.example" for user in ("alice", "work", "club"))


@pytest.fixture
def asked(memory_home):
    """Users and times of the REGISTERs that carry credentials, and answers to them by user: a status, or None."""
    memory_home.answers = {}
    memory_home.asked = []

    def register(context, now):
        user = context.request.to.uri.user
        memory_home.asked.append((user, asyncio.get_running_loop().time()))
        status, *headers = memory_home.answers.get(user) or (None,)
        if status is None or context.request.expires == 0:
            memory_home.home.grant(context, now)
        else:
            context.reject(status, now=now, headers=headers)

    memory_home.home.answers["REGISTER"] = register
    return memory_home.asked


async def reconnect(memory_home, client):
    told = memory_home.watched(client)
    memory_home.far[-1].abort("begin")
    await memory_home.until(lambda: ConnectionRestored in told.kinds, 300.0)
    await asyncio.sleep(1.0)


def count(asked, user):
    return [each for each, _ in asked].count(user)


async def test_a_refused_identity_is_asked_for_no_more(memory_home, asked):
    """RFC 3261 §21.4; only the user asks again, by `register`."""
    memory_home.answers["work"] = (403,)
    client = memory_home.client("alice", impus=(WORK,))
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: RegistrationLost in told.kinds, 5.0)
        for _ in range(3):
            await reconnect(memory_home, client)
        assert count(asked, "work") == 1
        assert [str(event.impu) for event in told if isinstance(event, RegistrationLost)] == [WORK]
        with pytest.raises(RegistrationFailed, match="403"):
            await client.register(WORK)
        memory_home.answers.clear()
        await client.register(WORK)
        await reconnect(memory_home, client)
        assert len(client.bindings) == 2


async def test_a_retry_after_counts_across_connections(memory_home, asked):
    """RFC 3261 §20.33: of a further identity as of the leading one."""
    memory_home.answers["work"] = (500, ("Retry-After", "200"))
    client = memory_home.client("alice", impus=(WORK,))
    async with client:
        await memory_home.until(lambda: count(asked, "work"), 5.0)
        memory_home.answers.clear()
        began = asyncio.get_running_loop().time()
        for _ in range(2):
            await reconnect(memory_home, client)
        assert count(asked, "work") == 1
        with pytest.raises(RegistrationFailed, match=r"asks to wait 1\d\d s more before sip:work@ims.example"):
            await client.register(WORK)
        await memory_home.until(lambda: len(client.bindings) == 2, 300.0)
        assert asked[-1][1] - began >= 199.0
        await client.register(WORK)


async def test_a_wait_of_this_side_ends_with_another_connection(memory_home, asked):
    memory_home.answers["work"] = (500,)
    client = memory_home.client("alice", impus=(WORK,), chance=lambda: 1.0)
    async with client:
        await memory_home.until(lambda: count(asked, "work") == 2, 60.0)
        memory_home.answers.clear()
        await reconnect(memory_home, client)
        assert len(client.bindings) == 2


async def test_a_binding_that_must_wait_is_renewed_when_the_time_has_come(memory_home, asked):
    """Its refresh was put off; the connection that it was made over is lost meanwhile."""
    client = memory_home.client("alice", impus=(WORK,))
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        memory_home.answers["work"] = (503, ("Retry-After", "100"))
        client.refresh()
        await memory_home.until(lambda: count(asked, "work") == 2, 5.0)
        memory_home.answers.clear()
        await reconnect(memory_home, client)
        assert count(asked, "work") == 2
        await memory_home.until(lambda: count(asked, "work") == 3, 150.0)
        await asyncio.sleep(1.0)
        assert len(client.bindings) == 2
        assert RegistrationLost not in told.kinds


@pytest.mark.parametrize("reconnects", [False, True])
async def test_a_refused_leading_identity_ends_no_other_one(memory_home, asked, reconnects):
    """Those that are registered go on, and the next one leads."""
    client = memory_home.client("alice", impus=(WORK, CLUB))
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 3, 5.0)
        memory_home.answers["alice"] = (403,)
        if reconnects:
            await reconnect(memory_home, client)
        else:
            client.refresh()
            await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        assert not client.is_over
        assert [(str(each.impu), each.final) for each in told if isinstance(each, RegistrationLost)] == [(ALICE, True)]
        tries = count(asked, "alice")
        await reconnect(memory_home, client)
        assert [str(each.impu) for each in client.bindings] == [WORK, CLUB]
        assert count(asked, "alice") == tries
        assert (await memory_home.invite(client)).from_.uri.user == "work"
        memory_home.answers.clear()
        await client.register(ALICE)
        assert told.kinds.count(Registered) == 4


async def test_the_refusal_of_every_identity_is_the_end(memory_home, asked):
    client = memory_home.client("alice", impus=(WORK,))
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        memory_home.answers |= {"alice": (403,), "work": (403,)}
        client.refresh()
        await memory_home.until(lambda: client.is_over, 5.0)
        await asyncio.sleep(1.0)
        lost = [(str(each.impu), each.final) for each in told if isinstance(each, RegistrationLost)]
        assert lost == [(ALICE, True), (WORK, True)]
        assert not memory_home.home.driver.connections
