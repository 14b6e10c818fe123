"""Failures of every command under `--json`: one document, of one shape."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import signal
import subprocess
import termios
from typing import NoReturn

import click
import pytest

from tests.cli.conftest import WIC
from tests.cli.test_help import LEAVES
from tests.support.ports import refusing_port
from wic.client import Account
from wic.errors import (
    AuthenticationFailed,
    CallRejected,
    ConfigurationError,
    ConnectFailed,
    LocalProtocolError,
    RegistrationFailed,
    StorageFailed,
)
from wic.sip.message import Response
from wic_cli.exit_codes import ExitCode
from wic_cli.failures import CommandFailure, OutputFailed

KEYS = ["outcome", "status", "reason", "error"]
COMMANDS = [path for path, _ in LEAVES]
CALLING = {"call": ("alice", "bob@ims.example"), "answer": ("alice",), "register": ("alice",)}
"""Commands that use the network, with their arguments."""


def words_of(path: tuple[str, ...], *, directory: str, accounts: str) -> list[str]:
    """Return a command line that is complete for any command."""
    if path[:2] == ("network", "subscriber"):
        name = [] if path[-1] == "list" else ["mallory"]
        return [*path, *name, "--dir", directory]
    if path == ("network", "up"):
        return [*path, "--dir", directory]
    arguments = {**CALLING, "login": ("alice",), "logout": ("alice",)}.get(path[0])
    return [*path] if arguments is None else [*path, *arguments, "--accounts", accounts]


def failure_of(result: click.testing.Result, code: int) -> dict[str, object]:
    """Return the only document of a command, after a check of its shape and of the exit code."""
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    document = json.loads(result.stdout)
    assert list(document)[:4] == KEYS
    assert document["reason"].endswith((".", "?", ")")) or "'" in document["reason"]
    return document


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("wrong", [["--no-such-option"], ["one", "two", "three", "four"], ["--log-level", "loud"]])
def test_a_wrong_usage(wic, tmp_path, path, wrong) -> None:
    words = words_of(path, directory=str(tmp_path), accounts="x")
    document = failure_of(wic(*words, "--json", *wrong), 2)
    assert (document["outcome"], document["status"], document["error"]) == ("usage", None, "UsageError")


@pytest.mark.parametrize(
    "words", [["--json"], ["registry", "--json"], ["network", "--json"], ["network", "x", "--json"]]
)
def test_a_command_that_does_not_exist(wic, words) -> None:
    assert failure_of(wic(*words), 2)["error"] == "UsageError"


def test_a_word_behind_the_end_of_options_asks_for_nothing(wic) -> None:
    result = wic("register", "--", "alice", "--json")
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("path", [path for path in COMMANDS if path != ("demo",)], ids=" ".join)
def test_a_wrong_configuration(wic, tmp_path, path) -> None:
    (tmp_path / "accounts.toml").write_text("[accounts")  # neither of the network's nor of the user's own
    (tmp_path / "hss.sqlite").write_text("no database " * 99)
    words = words_of(path, directory=str(tmp_path), accounts=str(tmp_path / "accounts.toml"))
    document = failure_of(wic(*words, "--json"), 2)
    assert (document["outcome"], document["status"]) == ("usage", None)
    assert document["error"] in ("ConfigurationError", "UsageError")


@pytest.fixture
def changed_account(lab, tmp_path):
    """Write an accounts file with alice's account, changed."""

    def write(**changes: object) -> str:
        alice = Account.load("alice", lab.accounts)
        settings = {"server": alice.server, "impu": alice.impu, "impi": alice.impi, "ca": str(alice.ca)}
        settings |= {"password": alice.password.reveal()} | changes
        file = tmp_path / "accounts.toml"
        file.write_text("\n".join(["[accounts.alice]", *(f"{key} = {json.dumps(settings[key])}" for key in settings)]))
        file.chmod(0o600)
        return str(file)

    return write


