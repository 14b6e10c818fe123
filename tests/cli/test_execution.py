from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import os
import signal
from typing import NoReturn

import pytest

from wic.errors import ConfigurationError, LocalProtocolError, RegistrationFailed
from wic_cli.console import Console
from wic_cli.error_text import sentence
from wic_cli.execution import registered, run_async, run_sync, until_terminated
from wic_cli.exit_codes import ExitCode
from wic_cli.failures import OutputFailed, ReaderGone


@pytest.fixture
def errors() -> io.StringIO:
    """The standard error of the console."""
    return io.StringIO()


@pytest.fixture
def console(errors: io.StringIO) -> Console:
    return Console(out=io.StringIO(), err=errors)


async def done() -> ExitCode:
    return ExitCode.DONE


def raising(error: BaseException):
    async def work() -> ExitCode:
        raise error

    return work


def test_the_result_is_the_exit_code(console, errors) -> None:
    assert run_async(done, console) is ExitCode.DONE
    assert errors.getvalue() == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("no such account"), ExitCode.USAGE),
        (LocalProtocolError("cannot be"), ExitCode.USAGE),
        (RegistrationFailed("the network\nrefused"), ExitCode.FAILED),
    ],
)
def test_errors_become_a_sentence_and_an_exit_code(console, errors, error, code) -> None:
    assert run_async(raising(error), console) is code
    assert errors.getvalue() == f"Error: {sentence(error)}\n"


def test_a_shortage_is_told_once_and_without_a_traceback(console, caplog) -> None:
    """asyncio reports it for each connection that waits, as long as there is no descriptor for it."""

    async def work() -> ExitCode:
        loop = asyncio.get_running_loop()
        error = OSError(errno.EMFILE, "Too many open files")
        for _ in range(100):
            loop.call_exception_handler({"message": "socket.accept() out of system resource", "exception": error})
        loop.call_exception_handler({"message": "it failed", "exception": ValueError("another")})
        return ExitCode.DONE

    assert run_async(work, console) is ExitCode.DONE
    shortage, other = caplog.records
    assert shortage.getMessage() == (
        "socket.accept() out of system resource: Too many open files; allow more with `ulimit -n`."
    )
    assert shortage.exc_info is None
    assert (other.getMessage(), other.exc_info is None) == ("it failed", False)


def test_of_a_group_the_first_wic_error_is_printed(console, errors) -> None:
    inner = ExceptionGroup("inner", [ValueError("other"), RegistrationFailed("lost")])
    assert run_async(raising(ExceptionGroup("outer", [KeyError("x"), inner])), console) is ExitCode.FAILED
    assert errors.getvalue() == "Error: Lost.\n"


def test_of_a_group_without_wic_errors_the_first_is_raised(console) -> None:
    with pytest.raises(KeyError):
        run_async(raising(ExceptionGroup("g", [KeyError("x"), ValueError("y")])), console)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_command_clean_up(console, errors, number) -> None:
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
    assert run_async(work, console) is ExitCode.INTERRUPTED
    assert cleaned
    assert errors.getvalue() == ""
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, ExitCode.DONE), (signal.SIGINT, ExitCode.INTERRUPTED)])
def test_sigterm_is_the_expected_end_of_a_service(console, number, code) -> None:
    async def work() -> ExitCode:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        await until_terminated()
        return ExitCode.DONE

    before = signal.getsignal(number)
    assert run_async(work, console) is code
    assert signal.getsignal(number) is before


def test_a_second_sigterm_ends_a_service_that_does_not_close() -> None:
    async def work() -> signal.Handlers:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        await until_terminated()
        return signal.getsignal(signal.SIGTERM)  # while the command cleans up

    assert asyncio.run(work()) is signal.SIG_DFL


