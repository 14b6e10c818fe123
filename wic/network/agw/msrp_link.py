"""One MSRP session of the eIMS-AGW, with the connection that carries it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from wic.datachannel.msrp import MsrpLimits
from wic.datachannel.msrp_session import Content, ContentFailed, MsrpSession
from wic.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.datachannel.msrp import MsrpMessage, MsrpUri
    from wic.network.agw.msrp_hub import MsrpHub

_log = logging.getLogger(__name__)

LIMITS = MsrpLimits(unanswered=512)


class Carrier(Protocol):
    """A connection that carries a session."""

    def write(self, messages: list[bytes]) -> bool:
        """Send; return whether the peer keeps up."""
        ...

    def pause(self) -> None:
        """Read no more for now."""
        ...

    def resume(self) -> None:
        """Read on."""
        ...

    def close(self) -> None:
        """Send what is left, and end it."""
        ...


class MsrpLink:
    """One session with the connection that carries it, once there is one."""

    def __init__(self, hub: MsrpHub, local: MsrpUri) -> None:
        self.local = local
        self.on_content: Callable[[Content], None] | None = None
        self.on_closed: Callable[[str], None] | None = None
        self._hub = hub
        self._session: MsrpSession | None = None
        self._connection: Carrier | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._closed = False

    def expects(self, path: tuple[MsrpUri, ...]) -> bool:
        """Whether a request that came along this path may belong to the session."""
        return self._session is not None and self._session.remote[-1] == path[-1]

    @property
    def bound(self) -> bool:
        """Whether a connection carries the session."""
        return self._connection is not None

    def start(self, remote: tuple[MsrpUri, ...], *, dial: bool) -> None:
        """Begin towards the peer's path; RFC 4975 §5.4: the side that offered dials and sends first."""
        if self._session is not None or self._closed:
            return
        self._session = MsrpSession(self.local, remote, random_source=self._hub.random_source, limits=LIMITS)
        if dial:
            self.send(Content())
            self._hub.dial(self, remote[0])

    def send(self, content: Content) -> None:
        """Send a message, at once or when the connection stands; a peer that does not keep up is given up."""
        if self._session is None or self._closed:
            return
        try:
            self._session.send(content, now=asyncio.get_running_loop().time())
        except LocalProtocolError as error:
            self.lost(str(error))
            return
        self._flush()

    def bind(self, connection: Carrier) -> bool:
        """Let a connection carry the session, if none does yet."""
        if self._connection is not None or self._closed:
            return False
        self._connection = connection
        if self._paused:
            connection.pause()
        self._flush()
        return True

    def received(self, message: MsrpMessage) -> None:
        """Take a message from the connection."""
        if self._session is None:
            return
        self._session.receive(message)
        self._flush()

    def pause(self) -> None:
        """Let the peer wait: TCP holds it back."""
        self._paused = True
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        """Read on."""
        self._paused = False
        if self._connection is not None:
            self._connection.resume()

    def _flush(self) -> None:
        session, connection = self._session, self._connection
        if session is None:
            return
        if connection is not None and not connection.write(session.to_send()):
            self.lost("the MSRP peer reads too slowly")
            return
        while (event := session.next_event()) is not None:
            if isinstance(event, ContentFailed):
                _log.info("an MSRP message was refused with %d", event.status)
            elif self.on_content is not None:
                self.on_content(event.content)
        self._arm(session.next_timeout())

    def _arm(self, deadline: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None and not self._closed:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._timed_out)

    def _timed_out(self) -> None:
        if self._session is not None:
            self._session.handle_timeout(now=asyncio.get_running_loop().time())
            self._flush()

    def lost(self, reason: str) -> None:
        """End the session because its connection cannot go on."""
        if self._closed:
            return
        on_closed = self.on_closed
        self.close()
        if on_closed is not None:
            on_closed(reason)

    def close(self) -> None:
        """End the session and its connection."""
        self._closed = True
        self.on_content = self.on_closed = None
        self._arm(None)
        self._hub.forget(self)
        if self._connection is not None:
            self._connection.close()
            self._connection = None
