"""Who subscribes to what, and with which credentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from wic.sip.flow import Flow
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Request, Response
    from wic.sip.uri import Uri


class Credentials(Protocol):
    """What a subscription needs of somebody's credentials; `wic.auth.Authenticator` has it."""

    def authorize(self, request: Request) -> None:
        """Put in what is known to be wanted."""
        ...

    def challenged(self, request: Request, response: Response) -> None:
        """Take in a 401 or 407; raise AuthenticationFailed where there is no point in going on."""
        ...

    def accepted(self, request: Request, response: Response) -> None:
        """Take in a success; raise AuthenticationFailed if it is not to be trusted."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SubscriptionOptions:
    """What to subscribe to."""

    package: str
    """Event package, such as `reg`."""
    accept: tuple[str, ...] = ()
    """Media types of bodies that are understood."""
    expires: int = 3600
    """Seconds to ask for; 0 fetches the state once (RFC 6665 §4.4.3)."""
    headers: tuple[tuple[str, object], ...] = ()
    """Further header fields of each SUBSCRIBE."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscriber:
    """Who subscribes, to whose state, and by which way."""

    resource: Uri
    """Whose state: Request-URI and To."""
    identity: Uri
    """Who asks: From."""
    contact: NameAddr
    flow: Flow
    routes: tuple[NameAddr, ...] = ()
    """The way of a SUBSCRIBE outside the dialog."""
