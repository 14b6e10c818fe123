"""What a command's exit code says to a script."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every `wic` command."""

    DONE = 0
    """It did what was asked."""

    FAILED = 1
    """The call, registration or check failed."""

    USAGE = 2
    """Wrong usage or configuration: nothing was tried."""

    INTERRUPTED = 3
    """Somebody ended it by SIGINT or SIGTERM; it cleaned up first."""
