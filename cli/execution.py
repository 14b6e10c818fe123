"""Execution of a command: an event loop that signals end, and errors as one sentence and an exit code."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import click

from wic.errors import ConfigurationError, LocalProtocolError, WicError

from .error_text import sentence
from .exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .console import Console

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_async(work: Callable[[], Coroutine[None, None, ExitCode]], console: Console) -> ExitCode:
    """Run the coroutine of a command to its end.

    SIGINT and SIGTERM cancel it, so that it deregisters and closes before it ends; a second signal
    ends the process at once.

    Args:
        work: makes the coroutine, which returns the exit code. It may prompt: it is called before the loop takes SIGINT.
        console: prints an error.
    """
    return run_sync(lambda: asyncio.run(_interruptible(work())), console)


def run_sync(work: Callable[[], ExitCode], console: Console) -> ExitCode:
    """Run the function of a command, and turn its error into a sentence and an exit code.

    Args:
        work: the function, which returns the exit code.
        console: prints an error.
    """
    try:
        return work()
    except (ConfigurationError, LocalProtocolError) as error:  # the user can mend it: nothing was tried
        console.error(sentence(error))
        return ExitCode.USAGE
    except WicError as error:
        console.error(sentence(error))
        return ExitCode.FAILED
    except (asyncio.CancelledError, KeyboardInterrupt):
        return ExitCode.INTERRUPTED


async def _interruptible(work: Coroutine[None, None, ExitCode]) -> ExitCode:
    """Cancel the work at the first signal; the second one meets the default handler."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)

    def interrupt() -> None:
        # Without our handlers the next signal raises KeyboardInterrupt, or ends the process: a way out if cleaning up hangs.
        for number in SIGNALS:
            loop.remove_signal_handler(number)
        task.cancel()

    for number in SIGNALS:
        loop.add_signal_handler(number, interrupt)
    try:
        return await task
    except BaseExceptionGroup as group:
        raise _error_of(group) from group
    finally:
        for number in SIGNALS:
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
