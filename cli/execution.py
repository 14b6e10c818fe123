"""Execution of a command: an event loop that signals end, and errors as one sentence and an exit code."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import click

from wic.errors import WicError

from .failures import CommandFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import FrameType

    from .console import Console
    from .exit_codes import ExitCode

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP
"""Signals after which a command cleans up before it ends; SIGHUP comes when its terminal is closed."""


def run_async(work: Callable[[], Coroutine[None, None, ExitCode]], console: Console) -> ExitCode:
    """Run the coroutine of a command to its end.

    SIGINT, SIGTERM and SIGHUP cancel it, so that it deregisters and closes before it ends; a second signal
    ends the process at once.

    Args:
        work: makes the coroutine, which returns the exit code. It may prompt: it is called before the loop takes the signals.
        console: prints an error.
    """
    return run_sync(lambda: asyncio.run(_interruptible(work())), console)


def run_sync(work: Callable[[], ExitCode], console: Console) -> ExitCode:
    """Run the function of a command, and turn its error into a sentence, a document and an exit code.

    Args:
        work: the function, which returns the exit code.
        console: prints an error.
    """
    try:
        with _interrupting():
            return work()
    except (WicError, asyncio.CancelledError, KeyboardInterrupt, EOFError, click.Abort) as error:
        failure = CommandFailure.of(error)
        console.failure(failure)
        return failure.code


@contextmanager
def _interrupting() -> Iterator[None]:
    """Let every signal end blocking code, such as a prompt for a password, as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heeded() -> list[signal.Signals]:
    """Return the signals that end a command: all but a SIGHUP that the parent process has switched off, as `nohup` does.

    A shell that runs a script switches SIGINT off for what it starts with `&`; the script has to be able to end it all the same.
    """
    asked = (signal.SIGINT, signal.SIGTERM)
    return [number for number in SIGNALS if number in asked or signal.getsignal(number) is not signal.SIG_IGN]


async def _interruptible(work: Coroutine[None, None, ExitCode]) -> ExitCode:
    """Cancel the work at the first signal; the second one meets the default handler."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    signals = _heeded()

    def interrupt() -> None:
        # Without our handlers the next signal raises KeyboardInterrupt, or ends the process: a way out if cleaning up hangs.
        for number in signals:
            loop.remove_signal_handler(number)
        task.cancel()

    for number in signals:
        loop.add_signal_handler(number, interrupt)
    try:
        return await task
    except BaseExceptionGroup as group:
        raise _error_of(group) from group
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _error_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that a task group wraps: the first `WicError`, else the first of all."""
    leaves: list[BaseException] = []
    stack: list[BaseException] = [group]  # reversed below, so that errors keep their order
    while stack:
        error = stack.pop()
        if isinstance(error, BaseExceptionGroup):
            stack.extend(reversed(error.exceptions))
        else:
            leaves.append(error)
    return next((leaf for leaf in leaves if isinstance(leaf, WicError)), leaves[0])


async def until_terminated() -> None:
    """Wait for SIGTERM, with which a service manager stops what runs until it is stopped: no interruption of its work.

    A second SIGTERM ends the process at once.
    """
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    try:
        await stopped.wait()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def exit_with(code: ExitCode) -> None:
    """End the command with a code."""
    click.get_current_context().exit(int(code))
