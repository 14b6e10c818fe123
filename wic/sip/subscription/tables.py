"""The two machines of a subscription (RFC 6665 §4.1.2, §4.2.2), as tables.

An input that has no row in a state changes nothing. `docs/design/state-machines.md` is drawn from these tables.
"""

from __future__ import annotations

from typing import Final

from wic.sip.state_table import MachineEnum, StateTable


class SubscriberState(MachineEnum):
    """State of a subscription at its subscriber."""

    INIT = "Init"
    NOTIFY_WAIT = "NotifyWait"
    """SUBSCRIBE was sent; only a NOTIFY makes the subscription (RFC 6665 §4.1.2.4)."""
    PENDING = "Pending"
    ACTIVE = "Active"
    LEAVING = "Leaving"
    """SUBSCRIBE with `Expires: 0` was sent; the last NOTIFY has not come."""
    WAITING = "Waiting"
    """There is no subscription; another one will be tried later."""
    TERMINATED = "Terminated"


class SubscriberInput(MachineEnum):
    """Input of the subscriber's machine."""

    SUBSCRIBE = "send SUBSCRIBE"
    UNSUBSCRIBE = "send SUBSCRIBE, Expires 0"
    NOTIFY_PENDING = "NOTIFY pending"
    NOTIFY_ACTIVE = "NOTIFY active"
    OVER = "NOTIFY terminated, refusal, expiry or Timer N"
    WAIT = "worth another attempt"


class NotifierState(MachineEnum):
    """State of a subscription at its notifier."""

    ACTIVE = "Active"
    ENDING = "Ending"
    """The last NOTIFY is to be sent, or has no answer."""
    TERMINATED = "Terminated"


class NotifierInput(MachineEnum):
    """Input of the notifier's machine."""

    SUBSCRIBE = "SUBSCRIBE"
    END = "SUBSCRIBE with Expires 0, expiry, or the end of what was watched"
    NOTIFIED = "answer to the last NOTIFY"
    FAILED = "NOTIFY answered 481 or its kin, or not at all"


_S, _I = SubscriberState, SubscriberInput

SUBSCRIBER: Final = StateTable(
    name="Subscriber",
    clause="RFC 6665 §4.1.2",
    initial=_S.INIT,
    final=_S.TERMINATED,
    rows={
        (_S.INIT, _I.SUBSCRIBE): _S.NOTIFY_WAIT,
        (_S.NOTIFY_WAIT, _I.NOTIFY_PENDING): _S.PENDING,
        (_S.NOTIFY_WAIT, _I.NOTIFY_ACTIVE): _S.ACTIVE,
        (_S.NOTIFY_WAIT, _I.UNSUBSCRIBE): _S.LEAVING,
        (_S.NOTIFY_WAIT, _I.OVER): _S.TERMINATED,
        (_S.PENDING, _I.NOTIFY_ACTIVE): _S.ACTIVE,
        (_S.PENDING, _I.UNSUBSCRIBE): _S.LEAVING,
        (_S.PENDING, _I.OVER): _S.TERMINATED,
        (_S.ACTIVE, _I.UNSUBSCRIBE): _S.LEAVING,
        (_S.ACTIVE, _I.OVER): _S.TERMINATED,
        (_S.LEAVING, _I.OVER): _S.TERMINATED,
        (_S.TERMINATED, _I.SUBSCRIBE): _S.NOTIFY_WAIT,
        (_S.TERMINATED, _I.WAIT): _S.WAITING,
        (_S.WAITING, _I.SUBSCRIBE): _S.NOTIFY_WAIT,
        (_S.WAITING, _I.OVER): _S.TERMINATED,
    },
)

NOTIFIER: Final = StateTable(
    name="Notifier",
    clause="RFC 6665 §4.2.2",
    initial=NotifierState.ACTIVE,
    final=NotifierState.TERMINATED,
    rows={
        (NotifierState.ACTIVE, NotifierInput.SUBSCRIBE): NotifierState.ACTIVE,
        (NotifierState.ACTIVE, NotifierInput.END): NotifierState.ENDING,
        (NotifierState.ACTIVE, NotifierInput.FAILED): NotifierState.TERMINATED,
        (NotifierState.ENDING, NotifierInput.NOTIFIED): NotifierState.TERMINATED,
        (NotifierState.ENDING, NotifierInput.FAILED): NotifierState.TERMINATED,
    },
)
