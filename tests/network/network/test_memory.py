"""Memory of ended calls whose transactions still wait for repetitions: two minutes with the timers of a WIC."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections import Counter

from wic.client import Account, Client
from wic.media import Silence

CALLS = 6
KILOBYTES = 160
"""For each call, in six SIP entities; about half of it is used."""
GONE = {
    "Agreement",
    "Call",
    "CallMedia",
    "Dialog",
    "Leg",
    "LegNegotiator",
    "Line",
    "MediaDescription",
    "OfferExchange",
    "SessionDescription",
    "Via",
}
"""Classes of objects that belong to calls that go on, or to messages being dealt with."""


def client(ims, name):
    return Client(Account.load(name, path=ims.accounts_path))


async def test_an_ended_call_keeps_little(ims):
    async with client(ims, "alice") as alice, client(ims, "bob") as bob:

        async def make_calls(number):
            for _ in range(number):
                call = await alice.call("sip:bob@ims.example", audio=Silence(), data=False)
                other = await anext(bob.incoming())
                await asyncio.gather(other.answer(audio=Silence()), call.answered(timeout=10))
                await call.hangup()
                await other.ended()
            async with asyncio.timeout(10):
                while ims.epcscf.calls or ims.agw.contexts:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0.01)

        await make_calls(2)  # fills what is kept once
        gc.collect()
        before = Counter(type(thing).__name__ for thing in gc.get_objects())
        tracemalloc.start()
        try:
            await make_calls(CALLS)
            gc.collect()
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        after = Counter(type(thing).__name__ for thing in gc.get_objects())
        assert after["ClientTransaction"] - before["ClientTransaction"] >= CALLS  # or this tests nothing
        assert {name: after[name] - before[name] for name in GONE if after[name] > before[name]} == {}
        assert kept / CALLS < KILOBYTES * 1000
