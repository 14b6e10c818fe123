"""`wic network up` in a process of its own, and `wic register` beside it, with a tap on W2 and a capture of Mw."""

from __future__ import annotations

import json
import logging
import signal
import sqlite3
import ssl
import subprocess
import sys
import tomllib
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click.testing
import pytest

from wic.network.certificates import CertificateAuthority
from wic_cli.app import cli

from .capture import Captured, read_capture
from .tap import Tap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .messages import Message

WIC = Path(sys.executable).with_name("wic")


def run_wic(*words: object) -> click.testing.Result:
    """Run `wic WORD …` in this process; exceptions pass through."""
    log = logging.getLogger("wic")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        runner = click.testing.CliRunner()
        return runner.invoke(cli, [str(word) for word in words], catch_exceptions=False, prog_name="wic")
    finally:
        log.setLevel(level)


def start_wic(*words: object, folder: Path) -> subprocess.Popen[str]:
    """Start `wic WORD …` as a process, with its standard error in a file."""
    with (folder / f"{words[0]}.stderr").open("ab") as stderr:
        return subprocess.Popen(
            [str(WIC), *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=folder,
        )


class Network:
    """A network that was started on the command line."""

    def __init__(self, directory: Path, *words: object) -> None:
        self.directory = directory
        self._words = words
        self._folder = directory.parent
        self._starts = 0
        self.start()

    def start(self) -> None:
        self._starts += 1
        self.capture = self._folder / f"mw-{self._starts}.pcapng"
        words = ("network", "up", "--dir", self.directory, "--pcap", self.capture, "--json", *self._words)
        self.process = start_wic(*words, folder=self._folder)
        assert self.process.stdout is not None
        self.ready = json.loads(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=15)
        assert self.process.returncode == 3
        assert "Traceback" not in (self._folder / "network.stderr").read_text()

    @property
    def port(self) -> int:
        """Port of the eP-CSCF on W2."""
        return int(self.ready["wss"].rstrip("/").rpartition(":")[2])

    @property
    def accounts(self) -> dict[str, dict[str, Any]]:
        return tomllib.loads((self.directory / "accounts.toml").read_text())["accounts"]

    def captured(self) -> list[Captured]:
        """Return the messages that the eP-CSCF has sent and received on Mw."""
        return [each for each in read_capture(self.capture) if self.port not in (each.source, each.target)]

    def on_mw(self, like: Message) -> list[Message]:
        """Return the messages on Mw with the Call-ID of a message on W2."""
        own = like.one("Call-ID")
        return [each.message for each in self.captured() if each.message.one("Call-ID") == own]

    def subscriber(self, *words: object) -> str:
        """Run `wic network subscriber WORD …`; return its standard output."""
        result = run_wic("network", "subscriber", words[0], "--dir", self.directory, *words[1:])
        assert result.exit_code == 0, result.output
        return result.stdout

    def reset_sqn(self, name: str) -> None:
        """Set the sequence number of a USIM in the HSS to zero, as an old backup would."""
        with closing(sqlite3.connect(self.directory / "hss.sqlite")) as hss, hss:
            changed = hss.execute("UPDATE usim SET sqn = 0 WHERE impi = ?", (f"{name}@ims.example",))
            assert changed.rowcount == 1

    def tap(self) -> Tap:
        server = CertificateAuthority(self.directory).server_context("127.0.0.1")
        return Tap(self.port, server, ssl.create_default_context(cafile=self.ready["ca"]))


@dataclass(frozen=True)
class RegisterRun:
    """Finished `wic register --once`, with its output and the messages on W2 and Mw."""

    code: int
    document: dict[str, Any]
    stderr: str
    tap: Tap
    network: Network

    @property
    def registers(self) -> list[Message]:
        """REGISTERs of the WIC on W2."""
        return [each for each in self.tap.session.sent if each.method == "REGISTER" and not each.status]

    @property
    def answers(self) -> list[Message]:
        """Responses to them on W2."""
        return [each for each in self.tap.session.received if each.method == "REGISTER"]

    @property
    def mw_registers(self) -> list[Message]:
        return [each for each in self._on_mw() if not each.status]

    @property
    def mw_answers(self) -> list[Message]:
        return [each for each in self._on_mw() if each.status]

    @property
    def error(self) -> str:
        """The error sentence that the command ended with."""
        (line,) = (each for each in self.stderr.splitlines() if each.startswith("Error: "))
        assert "Traceback" not in self.stderr
        return line.removeprefix("Error: ")

    def _on_mw(self) -> list[Message]:
        return [each for each in self.network.on_mw(self.registers[0]) if each.method == "REGISTER"]


class Terminal:
    """Command line of a user whose accounts lead through a tap."""

    def __init__(self, network: Network, folder: Path, tap: Tap) -> None:
        self.network, self.folder, self.tap = network, folder, tap
        self._started: list[subprocess.Popen[str]] = []

    def register(self, account: str, *words: object, **settings: Any) -> RegisterRun:
        """Run `wic register ACCOUNT --once`."""
        result = run_wic(*self._command(account, settings), "--once", *words)
        document = json.loads(result.stdout) if result.stdout else {}
        return RegisterRun(result.exit_code, document, result.stderr, self.tap, self.network)

    def stay(self, account: str, **settings: Any) -> subprocess.Popen[str]:
        """Start `wic register ACCOUNT`, and wait until it reports that it is registered."""
        process = start_wic(*self._command(account, settings), folder=self.folder)
        self._started.append(process)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["state"] == "registered"
        return process

    @property
    def stderr(self) -> str:
        """Standard error of the commands that were started."""
        return (self.folder / "register.stderr").read_text()

    def _command(self, account: str, settings: dict[str, Any]) -> tuple[object, ...]:
        """Write the account with its server at the tap, and with other settings; None removes one."""
        entry = self.network.accounts.get(account, {})
        entry |= {"server": self.tap.url, "ca": self.network.ready["ca"]} | settings
        lines = [f"{key} = {json.dumps(value)}" for key, value in entry.items() if value is not None]
        file = self.folder / f"{account}.toml"
        file.touch(mode=0o600)
        file.write_text("\n".join([f"[accounts.{account}]", *lines]))
        return "register", account, "--accounts", file, "--json"

    @staticmethod
    def end(process: subprocess.Popen[str], number: int) -> int:
        """Send a command a signal, and return the code that it ends with."""
        process.send_signal(number)
        process.communicate(timeout=10)
        return process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.terminate()  # to deregister, and to return leased identities
        for process in self._started:
            with process:
                process.communicate(timeout=10)


@contextmanager
def open_terminal(network: Network, folder: Path) -> Iterator[Terminal]:
    with network.tap() as tap, Terminal(network, folder, tap) as terminal:
        yield terminal


@contextmanager
def run_network(folder: Path, *words: object) -> Iterator[Network]:
    network = Network(folder / "ims", *words)
    try:
        yield network
        network.stop()
    finally:
        network.kill()


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A network shared by the scenarios that do not change it."""
    with run_network(tmp_path_factory.mktemp("scenarios"), "--leases-each", "4") as running:
        yield running


@pytest.fixture
def own_network(tmp_path: Path) -> Iterator[Network]:
    """A network of this test alone."""
    with run_network(tmp_path) as running:
        yield running


@pytest.fixture
def terminal(network: Network, tmp_path: Path) -> Iterator[Terminal]:
    """A user's command line, with a tap on W2."""
    with open_terminal(network, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="session")
def register_once(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RegisterRun]:
    """Run `wic register --once` for an account; a module can share the result."""

    def run(account: str, **settings: Any) -> RegisterRun:
        with open_terminal(network, tmp_path_factory.mktemp(account)) as opened:
            return opened.register(account, **settings)

    return run
