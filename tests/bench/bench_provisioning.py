"""Provisioning: CPU and memory of adding subscribers with accounts to a network, a hundred, a thousand, ten thousand.

Each number of subscribers is added to a directory of its own. The cost of one must not grow with their number: twice it did
where each had the accounts file written as a whole.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from measuring import Ratio, cpu_seconds, heading, judge, measured, resident_bytes, table


def add(count: int) -> dict[str, float]:
    """Add subscribers with passwords and with USIMs, half and half, and measure this process."""
    from wic.accounts import AuthScheme
    from wic.network import ImsNetwork, NetworkOptions, NewSubscriber
    from wic.network.provisioning import Provisioning

    schemes = (AuthScheme.DIGEST, AuthScheme.AKA)
    subscribers = [NewSubscriber(name=f"user{number:05}", auth=schemes[number % 2]) for number in range(count)]

    async def start_once(directory: Path) -> None:
        async with ImsNetwork(NetworkOptions(directory=directory, web=False)):
            pass

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "ims"
        asyncio.run(start_once(directory))
        memory, began = resident_bytes(), cpu_seconds()
        with Provisioning(directory) as provisioning:
            provisioning.enrolment.store([provisioning.enrolment.prepare(each) for each in subscribers])
            added = cpu_seconds() - began
            listed = len(provisioning.list())
            used = cpu_seconds() - began - added
        assert listed >= count
        return {
            "subscribers": count,
            "add_ms": 1000 * added / count,
            "list_ms": 1000 * used / listed,
            "kB": (resident_bytes() - memory) / 1024 / count,
        }


def measure(count: int, rounds: int) -> dict[str, float]:
    """Measure one number several times, and return the best figures."""
    runs = [measured([sys.executable, __file__, "--add", str(count)]) for _ in range(rounds)]
    return {key: min(run[key] for run in runs) for key in runs[0]}


def main() -> int:
    if sys.argv[1:2] == ["--add"]:
        print(json.dumps(add(int(sys.argv[2]))))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = [measure(count, options.rounds) for count in sorted(options.counts)]
    if options.json:
        print(json.dumps(results))
    else:
        print(heading(__doc__))
        head = ["subscribers", "CPU ms each", "list, CPU ms each", "kB each"]
        rows = [
            [f"{one['subscribers']:,}", f"{one['add_ms']:.3f}", f"{one['list_ms']:.3f}", f"{one['kB']:.1f}"]
            for one in results
        ]
        print(table(head, rows))
    first = results[0]
    growth = [
        Ratio(
            f"CPU of one, {one['subscribers']:,} / {first['subscribers']:,}", one["add_ms"] / first["add_ms"], 1.0, 2.0
        )
        for one in results[1:]
    ]
    return judge(growth, show=not options.json)


if __name__ == "__main__":
    sys.exit(main())
