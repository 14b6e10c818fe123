"""Back-off between tries to register (RFC 5626 §4.5, TS 24.229 §5.1.1.2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_FIRST: Final = 300.0  # TS 24.229 §5.1.1.2.1: five minutes at most after the first failure
_MAX_DOUBLINGS: Final = 32  # beyond any max-time: keeps the power small


@dataclass(frozen=True, kw_only=True, slots=True)
class BackoffOptions:
    """The times of RFC 5626 §4.5, in seconds.

    Raises:
        ConfigurationError: a time is not positive, or the first wait is beyond five minutes.
    """

    first_time: float = 10.0
    """The wait after the first failure is drawn from 0 to this, so that the clients of a lost server come back apart."""
    base_time: float = 30.0
    """`base-time (if all failed)`: no flow of this user works."""
    max_time: float = 1800.0
    """`max-time`; also the most that a Retry-After can ask for."""

    def __post_init__(self) -> None:
        if min(self.first_time, self.base_time, self.max_time) <= 0:
            raise ConfigurationError("the times of a back-off must be positive")
        if self.first_time > _LONGEST_FIRST:
            raise ConfigurationError(f"the first wait of a back-off must not be longer than {_LONGEST_FIRST:g} s")


_DEFAULT_OPTIONS: Final = BackoffOptions()


@dataclass(slots=True)
class Backoff:
    """Count of consecutive failures, and the wait after each.

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
            return self.chance() * options.first_time  # TS 24.229 §5.1.1.2.1: within five minutes
        wait = min(options.max_time, options.base_time * 2.0 ** min(self.failures, _MAX_DOUBLINGS))
        return wait * (1 + self.chance()) / 2  # from 50 to 100 per cent

    def succeed(self) -> None:
        """Begin to count anew."""
        self.failures = 0
