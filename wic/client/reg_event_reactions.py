"""What a client does about what the network tells of its registration (TS 24.229 §5.1.1.3, §5.1.1.5A, §5.1.1.7)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from wic.registration.reg_event.events import (
    IdentitiesReported,
    RegEventFailed,
    RegistrationShortened,
    RegistrationTerminated,
    Termination,
)
from wic.registration.reg_event.subscription import RegEventSubscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wic.auth import Authenticator
    from wic.registration import Binding, Registration
    from wic.registration.reg_event.events import RegEventEvent
    from wic.sip.endpoint import Endpoint
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.headers.address import NameAddr
    from wic.sip.uri import Uri

__all__ = ["RegEventUsage"]

_log = logging.getLogger(__name__)
_PROBATION = 60.0
"""Seconds to wait where the network does not say how long probation takes."""


class RegEventUsage:
    """The subscription to reg-event, and its consequences for the registrations.

    A network that knows no such subscription is served all the same: nothing then ends or shortens a
    registration but its time.
    """

    __slots__ = (
        "_flow",
        "_on_identities",
        "_parted",
        "_reg_event",
        "_registrations",
        "ended",
        "identities",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        contact: NameAddr,
        authenticator: Authenticator,
        registrations: Callable[[], Iterable[Registration]],
        on_identities: Callable[[], None],
        user_agent: str | None,
    ) -> None:
        self._reg_event = RegEventSubscription(
            endpoint, contact=contact, credentials=authenticator, user_agent=user_agent
        )
        self._registrations = registrations
        self._on_identities = on_identities
        self._flow: Flow | None = None
        self._parted: asyncio.Event | None = None
        self.identities: tuple[Uri, ...] = ()
        """The identities that the network says this contact is registered for."""
        self.ended: tuple[Uri, ...] = ()
        """Those it said so of, and says no more, though the last 200 lists them."""

    def follow(self, binding: Binding, flow: Flow, *, now: float, anew: bool = False) -> None:
        """Subscribe, or go on as the registration does now.

        Args:
            binding: the registration.
            flow: the flow that it has now.
            now: the time.
            anew: whether it was begun anew, without the subscription that it had.
        """
        if self._flow is None:
            self._reg_event.subscribe(binding=binding, flow=flow, now=now)
        elif anew and self._reg_event.stands:
            self._reg_event.drop()
            self._reg_event.subscribe(binding=binding, flow=flow, now=now)
        elif flow != self._flow:
            self._reg_event.moved(binding=binding, flow=flow, now=now)
        else:
            self._reg_event.renewed(binding=binding, flow=flow)
        self._flow = flow
        self.ended = ()

    def leave(self, *, now: float) -> None:
        """Answer what the network still says of a registration that has ended, without consequences."""
        self._parted = asyncio.Event()
        self._reg_event.leave(now=now)
        self._drain(now)

    async def parted(self) -> None:
        """Wait, after `leave`, until the network has said its last word."""
        assert self._parted is not None, "who has not left does not part"
        await self._parted.wait()

    def drop(self) -> None:
        """Forget the subscription: the registration is gone, and with it the subscription."""
        self._reg_event.drop()

    def handle(self, event: Event, *, now: float) -> bool:
        """Take an event of the endpoint; return whether it belonged to the subscription."""
        mine = self._reg_event.handle(event, now=now)
        self._drain(now)
        return mine

    def next_timeout(self) -> float | None:
        """Return when the subscription is due."""
        return self._reg_event.next_timeout()

    def handle_timeout(self, *, now: float) -> None:
        """Refresh the subscription."""
        self._reg_event.handle_timeout(now=now)
        self._drain(now)

    def _drain(self, now: float) -> None:
        while (event := self._reg_event.next_event()) is not None:
            if self._parted is None:
                self._take(event, now)
        if self._parted is not None and not self._reg_event.is_leaving:
            self._parted.set()

    def _take(self, event: RegEventEvent, now: float) -> None:
        match event:
            case RegistrationTerminated():
                self._terminated(event, now)
            case RegistrationShortened(expires):
                for registration in self._registrations():
                    registration.reauthenticate(expires, now=now)
            case IdentitiesReported(identities):
                self._told(tuple(each.uri for each in identities))
            case RegEventFailed(error, reason):
                _log.debug("no news about the registration: %s", error or reason)
            case _:
                _log.debug("the network tells what becomes of the registration")

    def _told(self, identities: tuple[Uri, ...]) -> None:
        bindings = [each.binding for each in self._registrations() if each.binding is not None]
        listed = {str(uri) for binding in bindings for uri in binding.identities}
        gone = {str(each): each for each in (*self.ended, *self.identities) if str(each) in listed}
        for each in identities:
            gone.pop(str(each), None)
        self.ended = tuple(gone.values())
        self.identities = identities
        self._on_identities()

    def _terminated(self, event: RegistrationTerminated, now: float) -> None:
        for registration in self._registrations():
            impu = registration.identity.impu
            if event.last or any(impu.matches(aor) for aor in event.aors):
                registration.lose(event.reason.value, now=now, again_after=_again_after(event))


def _again_after(event: RegistrationTerminated) -> float | None:
    match event.reason:
        case Termination.DEACTIVATED | Termination.EXPIRED:
            return 0.0
        case Termination.PROBATION:
            return _PROBATION if event.retry_after is None else event.retry_after
        case _:
            return None
