"""Execution of a command: an event loop that signals end, and errors as one sentence and an exit code."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING, Any, Final

import click

from wic.errors import WicError

from .error_text import shortage
from .exit_codes import ExitCode
from .failures import CommandFailure
from .signals import SIGNALS, Terminated, heeded, interrupting

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .console import Console

_log = logging.getLogger(__name__)
_SHORTAGE_AGAIN: Final = 60.0
"""Seconds after which it is told again that a resource is used up."""


def run_async(
    work: Callable[[], Coroutine[None, None, ExitCode]], console: Console, *, service: bool = False
) -> ExitCode:
    """Run the coroutine of a command to its end.

    SIGINT, SIGTERM and SIGHUP cancel it, so that it deregisters and closes before it ends; a second signal
    ends the process at once.

    Args:
        work: makes the coroutine, which returns the exit code. It may prompt: it is called before the loop takes the signals.
        console: prints an error.
        service: whether SIGTERM is the expected end of the command, also while it starts.
    """

    def run() -> ExitCode:
        coroutine = work()
        # None comes between the two ways to heed signals: what is blocked meets the handlers of the loop.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        return asyncio.run(_interruptible(coroutine, set(map(int, mask)), service=service))

    return run_sync(run, console, service=service)


def run_sync(work: Callable[[], ExitCode], console: Console, *, service: bool = False) -> ExitCode:
    """Run the function of a command, and turn its error into a sentence, a document and an exit code.

    Args:
        work: the function, which returns the exit code.
        console: prints an error.
        service: whether SIGTERM is the expected end of the command.
    """
    try:
        with interrupting():
            return work()
    except (WicError, asyncio.CancelledError, KeyboardInterrupt, EOFError, click.Abort) as error:
        if service and isinstance(error, Terminated):
            return ExitCode.DONE
        failure = CommandFailure.of(error)
        console.failure(failure)
        return failure.code


async def _interruptible(work: Coroutine[None, None, ExitCode], mask: set[int], *, service: bool) -> ExitCode:
    """Cancel the work at the first signal; the second one meets the default handler. `mask` lets blocked signals in."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_ErrorReporter())
    task = asyncio.ensure_future(work)
    signals = heeded()
    first: list[signal.Signals] = []

    def interrupt(received: signal.Signals) -> None:
        first.append(received)
        # Without our handlers the next signal raises KeyboardInterrupt, or ends the process: a way out if cleaning up hangs.
        for number in signals:
            loop.remove_signal_handler(number)
        task.cancel()

    for number in signals:
        loop.add_signal_handler(number, interrupt, number)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        return await task
    except asyncio.CancelledError:
        if service and first == [signal.SIGTERM]:
            return ExitCode.DONE
        raise
    except BaseExceptionGroup as group:
        raise _error_of(group) from group
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


class _ErrorReporter:
    """Handler of errors that no caller awaits; of a resource that is used up it tells once in a while, without a traceback.

    While there are no descriptors left, asyncio reports each connection that waits to be accepted, every second again.
    """

    def __init__(self) -> None:
        self._silent_until = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log an error."""
        if (told := shortage(context.get("exception"))) is None:
            loop.default_exception_handler(context)
        elif loop.time() >= self._silent_until:
            self._silent_until = loop.time() + _SHORTAGE_AGAIN
            _log.error("%s: %s", context.get("message"), told)


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
