"""The order in which the servers of an account are tried, and the waits in between (RFC 5626 §4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from wic.sip.errors import MalformedUri
from wic.sip.headers import NameAddr
from wic.sip.params import UriParams
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from wic.registration.backoff import Backoff, ConnectionBackoff

__all__ = ["Servers", "edge_uri"]

_NONE: Final[frozenset[int]] = frozenset()
_LOOSE: Final = UriParams.of_checked(";transport=ws;lr")
_STABLE: Final = 120.0  # RFC 5626 §4.5: min-regtime, after which a flow counts as one that works


@dataclass(slots=True)
class Servers:
    """The eP-CSCFs of an account, the best one first, and the record of their connections.

    A server that is lost is tried again before the others: the calls that it carries can only go on there.
    A wait begins with every round through all servers (RFC 5626 §4.5).
    """

    urls: tuple[str, ...]
    backoff: Backoff
    """Waits after answers, and their absence."""
    reconnects: ConnectionBackoff
    """Waits after connections that were lost, or could not be made."""
    _index: int = 0
    _tried: frozenset[int] = _NONE
    _up_since: float | None = None

    @property
    def current(self) -> str:
        """The server to try, or in use."""
        return self.urls[self._index]

    @property
    def has_others(self) -> bool:
        """Whether there is more than one server."""
        return len(self.urls) > 1

    @property
    def exhausted(self) -> bool:
        """Whether every server has been tried since one worked."""
        return len(self._tried) == len(self.urls)

    def works(self, *, now: float) -> None:
        """Take note that the current server has registered the user."""
        if self._up_since is None:  # else it is a refresh, and the connection has lasted since before
            self._up_since = now
        self._tried = _NONE

    def lost(self, *, now: float, soon: bool = False) -> float:
        """Take note that the connection to the current server ended; return the seconds to wait.

        The wait is drawn by chance, so that the clients of a server that failed do not come back at once. It is
        short after a connection that worked for two minutes, and grows where connections do not last.

        Args:
            now: the time.
            soon: a call waits for the connection.
        """
        stable = self._up_since is not None and now - self._up_since >= _STABLE
        self._up_since = None
        if stable:
            self.backoff.succeed()
            self.reconnects.succeed()
        wait = self.reconnects.fail(soon=soon)
        if stable:
            self.reconnects.succeed()  # the flow failed, but no try to make one has
        return wait

    def failed(self) -> None:
        """Take note that the current server is of no use now, and turn to the next."""
        self._up_since = None
        self._tried |= {self._index}  # RFC 5626 §4.5: a wait only when all have failed
        self._index = next((index for index in range(len(self.urls)) if index not in self._tried), 0)

    def wait(self, *, retry_after: float | None = None, connected: bool = True, soon: bool = False) -> float:
        """Return the seconds to wait after `failed`: none as long as there is a server that was not tried.

        Args:
            retry_after: what the server asked for; it counts where there is no other server.
            connected: whether the connection was made, and lasted for an answer or the time that one may take.
            soon: a call waits for the connection.
        """
        if not self.exhausted:
            return 0.0
        self._tried = _NONE
        if not connected:
            return self.reconnects.fail(soon=soon)
        return self.backoff.fail(retry_after=retry_after if len(self.urls) == 1 else None)


@lru_cache(maxsize=64)  # thousands of clients have few servers
def edge_uri(url: str) -> NameAddr | None:
    """Return the URI of the eP-CSCF with this address, as the first Route of a request (TS 24.229 §5.1.2A.1.1).

    None if its host cannot stand in a SIP URI, such as an IPv6 address with a zone.
    """
    parts = urlsplit(url)
    # RFC 7118 §5.5 has a default port for `sip` with `transport=ws`, that of WebSockets without TLS: hence always written.
    port = parts.port or (443 if parts.scheme.lower() == "wss" else 80)
    try:
        host = (parts.hostname or "").encode("idna").decode()  # as it is dialled
        return NameAddr("", Uri.parse(str(Uri("sip", host=host, port=port, params=_LOOSE))))
    except (UnicodeError, MalformedUri):
        return None
