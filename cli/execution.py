"""Execution of a command: an event loop that signals end, and errors as one sentence and an exit code."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from wic.errors import WicError

from .error_text import shortage
from .exit_codes import ExitCode
from .failures import CommandFailure, OutputFailed, ReaderGone
from .signals import SIGNALS, Terminated, heeded, interrupting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from wic.client import Client

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
    task = asyncio.ensure_future(work)
    reporter = _ErrorReporter(task)
    loop.set_exception_handler(reporter)
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
    code, error = ExitCode.FAILED, None
    try:
        code = await task
    except BaseExceptionGroup as group:
        error = _error_of(group)
    except (asyncio.CancelledError, OutputFailed, ReaderGone) as single:
        error = single
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
    if error is None or isinstance(error, asyncio.CancelledError):
        error = reporter.output_error or error
    # A terminal that is closed sends SIGHUP and takes the output with it; a reader may end by the same signal. A report that
    # a full disk has no place for is told of all the same.
    if first and (isinstance(error, ReaderGone) or (first[0].name == "SIGHUP" and isinstance(error, OutputFailed))):
        error = asyncio.CancelledError()
    if error is None or (service and first == [signal.SIGTERM] and isinstance(error, asyncio.CancelledError)):
        return code if error is None else ExitCode.DONE
    raise error


class _ErrorReporter:
    """Handler of errors that no caller awaits, as those of callbacks.

    Of a resource that is used up it tells once in a while, without a traceback: while there are no descriptors left, asyncio
    reports each connection that waits to be accepted, every second again. Output that cannot be written ends the command.

    Args:
        command: the task of the command.
    """

    def __init__(self, command: asyncio.Task[ExitCode]) -> None:
        self._command = command
        self._silent_until = 0.0
        self.output_error: OutputFailed | ReaderGone | None = None
        """The first error of output, which the end of the command tells."""

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log an error, or end the command with it."""
        error = context.get("exception")
        if isinstance(error, OutputFailed | ReaderGone):
            if self.output_error is None:
                self.output_error = error
                self._command.cancel()
        elif (told := shortage(error)) is None:
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


@asynccontextmanager
async def registered(client: Client) -> AsyncIterator[None]:
    """Register a client for the length of a block; a first signal lets its deregistration finish, a second ends it."""
    await client.__aenter__()
    try:
        yield
    finally:
        closing = asyncio.ensure_future(client.__aexit__(*sys.exc_info()))
        cancelled: asyncio.CancelledError | None = None
        while not closing.done():  # output that fails cancels as well; the second signal cancels `closing` itself
            try:
                await asyncio.wait([closing])
            except asyncio.CancelledError as error:
                cancelled = error
        closing.result()
        if cancelled is not None:
            raise cancelled


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
