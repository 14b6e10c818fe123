"""A fleet: thousands of registered clients in one process, each on its own WSS connection, refreshing.

When all are registered, each refreshes once, fifty at a time: one REGISTER and one 200 over the open connection. The cost of a
client must not grow with their number, except that memory is slower than caches.

A refresh of the smallest fleet is compared with one of JsSIP, which as many user agents make in the same run, and with one
of the largest fleet. JsSIP sends each first without credentials, and again to answer the challenge.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from bench_registration import JSSIP, jssip_command, jssip_versions
from measuring import Ratio, cpu_seconds, heading, hold_many, installed, judge, measured, resident_bytes, table
from registrar import registrar

WARM_UP = 50
AT_ONCE = 50
DAY = 86_400
"""Seconds for which registrations are granted, so that none is refreshed because it is due."""
MOST_KB = 50.0
"""Largest memory of a client, which no other program makes larger."""


async def keep_fleet(url: str, ca: Path, size: int) -> dict[str, float]:
    """Register `size` clients, have each refresh once, and measure this process."""
    from wic import Account, Client, ClientOptions
    from wic.auth.secret import Secret
    from wic.transport.driver import Direction

    answers = asyncio.Semaphore(0)

    def count(now: float, direction: Direction, data: bytes, flow: object) -> None:
        if direction is Direction.RECEIVED and data.startswith(b"SIP/2.0 200"):
            answers.release()

    def client(index: int) -> Client:
        name = f"user{index}@ims.example"
        account = Account(server=url, impu=f"sip:{name}", impi=name, password=Secret("secret"), ca=ca)
        one = Client(account, ClientOptions(reg_event=False))
        one.on_message(count)
        return one

    fleet: list[Client] = []
    async with AsyncExitStack() as clients:

        async def register(first: int, last: int) -> None:
            for done in range(first, last, AT_ONCE):
                batch = [client(index) for index in range(done, min(done + AT_ONCE, last))]
                await asyncio.gather(*(clients.enter_async_context(one) for one in batch))
                fleet.extend(batch)
                await answered(len(batch))

        async def answered(count: int) -> None:
            for _ in range(count):
                await answers.acquire()

        await register(0, WARM_UP)
        hold_many()
        memory, began = resident_bytes(), cpu_seconds()
        await register(WARM_UP, WARM_UP + size)
        registered = cpu_seconds() - began
        memory = resident_bytes() - memory
        began = cpu_seconds()
        for first in range(WARM_UP, len(fleet), AT_ONCE):
            batch = fleet[first : first + AT_ONCE]
            for one in batch:
                one.refresh()
            await answered(len(batch))
        used = cpu_seconds() - began
    return {
        "clients": size,
        "kB": memory / 1024 / size,
        "register_ms": 1000 * registered / size,
        "refresh_ms": 1000 * used / size,
    }


def best(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the least of each figure."""
    return {key: min(run[key] for run in runs) for key in runs[0]}


def compare(sizes: list[int], rounds: int) -> tuple[list[dict[str, float]], dict[str, float] | None]:
    """Measure fleets, and JsSIP with as many user agents as the smallest, in turn; return the best figures of each."""
    jssip = jssip_command()
    fleets: dict[int, list[dict[str, float]]] = {size: [] for size in sizes}
    peer = []
    for _ in range(rounds):
        for size, runs in fleets.items():
            with registrar(expires=DAY) as (url, ca):
                runs.append(measured([sys.executable, __file__, "--client", url, ca, str(size)]))
        if jssip is not None:
            with registrar(expires=DAY) as (url, ca):
                peer.append(measured([*jssip, url, ca, *map(str, (WARM_UP, sizes[0], AT_ONCE))], JSSIP))
    return [best(runs) for runs in fleets.values()], best(peer) if peer else None


def ratios(fleets: list[dict[str, float]], jssip: dict[str, float] | None) -> list[Ratio]:
    """Return what is judged."""
    refreshes = [one["refresh_ms"] for one in fleets]
    found = [
        Ratio("memory of a client, of 50 kB", max(one["kB"] for one in fleets) / MOST_KB, 0.85, 1.0),
        Ratio("CPU of a refresh, largest / smallest fleet", refreshes[-1] / refreshes[0], 1.2, 2.0),
    ]
    if jssip is not None:
        found.append(Ratio("CPU of a refresh, wic / JsSIP", refreshes[0] / jssip["refresh_ms"], 0.25, 0.45))
    return found


def main() -> int:
    """Measure fleets of several sizes, and name the limits that are exceeded."""
    if sys.argv[1:2] == ["--client"]:
        url, ca, size = sys.argv[2:]
        print(json.dumps(asyncio.run(keep_fleet(url, Path(ca), int(size)))))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    fleets, jssip = compare(sorted(options.sizes), options.rounds)
    if options.json:
        print(json.dumps({"wic": fleets, "JsSIP": jssip}))
    else:
        print(heading(__doc__, [*installed("websockets"), *jssip_versions()]))
        head = ["clients", "kB each", "registration, CPU ms", "refresh, CPU ms"]
        rows = [
            [
                f"{one['clients']:,.0f}",
                f"{one['kB']:.1f}",
                f"{one['register_ms']:.2f}",
                f"{one['refresh_ms']:.3f}",
            ]
            for one in fleets
        ]
        if jssip is not None:
            cpu = [f"{jssip['cpu_ms']:.2f}", f"{jssip['refresh_ms']:.3f}"]
            rows.append([f"{min(options.sizes):,} of JsSIP", f"{jssip['kB']:.1f}", *cpu])
        print(table(head, rows))
    return judge(ratios(fleets, jssip), show=not options.json)


if __name__ == "__main__":
    sys.exit(main())
