"""A subscription to reg-event, and the table that its documents fill (RFC 3680 §4, §5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wic.registration.reg_event.reginfo import REGINFO, RegInfo, parse_reginfo
from wic.registration.reg_event.table import Fit, RegistrationTable, TableChange
from wic.sip.errors import MalformedBody
from wic.sip.subscription.events import SubscriptionEnded, SubscriptionEvent
from wic.sip.subscription.requests import SubscriptionOptions
from wic.sip.subscription.subscriber import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.sip.endpoint import Endpoint
    from wic.sip.events import Event
    from wic.sip.message import Request
    from wic.sip.subscription.requests import SubscriberCredentials
    from wic.sip.timers import ScheduledTimer, TimerQueue

__all__ = ["RegistrationWatch"]

_RESYNC_INTERVAL: Final = 5.0  # seconds: a notifier whose versions are never right is not asked faster


class RegistrationWatch:
    """Subscription to the registrations of a user, with the table of them; a usage of `Endpoint`, without I/O.

    Its owner lets `timers` fire. `on_change` takes what each document has changed, before the NOTIFY is answered.
    """

    __slots__ = ("_now", "_on_change", "_on_end", "_resync", "_resynced", "_timers", "subscription", "table")

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        expires: int,
        headers: tuple[tuple[str, object], ...] = (),
        timers: TimerQueue,
        on_change: Callable[[TableChange], None],
        on_end: Callable[[SubscriptionEnded], None],
        credentials: SubscriberCredentials | None = None,
    ) -> None:
        self.table = RegistrationTable()
        self.subscription = Subscription(
            endpoint,
            options=SubscriptionOptions(package="reg", accept=(REGINFO,), expires=expires, headers=headers),
            timers=timers,
            listener=self._told,
            credentials=credentials,
            check=self._check,
        )
        self._timers = timers
        self._on_change = on_change
        self._on_end = on_end
        self._now = 0.0
        self._resync: ScheduledTimer | None = None
        self._resynced = float("-inf")

    def handle(self, event: Event, *, now: float) -> bool:
        """Take an event of the endpoint; return whether it belonged to the subscription."""
        self._now = now
        return self.subscription.handle(event, now=now)

    def drop(self) -> None:
        """Forget the subscription without a SUBSCRIBE."""
        self.subscription.drop()
        if self._resync is not None:
            self._resync.cancel()

    def _check(self, request: Request) -> None:
        """Take the document in before the NOTIFY is answered: what cannot be read is refused."""
        document = _read_document(request)
        fit = Fit.STALE if document is None else self.table.fit(document)
        if fit is Fit.GAP and self._resync is None:
            # RFC 3680 §5.2: something was missed, and a refresh brings the full state.
            self._resync = self._timers.schedule(max(self._now, self._resynced + _RESYNC_INTERVAL), self._refresh)
        elif document is not None and fit is Fit.NEXT:
            self._on_change(self.table.apply(document))

    def _refresh(self, now: float) -> None:
        self._resync, self._resynced = None, now
        self.subscription.refresh(now=now)

    def _told(self, event: SubscriptionEvent) -> None:
        if isinstance(event, SubscriptionEnded):
            self.table.begin()
            self._on_end(event)


def _read_document(request: Request) -> RegInfo | None:
    """Return the document of a NOTIFY; None if it has none.

    Raises:
        MalformedBody: it cannot be read, or is something else.
    """
    if not request.body:
        return None
    kind = request.content_type
    if kind is None or kind.essence != REGINFO:
        raise MalformedBody(f"{REGINFO} expected", status_hint=415)
    return parse_reginfo(request.body)
