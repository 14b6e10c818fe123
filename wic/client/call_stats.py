"""Times, outcome and report of one call."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from wic.call import EmergencyCallRefused, IncomingCall
from wic.errors import CallCancelled, CallRejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wic.call import CallSession
    from wic.errors import CallFailed
    from wic.media import DataChannel, StreamReport
    from wic.sip.headers.address import NameAddr

__all__ = ["CallOutcome", "CallReport", "CallStats", "ChannelReport", "MediaReport"]


class CallOutcome(StrEnum):
    """Outcome of a call, so far or at its end."""

    ACTIVE = "active"
    """It goes on, or still waits for its answer."""
    COMPLETED = "completed"
    """It was answered, and one of the two hung up."""
    REJECTED = "rejected"
    """The called side or the network refused it."""
    CANCELLED = "cancelled"
    """The caller gave up."""
    FAILED = "failed"
    """A fault ended it; `reason` names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaReport:
    """Figures of one audio stream, both ways."""

    kind: str
    codec: str
    sent: int
    """Packets."""
    received: int
    """Packets."""
    lost: int
    """Packets that the peer sent and that did not come."""
    jitter_ms: float
    rtt_ms: float | None
    """Round trip, once RTCP has measured it."""
    mos: float | None
    """1 to 4.5; None if nothing was received."""
    mos_basis: str | None
    """Method by which `mos` was estimated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelReport:
    """Figures of one data channel."""

    label: str
    protocol: str
    sent: int
    """Messages."""
    received: int
    """Messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    """Report of one call; times are in milliseconds, None for an event that did not happen."""

    outcome: CallOutcome
    status: int | None
    """The SIP status that decided, 200 for an answered call."""
    reason: str
    """Reason for its end, as a text for the user."""
    error: str | None = None
    """Name of the exception that ended it; None if one of the two hung up, or the call goes on."""
    call_id: str
    direction: str
    """`outgoing` or `incoming`."""
    peer: str
    """The other side's URI."""
    timings: dict[str, float | None]
    """`invite_to_ringing_ms`, `invite_to_answer_ms`, `invite_to_first_media_ms`, `duration_ms`."""
    media: tuple[MediaReport, ...]
    channels: tuple[ChannelReport, ...]
    messages_dropped: int = 0
    """SIP messages that the client dropped during the call, as they could not be read; the log has the reasons."""
    emergency: bool = False
    """Whether the network took it for an emergency call, and refused it (TS 24.371 §7.2.4)."""

    def to_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        return asdict(self)

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(self.to_dict())


class CallStats:
    """Times and outcome of one call, by the client's clock, from the INVITE on."""

    def __init__(self, session: CallSession, peer: NameAddr, *, clock: Callable[[], float]) -> None:
        self._session = session
        self._peer = peer
        self._clock = clock
        self._started = clock()
        self._dropped_before = session.messages_dropped
        self._rang: float | None = None
        self._answered: float | None = None
        self._first_media: float | None = None
        self._ended: float | None = None
        self._outcome = CallOutcome.ACTIVE
        self._status: int | None = None
        self._reason = ""
        self._error: str | None = None
        self._emergency = False

    def rang(self) -> None:
        """Note that the called side is being alerted."""
        self._rang = self._rang or self._clock()  # the first of several 180s, as of forks

    def answered(self) -> None:
        """Note that the call is answered."""
        self._answered = self._clock()
        self._status = 200

    def first_media(self) -> None:
        """Note that the first packet of the other side has come."""
        self._first_media = self._clock()

    def ended(self, reason: str, error: CallFailed | None) -> None:
        """Note the end; an error after the answer is a failure, of any kind."""
        self._ended = self._clock()
        self._reason = reason
        self._error = None if error is None else type(error).__name__
        self._outcome = self._judge(error)
        self._emergency = isinstance(error, EmergencyCallRefused)
        if error is not None and error.response is not None:  # else it stays 200, or None
            self._status = error.response.status

    def report(self, audio: StreamReport | None, channels: Iterable[DataChannel]) -> CallReport:
        """Make the report."""
        return CallReport(
            outcome=self._outcome,
            status=self._status,
            reason=self._reason,
            error=self._error,
            call_id=self._session.call_id,
            direction="incoming" if isinstance(self._session, IncomingCall) else "outgoing",
            peer=str(self._peer.uri),
            timings={
                "invite_to_ringing_ms": self._since_invite(self._rang),
                "invite_to_answer_ms": self._since_invite(self._answered),
                "invite_to_first_media_ms": self._since_invite(self._first_media),
                "duration_ms": self._duration(),
            },
            media=() if audio is None else (_media_report(audio),),
            messages_dropped=self._session.messages_dropped - self._dropped_before,
            emergency=self._emergency,
            channels=tuple(
                ChannelReport(label=c.label, protocol=c.protocol, sent=c.sent, received=c.received) for c in channels
            ),
        )

    def _judge(self, error: CallFailed | None) -> CallOutcome:
        if error is None:  # BYE
            return CallOutcome.COMPLETED
        if self._answered is None:
            if isinstance(error, CallCancelled):
                return CallOutcome.CANCELLED
            # Rejected here: such a call ends with the response that this side sent.
            own_refusal = isinstance(self._session, IncomingCall) and error.response is not None
            if isinstance(error, CallRejected) or own_refusal:
                return CallOutcome.REJECTED
        return CallOutcome.FAILED

    def _since_invite(self, when: float | None) -> float | None:
        return None if when is None else _ms(when - self._started)

    def _duration(self) -> float | None:
        if self._answered is None:
            return None
        # So far, while the call goes on.
        return _ms((self._clock() if self._ended is None else self._ended) - self._answered)


def _ms(seconds: float) -> float:
    return round(1000.0 * seconds, 1)


def _media_report(audio: StreamReport) -> MediaReport:
    return MediaReport(
        kind=audio.kind,
        codec=audio.codec,
        sent=audio.sent,
        received=audio.received,
        lost=audio.lost,
        jitter_ms=round(audio.jitter_ms, 2),
        rtt_ms=None if audio.rtt_ms is None else round(audio.rtt_ms, 2),
        mos=None if audio.mos is None else round(audio.mos, 2),
        mos_basis=audio.mos_basis,
    )
