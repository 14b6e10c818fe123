"""Which eP-CSCF to try next, and how long to wait before that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wic.registration.backoff import Backoff

__all__ = ["Servers"]

_NONE: Final[frozenset[int]] = frozenset()
_STABLE: Final = 120.0  # RFC 5626 §4.5: min-regtime, after which a flow counts as one that works


class Servers:
    """The servers of an account, the best one first, and what is known of them.

    A server that is lost is tried again before the others: the calls that it carries can only go on there.
    A wait begins with every round through all servers (RFC 5626 §4.5).
    """

    __slots__ = ("_backoff", "_index", "_tried", "_up_since", "_urls")

    def __init__(self, urls: tuple[str, ...], backoff: Backoff) -> None:
        self._urls = urls
        self._backoff = backoff
        self._index = 0
        self._tried = _NONE
        self._up_since: float | None = None

    @property
    def current(self) -> str:
        """The server to try, or in use."""
        return self._urls[self._index]

    @property
    def has_others(self) -> bool:
        """Whether there is more than one."""
        return len(self._urls) > 1

    @property
    def exhausted(self) -> bool:
        """Whether every server has been tried since one worked."""
        return len(self._tried) == len(self._urls)

    def works(self, *, now: float) -> None:
        """Take note that the current server has registered the user."""
        self._up_since = now
        self._tried = _NONE

    def lost(self, *, now: float) -> float:
        """Take note that the connection to the current server ended; return the seconds to wait.

        The wait is drawn by chance, so that the clients of a server that failed do not come back at once. It is
        short after a connection that worked for two minutes, and grows where connections do not last.
        """
        stable = self._up_since is not None and now - self._up_since >= _STABLE
        self._up_since = None
        if stable:
            self._backoff.succeed()
        wait = self._backoff.fail()
        if stable:
            self._backoff.succeed()  # the flow failed, but no try to make one has
        return wait

    def failed(self) -> None:
        """Take note that the current server is of no use now, and turn to the next."""
        self._up_since = None
        self._tried |= {self._index}
        self._index = next((index for index in range(len(self._urls)) if index not in self._tried), 0)

    def wait(self, *, retry_after: float | None = None) -> float:
        """Return the seconds to wait after `failed`: none as long as there is a server that was not tried.

        Args:
            retry_after: what the server asked for; it counts where there is no other server.
        """
        if not self.exhausted:
            return 0.0
        self._tried = _NONE
        return self._backoff.fail(retry_after=retry_after if len(self._urls) == 1 else None)
