"""Back-off between attempts to register, and between attempts to connect (RFC 5626 §4.5, TS 24.229 §5.1.1.2.1).

A registrar that refuses is overloaded, or has a fault that takes its time: after the second refusal the waits are those of
RFC 5626 §4.5, from one minute on. A server that cannot be connected to is most often restarting, or on the other side of a
network that is away for some seconds: there the waits begin with a second or two, and double up to the same end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wic.errors import ConfigurationError
from wic.option_checks import NumericOptions

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_FIRST: Final = 300.0  # TS 24.229 §5.1.1.2.1: five minutes at most after the first failure
_MAX_DOUBLINGS: Final = 32  # beyond any max-time: keeps the power small


@dataclass(frozen=True, kw_only=True, slots=True)
class BackoffOptions(NumericOptions):
    """The times of RFC 5626 §4.5, in seconds.

    Raises:
        ConfigurationError: a time is not positive, or the first wait is beyond five minutes.
    """

    first_time: float = 2.0
    """The wait before the first attempt to connect again is drawn from 0 to this; each further one is twice as long."""
    base_time: float = 30.0
    """`base-time (if all failed)`, for registrations that are refused; the first wait is drawn from 0 to a third of it."""
    max_time: float = 1800.0
    """`max-time`; also the most that a Retry-After can ask for."""

    def __post_init__(self) -> None:
        NumericOptions.__post_init__(self)
        if self.first_time > _LONGEST_FIRST:
            raise ConfigurationError(f"the first wait of a back-off must not be longer than {_LONGEST_FIRST:g} s")


_DEFAULT_OPTIONS: Final = BackoffOptions()


@dataclass(slots=True)
class Backoff:
    """Count of consecutive refusals, and the wait after each.

    >>> backoff = Backoff(lambda: 0.0)
    >>> [backoff.fail() for _ in range(8)]
    [0.0, 60.0, 120.0, 240.0, 480.0, 900.0, 900.0, 900.0]
    """

    chance: Callable[[], float]
    """Gives a number from 0 to 1, another one each time."""
    options: BackoffOptions = _DEFAULT_OPTIONS
    failures: int = 0
    """Tries that have failed since the last success."""

    def fail(self, *, retry_after: float | None = None) -> float:
        """Count a failure and return the seconds to wait before the next try.

        Args:
            retry_after: what the network asked for; it is obeyed up to `max_time`, and at least as long as a wait
                that doubles from 1 s to `base_time`, so that a network that always asks for none is not flooded.
        """
        self.failures += 1
        options = self.options
        if retry_after is not None:
            least = min(options.base_time, 2.0 ** min(self.failures - 1, _MAX_DOUBLINGS))
            return min(max(retry_after, least), options.max_time)
        if self.failures == 1:
            # TS 24.229 §5.1.1.2.1: within five minutes.
            return self.chance() * min(options.base_time / 3, _LONGEST_FIRST)
        wait = min(options.max_time, options.base_time * 2.0 ** min(self.failures, _MAX_DOUBLINGS))
        return wait * (1 + self.chance()) / 2  # from 50 to 100 per cent

    def succeed(self) -> None:
        """Begin to count anew."""
        self.failures = 0


@dataclass(slots=True)
class ConnectionBackoff:
    """Count of connections that were lost or could not be made in a row, and the wait after each.

    >>> backoff = ConnectionBackoff(lambda: 1.0)
    >>> [backoff.fail() for _ in range(6)] + [backoff.fail(soon=True)]
    [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 4.0]
    >>> [backoff.fail(soon=True), backoff.fail(soon=True), backoff.fail()]
    [4.0, 4.0, 8.0]
    """

    chance: Callable[[], float]
    """Gives a number from 0 to 1, another one each time."""
    options: BackoffOptions = _DEFAULT_OPTIONS
    failures: int = 0
    """Failures since a connection lasted."""

    def fail(self, *, soon: bool = False) -> float:
        """Count a failure and return the seconds to wait before the next attempt.

        Args:
            soon: a call waits for the connection, and will not do so for long: the waits do not grow meanwhile.
        """
        self.failures = min(self.failures + 1, 2) if soon else self.failures + 1
        options = self.options
        most = min(options.max_time, options.first_time * 2.0 ** min(self.failures - 1, _MAX_DOUBLINGS))
        if self.failures == 1:
            return self.chance() * most  # from 0 on, so that the clients of a lost server come back apart
        return most * (1 + self.chance()) / 2  # RFC 5626 §4.5: from 50 to 100 per cent

    def succeed(self) -> None:
        """Begin to count anew."""
        self.failures = 0
