"""What is wrong with a message of the peer, as errors that say how to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.errors import RemoteProtocolError, RequestFailed

if TYPE_CHECKING:
    from wic.sip.framing import KeepAlive
    from wic.sip.message import Request, Response


class MalformedHeader(RemoteProtocolError):
    """A header field is missing or its value does not follow its grammar."""


class MalformedUri(MalformedHeader):
    """A URI does not follow the grammar of its scheme (RFC 3261 §19.1, RFC 3966)."""


class MalformedBody(RemoteProtocolError):
    """A body does not follow the grammar of its media type (RFC 2046 for multipart types)."""


class MessageRefused(RemoteProtocolError):
    """The bytes are no SIP message that this element can take.

    Attributes:
        status_hint: the status that answers it, or None where it is to be dropped in silence:
            responses, and bytes that are no SIP at all.
        partial: what could be read of the request, enough for `Response.answer`, or None.
    """

    def __init__(self, message: str, *, status_hint: int | None = 400, partial: Request | None = None) -> None:
        super().__init__(message, status_hint=status_hint)
        self.partial = partial


class FrameRefused(RemoteProtocolError):
    """No message boundary can be found in a stream any more; the connection has to be closed.

    Attributes:
        frames: what came whole before the fault in the same bytes.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, status_hint=None)
        self.frames: list[bytes | KeepAlive] = []


class SubscriptionFailed(RequestFailed):
    """A subscription could not be made or kept.

    Attributes:
        response: the final response that said so, if there was one.
    """

    def __init__(self, message: str, *, request: Request | None = None, response: Response | None = None) -> None:
        super().__init__(message, request=request)
        self.response = response


class SubscribeRefused(RemoteProtocolError):
    """A SUBSCRIBE cannot be granted.

    Attributes:
        status_hint: the status that answers it.
        headers: what goes with it.
    """

    def __init__(self, message: str, *, status_hint: int, headers: tuple[tuple[str, object], ...] = ()) -> None:
        super().__init__(message, status_hint=status_hint)
        self.headers = headers
