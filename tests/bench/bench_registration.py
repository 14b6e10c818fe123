"""Registration: CPU and memory of one WSS registration, beside JsSIP on Node in the same run.

Each client registers its user agents in a process of its own with the same small registrar: TLS and
WebSocket handshakes, REGISTER, 401, REGISTER with Digest, 200. CPU is user and system time of the
client's process, memory its growth in resident bytes while every connection stays open.

The goal is 0.30 of JsSIP's CPU. From machine to machine the ratio differs by a third, for Python and V8 make different use
of a processor; it has been between 0.28 and 0.41.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from measuring import Ratio, cpu_seconds, heading, hold_many, installed, judge, measured, resident_bytes, table
from registrar import registrar

HERE = Path(__file__).parent
JSSIP = HERE / "jssip"
WARM_UP = 50
COUNTED = (20, 120)
"""Users of the two runs whose difference tells the instructions of one."""
PROMISES = {"cpu_ms": ("CPU of a registration, wic / JsSIP", 0.30, 0.45), "kB": ("memory, wic / JsSIP", 0.35, 0.50)}
"""Name, goal and limit of the share of JsSIP's figure."""


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


def instructions(valgrind: str) -> dict[str, float]:
    """Count the instructions of one registration in each library, by valgrind; the loads of other programs change nothing."""
    counts = []
    with tempfile.TemporaryDirectory() as folder:
        for users in COUNTED:
            out = Path(folder) / f"{users}.callgrind"
            with registrar() as (url, ca):
                client = [sys.executable, __file__, "--client", url, ca, str(users), "20"]
                tool = [valgrind, "--tool=callgrind", f"--callgrind-out-file={out}"]
                measured([*tool, *client])
            counts.append(instructions_of(out.read_text()))
    few, many = counts
    # What both runs do, such as the imports, is in neither.
    return {name: (many[name] - few.get(name, 0)) / (COUNTED[1] - COUNTED[0]) for name in many}


def instructions_of(profile: str) -> dict[str, int]:
    """Sum up the instructions of a callgrind profile by library (Callgrind Format Specification)."""
    names: dict[str, str] = {}
    found: dict[str, int] = {}
    library, within_call = "", False
    for line in profile.splitlines():
        key, _, value = line.partition("=")
        if key in ("ob", "cob"):
            number, _, path = value.partition(" ")
            if path:  # a name stands where its number is used first
                names[number] = Path(path).name
            library = names[number] if key == "ob" else library
        elif key == "calls":
            within_call = True  # the next line counts what the called function did
        elif line[:1] in set("0123456789+-*"):
            if not within_call:
                found[library] = found.get(library, 0) + int(line.split()[1])
            within_call = False
    return found


def show_instructions() -> int:
    """Print what one registration of wic costs in instructions."""
    if (valgrind := shutil.which("valgrind")) is None:
        print("valgrind is not installed.", file=sys.stderr)
        return 2
    counted = instructions(valgrind)
    total = sum(counted.values())
    largest = sorted(counted.items(), key=lambda item: -item[1])[:4]
    rows = [[name, f"{count:,.0f}", f"{100 * count / total:.0f}"] for name, count in [*largest, ("all", total)]]
    print(table(["one WSS registration of wic", "instructions", "%"], rows))
    return 0


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
    parser.add_argument("--instructions", action="store_true", help="count those of wic by valgrind; takes minutes")
    options = parser.parse_args()
    if options.instructions:
        return show_instructions()
    results = compare(options.users, options.at_once, options.rounds)
    wic, jssip = results["wic"], results.get("JsSIP", {})
    ratios = [Ratio(name, wic[key] / jssip[key], *bounds) for key, (name, *bounds) in PROMISES.items() if key in jssip]
    if options.json:
        print(json.dumps({"users": options.users, **results, "ratio": {each.name: each.value for each in ratios}}))
    else:
        print(heading(__doc__, [*installed("websockets"), *jssip_versions()]))
        head = ["one WSS registration", "CPU ms", "kB"]
        print(table(head, [[name, f"{one['cpu_ms']:.2f}", f"{one['kB']:.1f}"] for name, one in results.items()]))
        if not ratios:
            print("JsSIP was not measured: Node is not installed.")
    return judge(ratios, show=not options.json)


if __name__ == "__main__":
    sys.exit(main())