@pytest.mark.parametrize("command", CALLING)
def test_a_network_that_refuses(wic, changed_account, command) -> None:
    words = words_of((command,), directory="", accounts=changed_account(password="wrong"))
    document = failure_of(wic(*words, "--json"), 1)
    assert (document["outcome"], document["status"], document["error"]) == ("failed", 403, "RegistrationFailed")


@pytest.mark.parametrize("command", CALLING)
def test_a_network_that_cannot_be_reached(wic, changed_account, command) -> None:
    with refusing_port() as port:
        words = words_of((command,), directory="", accounts=changed_account(server=f"wss://127.0.0.1:{port}/"))
        document = failure_of(wic(*words, "--json"), 1)
    assert (document["outcome"], document["error"]) == ("failed", "ConnectFailed")


@pytest.mark.parametrize("how", [[], ["--device"]])
def test_a_waf_that_cannot_be_reached(wic, tmp_path, how) -> None:
    file = tmp_path / "accounts.toml"
    with refusing_port() as port:
        waf = f"https://127.0.0.1:{port}"
        file.write_text(f'[accounts.x]\nauth = "bearer"\nserver = "wss://x/"\nwaf = "{waf}"\nclient_id = "wic"\n')
        document = failure_of(wic("login", "x", *how, "--accounts", file, "--json"), 1)
    assert document["outcome"] == "failed"


def test_a_call_that_is_refused(lab, wic) -> None:
    result = wic("call", "alice", "unknown@ims.example", "--accounts", lab.accounts, "--json")
    document = failure_of(result, 1)
    assert (document["outcome"], document["status"], document["error"]) == ("rejected", 404, "CallRejected")


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_ctrl_c(monkeypatch, wic, tmp_path, path) -> None:
    """It comes where the command begins its work: in a prompt, in a database, or in the event loop."""

    def interrupted(*_: object, **__: object) -> NoReturn:
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the signal has no effect")

    class Interrupted:
        async def __aenter__(self) -> NoReturn:
            await interrupted_soon()

        async def __aexit__(self, *_: object) -> None:
            raise AssertionError("it was never entered")

    async def interrupted_soon(*_: object, **__: object) -> NoReturn:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
        raise AssertionError("the signal has no effect")

    for name in ("register", "call", "answer"):
        monkeypatch.setattr(f"wic_cli.commands.{name}.find_account", interrupted)
    monkeypatch.setattr("wic_cli.commands.subscriber.Provisioning", interrupted)
    for name in ("demo", "network"):
        monkeypatch.setattr(f"wic_cli.commands.{name}.ImsNetwork", lambda *_: Interrupted())
    monkeypatch.setattr("wic_cli.commands.login._web", lambda *_: None)
    for name in ("sign_in_by_browser", "sign_out"):
        monkeypatch.setattr(f"wic.client.web.sign_in.{name}", interrupted_soon)
    words = words_of(path, directory=str(tmp_path), accounts="x")
    document = failure_of(wic(*words, "--json"), 3)
    assert (document["outcome"], document["error"]) == ("interrupted", "Interrupted")


@pytest.mark.parametrize("command", ["register", "answer"])
def test_a_terminal_that_is_closed(lab, tmp_path, command) -> None:
    """Its end is a signal, and output that cannot be written: the command deregisters, and tells of neither."""
    ours, theirs = pty.openpty()
    with (tmp_path / "errors").open("w+b") as errors:
        process = subprocess.Popen(
            [str(WIC), command, "carol", "--accounts", lab.accounts],
            stdin=theirs,
            stdout=theirs,
            stderr=errors,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - it takes no lock
        )
        os.close(theirs)
        shown = b""
        while b"registered" not in shown.lower():
            shown += os.read(ours, 1000)
        os.close(ours)
        assert process.wait(15) == 3
        assert lab.contacts("carol") == []
        errors.seek(0)
        assert errors.read() == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("words", [("register", "carol"), ("answer", "carol")])
