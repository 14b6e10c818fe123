"""The eP-CSCF: CPU of one registration through it, beside Kamailio as a WebSocket edge proxy in the same run.

The same clients register through each with the same core behind it, a small registrar over UDP. What is
measured is the process time of the edge alone: WebSocket handshake, REGISTER, 401, REGISTER, 200. Kamailio
serves plain WebSocket here, so the eP-CSCF is measured without TLS as well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import Ratio, cpu_seconds_of, heading, judge, table
from registrar import core

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wic import Client

HERE = Path(__file__).parent
WARM_UP = 50
AT_ONCE = 20


@dataclass(frozen=True)
class Edge:
    """An edge proxy that runs."""

    url: str
    ca: str
    pid: int

    def cpu_seconds(self) -> float:
        """Return the CPU time of its processes so far."""
        parents = {int(path.name): _parent(path) for path in Path("/proc").iterdir() if path.name.isdigit()}
        return sum(cpu_seconds_of(pid) for pid, parent in parents.items() if self.pid in (pid, parent))


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except FileNotFoundError:  # it has ended
        return 0


@contextmanager
def epcscf(core_uri: str, *, insecure: bool) -> Iterator[Edge]:
    """Run an eP-CSCF in front of a core."""
    command = [sys.executable, __file__, "--edge", core_uri, "ws" if insecure else "wss"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield Edge(ready["wss"], ready["ca"] or "", process.pid)
        process.stdin.close()


@contextmanager
def kamailio(program: str, core_uri: str) -> Iterator[Edge]:
    """Run Kamailio in front of a core."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "LISTEN_TCP": f"tcp:127.0.0.1:{port}",
        "LISTEN_UDP": f"udp:127.0.0.1:{port}",
        "CORE": f'"{core_uri}"',
    }
    defines = [part for name, value in settings.items() for part in ("-A", f"{name}={value}")]
    with tempfile.TemporaryDirectory() as run:
        config = str(HERE / "kamailio_edge.cfg")
        command = [program, "-f", config, "-DD", "-E", "-m", "256", "-M", "32", "-Y", run, *defines]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            _await_listener(port)
            yield Edge(f"ws://127.0.0.1:{port}/", "", process.pid)
            process.terminate()


def _await_listener(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


async def run_epcscf(core_uri: str, scheme: str) -> None:
    """Run an eP-CSCF until standard input ends."""
    from wic.network import ImsNetwork, NetworkOptions

    options = NetworkOptions(core=core_uri, insecure=scheme == "ws", subscribers=(), web=False, reg_event=False)
    async with ImsNetwork(options) as ims:
        print(json.dumps(ims.ready()), flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def register_through(edge: Edge, users: int) -> float:
    """Register clients through an edge, and return its CPU seconds for each."""
    from wic import Account, Client, ClientOptions
    from wic.auth.secret import Secret

    def client(index: int) -> Client:
        name = f"user{index}@ims.example"
        ca = Path(edge.ca) if edge.ca else None
        account = Account(
            server=edge.url, impu=f"sip:{name}", impi=name, password=Secret("secret"), ca=ca, insecure=ca is None
        )
        return Client(account, ClientOptions(reg_event=False))

    async with AsyncExitStack() as clients:

        async def register(first: int, last: int) -> None:
            for done in range(first, last, AT_ONCE):
                batch = [client(index) for index in range(done, min(done + AT_ONCE, last))]
                await asyncio.gather(*(clients.enter_async_context(one) for one in batch))

        await register(0, WARM_UP)
        began = edge.cpu_seconds()
        await register(WARM_UP, WARM_UP + users)
        return (edge.cpu_seconds() - began) / users


def compare(users: int) -> dict[str, float]:
    """Measure each edge, and return its CPU milliseconds for one registration."""
    results = {}
    program = shutil.which("kamailio")
    with core() as uri:
        for name, insecure in (("eP-CSCF, WSS", False), ("eP-CSCF, WS", True)):
            with epcscf(uri, insecure=insecure) as edge:
                results[name] = 1000 * asyncio.run(register_through(edge, users))
        if program is not None:
            with kamailio(program, uri) as edge:
                results["Kamailio, WS"] = 1000 * asyncio.run(register_through(edge, users))
    return results


def main() -> int:
    if sys.argv[1:2] == ["--edge"]:
        asyncio.run(run_epcscf(*sys.argv[2:]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = compare(options.users)
    if options.json:
        print(json.dumps(results))
    else:
        print(heading(__doc__))
        head = ["one registration", "CPU ms", "a second and core"]
        print(table(head, [[name, f"{cost:.2f}", f"{1000 / cost:,.0f}"] for name, cost in results.items()]))
    if "Kamailio, WS" not in results:
        print("Kamailio was not measured: it is not installed.", file=sys.stderr)
        return 0
    ratio = results["eP-CSCF, WS"] / results["Kamailio, WS"]
    return judge([Ratio("CPU of a registration, eP-CSCF / Kamailio", ratio, 4.0, 8.0)], show=not options.json)


if __name__ == "__main__":
    sys.exit(main())
