from __future__ import annotations

import asyncio
import io
import os
import signal

import pytest

from wic.errors import ConfigurationError, LocalProtocolError, RegistrationFailed
from wic_cli.console import Console
from wic_cli.exit_codes import ExitCode
from wic_cli.run import guarded, run, sentence


@pytest.fixture
def console():
    return Console(out=io.StringIO(), err=io.StringIO())


def said(console: Console) -> str:
    return console._err.getvalue()


async def done() -> ExitCode:
    return ExitCode.DONE


def raising(error: BaseException):
    async def work() -> ExitCode:
        raise error

    return work


def test_the_code_of_the_work_is_the_code(console) -> None:
    assert run(done, console) is ExitCode.DONE
    assert said(console) == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("no such account"), ExitCode.USAGE),
        (LocalProtocolError("cannot be"), ExitCode.USAGE),
        (RegistrationFailed("the network\nrefused"), ExitCode.FAILED),
    ],
)
def test_our_errors_become_a_sentence_and_a_code(console, error, code) -> None:
    assert run(raising(error), console) is code
    assert said(console) == f"Error: {sentence(error)}\n"


def test_out_of_a_group_our_error_is_told(console) -> None:
    inner = ExceptionGroup("inner", [ValueError("who cares"), RegistrationFailed("lost")])
    assert run(raising(ExceptionGroup("outer", [KeyError("x"), inner])), console) is ExitCode.FAILED
    assert said(console) == "Error: lost\n"


def test_a_group_of_strangers_raises_the_first(console) -> None:
    with pytest.raises(KeyError):
        run(raising(ExceptionGroup("g", [KeyError("x"), ValueError("y")])), console)


def test_a_sentence_is_never_empty() -> None:
    assert sentence(TimeoutError()) == "TimeoutError"
    assert sentence(RegistrationFailed("a\n  b")) == "a b"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_work_clean_up(console, number) -> None:
    cleaned = []

    async def work() -> ExitCode:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            cleaned.append(True)
        return ExitCode.DONE

    before = signal.getsignal(number)
    assert run(work, console) is ExitCode.INTERRUPTED
    assert cleaned
    assert said(console) == ""
    assert signal.getsignal(number) is before


def test_a_second_signal_does_not_wait(console) -> None:
    async def work() -> ExitCode:
        loop = asyncio.get_running_loop()
        loop.call_soon(os.kill, os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            loop.call_soon(os.kill, os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()  # a network that never confirms
        return ExitCode.DONE

    assert run(work, console) is ExitCode.INTERRUPTED


def test_work_without_a_loop_is_guarded_too(console) -> None:
    def broken() -> ExitCode:
        raise ConfigurationError("no such directory")

    assert guarded(lambda: ExitCode.DONE, console) is ExitCode.DONE
    assert guarded(broken, console) is ExitCode.USAGE
