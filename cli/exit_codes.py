"""Exit codes of the commands, for scripts."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Outcome of a `wic` command."""

    DONE = 0
    """The command did what was asked."""

    FAILED = 1
    """The call, registration or check failed."""

    USAGE = 2
    """Wrong usage or configuration: nothing was tried."""

    INTERRUPTED = 3
    """SIGINT or SIGTERM ended the command; it cleaned up first."""
