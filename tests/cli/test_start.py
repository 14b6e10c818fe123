"""Signals that come while a program starts, at steps of the start that Python's audit events name."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from wic.network import ImsNetwork, NetworkOptions

if TYPE_CHECKING:
    from pathlib import Path

AT_A_STEP = """
import os, sys
from wic_cli.start import main
event, step, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
del sys.argv[1:4]
left = [step]
def audit(name, _arguments):
    if name == event:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), number)
sys.addaudithook(audit)
main()
"""
LOADING = [("import", 1), ("import", 40), ("import", 400)]
"""The first module, one of the root command, one of a command."""
OPENING = [
    ("os.rename", 1),  # the first file that is made, the key of the CA
    ("sqlite3.connect", 1),  # the HSS
    ("sqlite3.connect", 2),  # the WAF
    *(("socket.bind", number) for number in (1, 2, 3, 4, 5)),  # entity by entity
    ("os.rename", 3),
]


def end_at(step: tuple[str, int], number: int, *words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that gets a signal at a step of its start."""
    event, count = step
    command = [sys.executable, "-c", AT_A_STEP, event, str(count), str(int(number)), *map(str, words)]
    environment = os.environ | {"TMPDIR": str(folder), "XDG_STATE_HOME": str(folder)}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


@pytest.mark.parametrize("step", LOADING + OPENING, ids=str)
async def test_sigterm_stops_a_network_that_starts(tmp_path: Path, step: tuple[str, int]) -> None:
    """Nothing is left in the way of the next start: no draft of a file, no half-made database, no port."""
    directory = tmp_path / "ims"
    ended = end_at(step, signal.SIGTERM, "network", "up", "--dir", directory, "--json", folder=tmp_path)
    assert ended.returncode == 0
    # Behind the last step there is nothing left to wait for, so that it listens before it stops.
    if step != OPENING[-1]:
        assert (ended.stdout, ended.stderr) == ("", "")
    assert [path.name for path in directory.glob(".*")] == []
    async with ImsNetwork(NetworkOptions(directory=directory)) as ims:
        assert set(ims.accounts.names()) >= {"alice", "bob"}


@pytest.mark.parametrize("step", [("import", 40), ("socket.bind", 2)], ids=str)
def test_a_temporary_directory_is_removed(tmp_path: Path, step: tuple[str, int]) -> None:
    ended = end_at(step, signal.SIGTERM, "network", "up", folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert list(tmp_path.glob("wic-network-*")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    ("step", "words"),
    [
        (("import", 1), ("register", "alice")),
        (("import", 400), ("call", "alice", "bob@ims.example")),
        (("socket.connect", 1), ("answer", "alice")),
        (("import", 400), ("network", "subscriber", "list")),
    ],
    ids=str,
)
def test_a_signal_ends_any_other_command_that_starts(lab, tmp_path: Path, step, words, number) -> None:
    where = ("--dir", lab.directory) if words[0] == "network" else ("--accounts", lab.accounts)
    ended = end_at(step, number, *words, *where, "--json", folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (3, "")
    assert json.loads(ended.stdout)["outcome"] == "interrupted"


@pytest.mark.parametrize("step", [("import", 1), ("import", 400), ("socket.bind", 1)], ids=str)
def test_ctrl_c_interrupts_a_network_that_starts(tmp_path: Path, step: tuple[str, int]) -> None:
    ended = end_at(step, signal.SIGINT, "network", "up", "--json", folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (3, "")
    assert json.loads(ended.stdout)["outcome"] == "interrupted"
    assert list(tmp_path.glob("wic-network-*")) == []


HANGING = """
import sys, threading
from wic_cli.start import main
threading.Thread(target=threading.Event().wait).start()
sys.argv = ["wic", "--version"]
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_a_program_that_hangs(number: signal.Signals) -> None:
    """Where no command runs the first one is only noted: at the end of the process nothing would come of it."""
    hanging = subprocess.Popen([sys.executable, "-c", HANGING], stdout=subprocess.PIPE)
    try:
        assert hanging.stdout is not None
        assert hanging.stdout.read(3) == b"wic"  # the version has been printed
        for _ in range(100):  # two that come at once are one
            hanging.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                hanging.wait(0.1)
                break
        assert hanging.returncode == -number
    finally:
        hanging.kill()
        hanging.communicate()


def test_the_second_signal_may_be_another_one() -> None:
    """After a Ctrl-C that came to nothing a service manager, or the user, sends SIGTERM."""
    program = (
        "import os, signal; from wic_cli.signals import note_signals; note_signals()\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=30, check=False).returncode == -signal.SIGTERM
