"""Registration: CPU and memory of one WSS registration, beside JsSIP on Node in the same run.

Each client registers its user agents in a process of its own with the same small registrar: TLS and
WebSocket handshakes, REGISTER, 401, REGISTER with Digest, 200. CPU is user and system time of the
client's process, memory its growth in resident bytes while every connection stays open.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from measuring import cpu_seconds, heading, hold_many, installed, measured, resident_bytes, table
from registrar import registrar

HERE = Path(__file__).parent
JSSIP = HERE / "jssip"
WARM_UP = 50
LIMITS = {"cpu_ms": 1 / 3, "kB": 1 / 2}
"""Largest shares of JsSIP's figures."""


async def register_with_wic(url: str, ca: Path, users: int, at_once: int) -> dict[str, float]:
    """Register, and measure this process."""
    from wic import Account, Client, ClientOptions
    from wic.auth.secret import Secret

    def client(index: int) -> Client:
        name = f"user{index}@ims.example"
        account = Account(server=url, impu=f"sip:{name}", impi=name, password=Secret("secret"), ca=ca)
        return Client(account, ClientOptions(reg_event=False))  # JsSIP does not subscribe to anything either

    async with AsyncExitStack() as clients:

        async def register(first: int, last: int) -> None:
            for done in range(first, last, at_once):
                batch = [client(index) for index in range(done, min(done + at_once, last))]
                await asyncio.gather(*(clients.enter_async_context(one) for one in batch))

        await register(0, WARM_UP)
        hold_many()
        memory, began = resident_bytes(), cpu_seconds()
        await register(WARM_UP, WARM_UP + users)
        used = cpu_seconds() - began
        return {"cpu_ms": 1000 * used / users, "kB": (resident_bytes() - memory) / 1024 / users}


def jssip_command() -> list[str] | None:
    """Return the command of JsSIP, installed if needed; None without Node."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    if not (JSSIP / "node_modules" / "jssip").exists():
        install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(install, cwd=JSSIP, check=True, capture_output=True)
    return [node, "--expose-gc", "register.js"]


def jssip_versions() -> list[str]:
    """Return the versions of JsSIP and Node, for the heading."""
    if (command := jssip_command()) is None:
        return []
    node = subprocess.run([command[0], "--version"], check=True, capture_output=True, text=True).stdout.strip()
    return [f"JsSIP {json.loads((JSSIP / 'package.json').read_text())['dependencies']['jssip']}", f"Node {node}"]


def compare(users: int, at_once: int, rounds: int) -> dict[str, dict[str, float]]:
    """Measure every client several times in turn, and return the best figures of each."""
    results: dict[str, list[dict[str, float]]] = {}
    numbers = [str(users), str(at_once)]
    jssip = jssip_command()
    for _ in range(rounds):
        with registrar() as (url, ca):
            wic = [sys.executable, __file__, "--client", url, ca, *numbers]
            results.setdefault("wic", []).append(measured(wic))
            if jssip is not None:
                figures = measured([*jssip, url, ca, str(WARM_UP), *numbers], JSSIP)
                results.setdefault("JsSIP", []).append(figures)
    return {name: {key: min(one[key] for one in runs) for key in runs[0]} for name, runs in results.items()}


def main() -> int:
    if sys.argv[1:2] == ["--client"]:
        url, ca, *numbers = sys.argv[2:]
        print(json.dumps(asyncio.run(register_with_wic(url, Path(ca), *map(int, numbers)))))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = compare(options.users, options.at_once, options.rounds)
    ratios = {key: results["wic"][key] / results["JsSIP"][key] for key in results["wic"]} if "JsSIP" in results else {}
    broken = [key for key, most in LIMITS.items() if ratios and ratios[key] > most]
    if options.json:
        print(json.dumps({"users": options.users, **results, "ratio": ratios}))
        return len(broken)
    print(heading(__doc__, [*installed("websockets"), *jssip_versions()]))
    rows = [*results.items(), *([("wic / JsSIP", ratios)] if ratios else [])]
    head = ["one WSS registration", "CPU ms", "kB"]
    print(table(head, [[name, f"{one['cpu_ms']:.2f}", f"{one['kB']:.1f}"] for name, one in rows]))
    if not ratios:
        print("JsSIP was not measured: Node is not installed.")
    for key in broken:
        print(f"{key} is {ratios[key]:.2f} of JsSIP's; the limit is {LIMITS[key]:.2f}", file=sys.stderr)
    return len(broken)


if __name__ == "__main__":
    sys.exit(main())