def test_a_second_signal_ends_the_command_at_once(console) -> None:
    async def work() -> ExitCode:
        loop = asyncio.get_running_loop()
        loop.call_soon(os.kill, os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            loop.call_soon(os.kill, os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()  # a network that never confirms
        return ExitCode.DONE

    assert run_async(work, console) is ExitCode.INTERRUPTED


class SlowClient:
    """A client whose deregistration takes a while, during which signals come."""

    def __init__(self, signals: int) -> None:
        self._signals = signals
        self.deregistered = False

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        for _ in range(self._signals):
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(5):
                await asyncio.sleep(0)
        self.deregistered = True


@pytest.mark.parametrize(("signals", "finished", "code"), [(0, True, 0), (1, True, 3), (2, False, 3)])
def test_a_first_signal_lets_a_deregistration_finish(console, signals, finished, code) -> None:
    client = SlowClient(signals)

    async def work() -> ExitCode:
        async with registered(client):
            pass
        return ExitCode.DONE

    assert run_async(work, console) == code
    assert client.deregistered is finished


def test_output_that_fails_beside_a_signal_lets_a_deregistration_finish_too(console) -> None:
    def fail() -> NoReturn:
        raise OutputFailed("Standard output is full")

    class ClientThatTells(SlowClient):
        async def __aexit__(self, *_: object) -> None:
            asyncio.get_running_loop().call_soon(fail)
            for _ in range(5):
                await asyncio.sleep(0)
            await super().__aexit__()

    client = ClientThatTells(1)

    async def work() -> ExitCode:
        async with registered(client):
            pass
        return ExitCode.DONE

    assert run_async(work, console) is ExitCode.FAILED
    assert client.deregistered


@pytest.mark.parametrize(
    ("number", "code", "told"),
    [
        (signal.SIGINT, ExitCode.FAILED, "Error: Standard output is full.\n"),
        (signal.SIGTERM, ExitCode.FAILED, "Error: Standard output is full.\n"),
        (signal.SIGHUP, ExitCode.INTERRUPTED, ""),
    ],
)
def test_only_a_closed_terminal_excuses_a_report_that_is_lost(console, errors, number, code, told) -> None:
    async def work() -> ExitCode:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        raise OutputFailed("Standard output is full")

    before = signal.signal(number, signal.SIG_DFL)  # a parent process may have switched SIGHUP off
    try:
        assert run_async(work, console) is code
    finally:
        signal.signal(number, before)
    assert errors.getvalue() == told


@pytest.mark.parametrize("error", [OutputFailed("Standard output is full"), ReaderGone(errno.EPIPE, "Broken pipe")])
@pytest.mark.parametrize("ends", [False, True])
def test_output_that_fails_in_a_callback_ends_the_command_once(console, errors, caplog, error, ends) -> None:
    cleaned = []

    def fail() -> NoReturn:
        raise error

    async def work() -> ExitCode:
        loop = asyncio.get_running_loop()
        try:
            for _ in range(3):
                loop.call_soon(fail)
            if not ends:
                await asyncio.Event().wait()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)
        finally:
            cleaned.append(True)
        return ExitCode.DONE

    if isinstance(error, ReaderGone):
        with pytest.raises(ReaderGone):
            run_async(work, console)
    else:
        assert run_async(work, console) is ExitCode.FAILED
        assert errors.getvalue() == "Error: Standard output is full.\n"
    assert cleaned
    assert caplog.records == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_in_the_background_of_a_script_can_be_ended(console, number) -> None:
    async def work() -> ExitCode:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        await asyncio.Event().wait()
        return ExitCode.DONE

    before = signal.signal(number, signal.SIG_IGN)  # as a shell does with SIGINT for `wic … &`
    try:
        assert run_async(work, console) is ExitCode.INTERRUPTED
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_a_signal_ends_a_prompt_for_a_password(console) -> None:
    """The prompt blocks the thread, so the handlers of the event loop would never run."""

    def prompt() -> NoReturn:
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the prompt went on")

    assert run_async(prompt, console) is ExitCode.INTERRUPTED


def test_a_command_without_a_loop_has_the_same_exit_codes(console) -> None:
    def broken() -> ExitCode:
        raise ConfigurationError("no such directory")

    assert run_sync(lambda: ExitCode.DONE, console) is ExitCode.DONE
    assert run_sync(broken, console) is ExitCode.USAGE
