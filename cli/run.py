"""How a command runs: an event loop that a signal can end, and errors as one sentence and an exit code."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING

import click

from wic.errors import ConfigurationError, LocalProtocolError, WicError

from .exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .console import Console

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(work: Callable[[], Coroutine[None, None, ExitCode]], console: Console) -> ExitCode:
    """Run a command's coroutine to its end and say how it ended.

    SIGINT and SIGTERM cancel it, so that it deregisters and closes before it goes; a second signal
    ends the process at once.

    Args:
        work: makes the coroutine; it returns the exit code.
        console: where an error is said, in one sentence.
    """
    return guarded(lambda: asyncio.run(_interruptible(work)), console)


def guarded(work: Callable[[], ExitCode], console: Console) -> ExitCode:
    """Do a command's work, and turn what it raises into a sentence and an exit code.

    Args:
        work: does it, and returns the exit code.
        console: where an error is said.
    """
    try:
        return work()
    except (ConfigurationError, LocalProtocolError) as error:
        console.error(sentence(error))
        return ExitCode.USAGE
    except WicError as error:
        console.error(sentence(error))
        return ExitCode.FAILED
    except (asyncio.CancelledError, KeyboardInterrupt):
        return ExitCode.INTERRUPTED


async def _interruptible(work: Callable[[], Coroutine[None, None, ExitCode]]) -> ExitCode:
    """Cancel the work at the first signal; the second one meets the default handler."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work())

    def interrupt() -> None:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
        task.cancel()

    for number in SIGNALS:
        loop.add_signal_handler(number, interrupt)
    try:
        return await task
    except BaseExceptionGroup as group:
        raise _leaf(group) from group
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


def _leaf(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that a task group wraps: the first that is ours, else the first."""
    leaves: list[BaseException] = []
    stack: list[BaseException] = [group]
    while stack:
        error = stack.pop()
        if isinstance(error, BaseExceptionGroup):
            stack.extend(reversed(error.exceptions))
        else:
            leaves.append(error)
    return next((leaf for leaf in leaves if isinstance(leaf, WicError)), leaves[0])


def sentence(error: BaseException) -> str:
    """An error as one sentence: never empty, never more than a line."""
    text = " ".join(str(error).split())
    return text or type(error).__name__


def clause(error: BaseException) -> str:
    """An error as a part of a sentence that goes on, or ends with a full stop of its own."""
    return sentence(error).removesuffix(".")


def exit_with(code: ExitCode) -> None:
    """End the command with a code."""
    click.get_current_context().exit(int(code))
