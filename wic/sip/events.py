"""Events that an `Endpoint` reports to its user, and the bytes that it hands to its shell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from wic.sip.dialog import Dialog
    from wic.sip.flow import Flow
    from wic.sip.message import Request, Response
    from wic.sip.transaction.client import ClientTransaction
    from wic.sip.transaction.server import ServerTransaction


@dataclass(frozen=True, slots=True)
class Transmit:
    """Bytes to send, as `Endpoint.to_send` returns them."""

    flow: Flow
    data: bytes


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A new request, to be answered by `Endpoint.respond`."""

    transaction: ServerTransaction
    request: Request
    flow: Flow
    dialog: Dialog | None = None
    """The dialog it belongs to (user agent role); its CSeq and remote target are already up to date."""


@dataclass(frozen=True, slots=True)
class AckReceived:
    """The ACK of a 2xx arrived; in the proxy role, any ACK that no transaction here waits for."""

    request: Request
    flow: Flow
    dialog: Dialog | None = None
    transaction: ServerTransaction | None = None
    """The accepted INVITE (user agent role); it may have terminated since."""


@dataclass(frozen=True, slots=True)
class CancelReceived:
    """The peer cancelled an INVITE that has no final response; 487 is expected (RFC 3261 §9.2)."""

    transaction: ServerTransaction
    """The INVITE's. The CANCEL itself has been answered."""
    request: Request
    """The CANCEL, for its Reason."""


@dataclass(frozen=True, slots=True)
class ResponseReceived:
    """A response to a request of ours arrived."""

    transaction: ClientTransaction
    response: Response
    flow: Flow


@dataclass(frozen=True, slots=True)
class TransactionTimedOut:
    """No final response came: Timer B or F, or a CANCEL that went unheeded. Treat it as a 408."""

    transaction: ClientTransaction


@dataclass(frozen=True, slots=True)
class TransportFailed:
    """The flow of a transaction was lost before it was over. Treat it as a 503 (RFC 3261 §8.1.3.1)."""

    transaction: ClientTransaction | ServerTransaction
    reason: str


@dataclass(frozen=True, slots=True)
class AckTimedOut:
    """A final response to INVITE was never acknowledged (Timer H; for a 2xx see RFC 3261 §13.3.1.4)."""

    transaction: ServerTransaction
    dialog: Dialog | None = None
    """The dialog of an unacknowledged 2xx, if the endpoint knows it: it wants a BYE."""


@dataclass(frozen=True, slots=True)
class MessageDropped:
    """Something arrived that can neither be used nor answered."""

    reason: str
    flow: Flow


@dataclass(frozen=True, slots=True)
class FlowClosed:
    """A flow ended. The transactions on it have told their users already."""

    flow: Flow
    reason: str


Event: TypeAlias = (
    RequestReceived
    | AckReceived
    | CancelReceived
    | ResponseReceived
    | TransactionTimedOut
    | TransportFailed
    | AckTimedOut
    | MessageDropped
    | FlowClosed
)


def owner_of(event: Event) -> object:
    """Return the owner of the dialog, or else of the transaction, that an event belongs to; None if there is none."""
    match event:
        case RequestReceived(transaction, dialog=dialog):
            return transaction.owner if dialog is None else dialog.owner
        case ResponseReceived(transaction) | TransactionTimedOut(transaction) | TransportFailed(transaction):
            return transaction.owner
    return None