def test_a_signal_ends_a_command_that_waits(start_wic, lab, words, number) -> None:
    process = start_wic(*words, "--accounts", lab.accounts, "--json")
    lab.do(lab.registered("carol"))
    process.send_signal(number)
    out, err = process.communicate(timeout=15)
    assert process.returncode == 3, err
    assert json.loads(out.splitlines()[-1])["outcome"] == "interrupted"
    assert lab.contacts("carol") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_that_asks_for_a_password(number) -> None:
    ours, theirs = pty.openpty()
    words = ["register", "--server", "wss://192.0.2.1/", "--impu", "sip:a@ims.example", "--json"]
    process = subprocess.Popen(
        [str(WIC), *words], stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    os.close(theirs)
    assert b"Password" in process.stderr.read(len("Password"))
    process.send_signal(number)
    out, err = process.communicate(timeout=15)
    os.close(ours)
    assert process.returncode == 3, err
    assert json.loads(out)["outcome"] == "interrupted"


def test_a_signal_that_was_switched_off_has_no_effect(lab, wic) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` does
    try:
        hanging = lab.start(lab.interrupt_when(lambda: bool(lab.contacts_now("carol")), signal.SIGHUP))
        result = wic("register", "carol", "--accounts", lab.accounts, "--for", "1", "--json")
    finally:
        signal.signal(signal.SIGHUP, before)
    hanging.result(10)
    assert result.exit_code == 0, result.output


# parts


@pytest.mark.parametrize(
    ("error", "outcome", "status", "code"),
    [
        (ConfigurationError("no"), "usage", None, ExitCode.USAGE),
        (LocalProtocolError("no"), "usage", None, ExitCode.USAGE),
        (click.BadParameter("no"), "usage", None, ExitCode.USAGE),
        (RegistrationFailed("no", response=Response.build(403)), "failed", 403, ExitCode.FAILED),
        (CallRejected("no", response=Response.build(486)), "failed", 486, ExitCode.FAILED),
        (AuthenticationFailed("no"), "failed", None, ExitCode.FAILED),
        (ConnectFailed("no"), "failed", None, ExitCode.FAILED),
        (StorageFailed("no"), "failed", None, ExitCode.FAILED),
        (OutputFailed("no"), "failed", None, ExitCode.FAILED),
        (asyncio.CancelledError(), "interrupted", None, ExitCode.INTERRUPTED),
        (KeyboardInterrupt(), "interrupted", None, ExitCode.INTERRUPTED),
        (EOFError(), "interrupted", None, ExitCode.INTERRUPTED),
        (click.Abort(), "interrupted", None, ExitCode.INTERRUPTED),
    ],
)
def test_each_error_has_an_outcome_and_a_code(error, outcome, status, code) -> None:
    failure = CommandFailure.of(error)
    assert (failure.outcome, failure.status, failure.code) == (outcome, status, code)
    assert list(failure.to_dict()) == KEYS


# output that cannot be written


def run(command: str, **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, check=False, **settings
    )


@pytest.mark.parametrize(
    "words",
    ["--help", "register --help", "network subscriber list --dir {}", "network subscriber list --dir {} --json"],
)
def test_a_full_disk_behind_standard_output(lab, words) -> None:
    ended = run(f"exec {WIC} {words.format(lab.directory)} > /dev/full")
    assert ended.returncode == 1
    assert ended.stderr == "Error: Standard output could not be written in full: No space left on device.\n"


def test_a_full_disk_behind_standard_error(lab) -> None:
    ended = run(f"exec {WIC} network subscriber list --dir {lab.directory} --json 2> /dev/full")
    assert ended.returncode == 0
    assert json.loads(ended.stdout)


def test_a_reader_that_wants_no_more_is_no_fault(lab) -> None:
    ended = run(f"{WIC} network subscriber list --dir {lab.directory} | true")
    assert ended.stderr == ""
