"""Events of a `Subscription`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from wic.errors import RequestFailed

if TYPE_CHECKING:
    from wic.errors import AuthenticationFailed
    from wic.sip.headers.values import SubscriptionState
    from wic.sip.message import Request, Response


class SubscriptionFailed(RequestFailed):
    """Subscription that could not be made or kept.

    Attributes:
        response: the final response that caused it, if there was one.
    """

    def __init__(self, message: str, *, request: Request | None = None, response: Response | None = None) -> None:
        super().__init__(message, request=request)
        self.response = response


@dataclass(frozen=True, slots=True)
class NotifyReceived:
    """A NOTIFY told the state of the resource; it has been answered."""

    request: Request
    state: SubscriptionState


@dataclass(frozen=True, slots=True)
class SubscriptionEnded:
    """There is no subscription any more, or there never was one."""

    reason: str | None = None
    """Reason that the notifier gave (RFC 6665 §4.1.3), where it ended the subscription."""
    error: SubscriptionFailed | AuthenticationFailed | None = None
    """Error that ended it, if there was one."""
    retry_after: float | None = None
    """Seconds after which another one is tried by itself; None = it is not."""


SubscriptionEvent: TypeAlias = NotifyReceived | SubscriptionEnded
