"""A fleet: thousands of registered clients in one process, each on its own WSS connection, refreshing.

The registrar grants short registrations, so that every client refreshes once while it is measured: one REGISTER
and one 200 over the open connection. The cost of a client must not grow with their number, except that memory is slower
than caches.

The limit of a refresh holds on machines like the one it was set on. On a slower one, or a busy one, it rises by as much as
sipmessage reads a REGISTER slower there in the same run, as the floors of `bench_parser.py` fall.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import sipmessage
from bench_parser import FLOORS, MESSAGES, rates
from bench_parser import register as register_request
from measuring import cpu_seconds, heading, hold_many, installed, measured, resident_bytes, table
from registrar import registrar

WARM_UP = 50
AT_ONCE = 50
RATE = 500
"""Refreshes a second of a fleet of any size."""
LIMITS = {"refresh_ms": 0.35, "kB": 50.0, "growth": 1.5}
"""Milliseconds of the smallest fleet, kB of every client, and CPU of a refresh in the largest fleet as a multiple of the smallest."""


async def keep_fleet(url: str, ca: Path, size: int, period: float) -> dict[str, float]:
    """Register `size` clients, watch them for the `period` in which each refreshes once, and measure this process."""
    from wic import Account, Client, ClientOptions
    from wic.auth.secret import Secret
    from wic.transport.driver import Direction

    answers = 0

    def count(now: float, direction: Direction, data: bytes, flow: object) -> None:
        nonlocal answers
        answers += direction is Direction.RECEIVED and data.startswith(b"SIP/2.0 200")

    def client(index: int) -> Client:
        name = f"user{index}@ims.example"
        account = Account(server=url, impu=f"sip:{name}", impi=name, password=Secret("secret"), ca=ca)
        one = Client(account, ClientOptions(reg_event=False))
        one.on_message(count)
        return one

    async with AsyncExitStack() as clients:

        async def register(first: int, last: int) -> None:
            for done in range(first, last, AT_ONCE):
                batch = [client(index) for index in range(done, min(done + AT_ONCE, last))]
                await asyncio.gather(*(clients.enter_async_context(one) for one in batch))

        await register(0, WARM_UP)
        hold_many()
        memory, began = resident_bytes(), cpu_seconds()
        await register(WARM_UP, WARM_UP + size)
        registered = cpu_seconds() - began
        memory = resident_bytes() - memory
        answers, began, clock = 0, cpu_seconds(), time.monotonic()
        await asyncio.sleep(period)
        used, seconds, refreshes = cpu_seconds() - began, time.monotonic() - clock, answers
    return {
        "clients": size,
        "kB": memory / 1024 / size,
        "register_ms": 1000 * registered / size,
        "refresh_ms": 1000 * used / refreshes,
        "refreshes": refreshes,
        "core": 100 * used / seconds,
    }


def measure(size: int, rounds: int) -> dict[str, float]:
    """Measure one fleet several times, and return the best figures."""
    period = size / RATE
    runs: list[dict[str, float]] = []
    for _ in range(rounds):
        with registrar(expires=round(2 * period)) as (url, ca):
            runs.append(measured([sys.executable, __file__, "--client", url, ca, str(size), str(period)]))
    return {key: min(run[key] for run in runs) for key in runs[0]}


def limits_here() -> dict[str, float]:
    """Return the limits on this machine, which may be slower than the one they were set on."""
    _, usual = FLOORS["parse"]
    (peer,) = rates([sipmessage.Message.parse], [register_request(number) for number in range(MESSAGES)])
    return {**LIMITS, "refresh_ms": LIMITS["refresh_ms"] * max(1.0, usual / peer)}


def broken(fleets: list[dict[str, float]], limits: dict[str, float]) -> dict[str, float]:
    """Return the limits that these fleets exceed, with the measured values."""
    refreshes = [one["refresh_ms"] for one in fleets]
    found = {
        "refresh_ms": refreshes[0],
        "kB": max(one["kB"] for one in fleets),
        "growth": refreshes[-1] / refreshes[0],
    }
    return {key: value for key, value in found.items() if value > limits[key]}


def main() -> int:
    """Measure fleets of several sizes, and name the limits that are exceeded."""
    if sys.argv[1:2] == ["--client"]:
        url, ca, size, period = sys.argv[2:]
        print(json.dumps(asyncio.run(keep_fleet(url, Path(ca), int(size), float(period)))))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    fleets = [measure(size, options.rounds) for size in sorted(options.sizes)]
    if options.json:
        print(json.dumps(fleets))
    else:
        print(heading(__doc__, installed("websockets", "sipmessage")))
        head = ["clients", "kB each", "registration, CPU ms", "refresh, CPU ms", "refreshes", "% of a core"]
        print(
            table(
                head,
                [
                    [
                        f"{one['clients']:,.0f}",
                        f"{one['kB']:.1f}",
                        f"{one['register_ms']:.2f}",
                        f"{one['refresh_ms']:.3f}",
                        f"{one['refreshes']:,.0f}",
                        f"{one['core']:.0f}",
                    ]
                    for one in fleets
                ],
            )
        )
    limits = limits_here()
    failed = broken(fleets, limits)
    for key, value in failed.items():
        print(f"{key} is {value:.2f}; the limit here is {limits[key]:.2f}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
