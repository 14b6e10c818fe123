"""Errors of a call, made of responses and faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.errors import CallCancelled, CallFailed, CallRejected, FlowLost, RequestTimeout
from wic.sip.errors import MalformedHeader
from wic.sip.headers.values import Reason
from wic.sip.ims3gpp import believed_alternative
from wic.sip.message import Message
from wic.sip.reasons import Q850_CAUSES, reason_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Request, Response
    from wic.sip.transaction.client import ClientTransaction
    from wic.sip.uri import Uri

__all__ = [
    "CallRedirected",
    "EmergencyCallRefused",
    "cancelled",
    "connection_lost",
    "farewell",
    "rejection",
    "timed_out",
]

_PHRASES = {
    401: "the network wants other credentials",
    403: "the network forbids the call",
    404: "the called user is not known",
    407: "the network wants other credentials",
    408: "no answer came in time",
    480: "the other side cannot be reached now",
    484: "the number is not complete",
    486: "the other side is busy",
    487: "the call was cancelled",
    488: "the other side accepts none of the offered media",
    503: "the network cannot serve the call now",
    600: "the other side is busy everywhere",
    603: "the other side declined",
    604: "the called user is not known anywhere",
    606: "the other side accepts none of the offered media",
}


class CallRedirected(CallRejected):
    """The call was redirected (3xx); the caller decides whether to follow.

    Attributes:
        contacts: the targets, in the order given; empty if the response names none.
    """

    def __init__(self, message: str, *, response: Response, contacts: tuple[NameAddr, ...]) -> None:
        super().__init__(message, response=response)
        self.contacts = contacts


class EmergencyCallRefused(CallRejected):
    """The network took the call for an emergency call, and carries none of a WIC (TS 24.371 §7.2.4): not to be repeated."""


def rejection(response: Response, *, network: Collection[Uri] = (), cause: Exception | None = None) -> CallRejected:
    """Make the error for a final response that is not a success.

    Args:
        response: the response.
        network: URIs by which answers of the eP-CSCF itself are known.
        cause: the reason for which this side did not send the request again, as the response asked.
    """
    error = _rejection(response, network, "" if cause is None else f": {cause}")
    error.__cause__ = cause
    return error


def _rejection(response: Response, network: Collection[Uri], why: str) -> CallRejected:
    if response.status == 380:
        service = believed_alternative(response, network)
        if service is not None and service.type == "emergency":
            text = "the network takes this for an emergency call, which it does not carry: call by a telephone"
            return EmergencyCallRefused(f"{text} ({response.summary})", response=response)
    if response.status < 400:
        contacts = response.usable(Message.contacts)  # each is a target of its own (RFC 3261 §8.1.3.4)
        where = ", ".join(str(contact.uri) for contact in contacts) or "nowhere"
        return CallRedirected(
            f"the call was redirected to {where} ({response.summary})", response=response, contacts=contacts
        )
    phrase = _PHRASES.get(response.status, "the call was rejected")
    return CallRejected(f"{phrase} ({response.summary}){why}", response=response)


def cancelled(response: Response | None = None, *, end: Request | None = None) -> CallCancelled:
    """Make the error for a call that the caller cancelled.

    Args:
        response: the response that ended an outgoing one.
        end: the CANCEL or BYE of an incoming one, which may tell why.
    """
    reasons = [] if end is None else list(_reasons(end))
    # RFC 3326 §3.1: the caller's side cancels the other branches when one of them has answered.
    if any(reason.protocol.upper() == "SIP" and reason.cause == 200 for reason in reasons):
        return CallCancelled("the call was answered elsewhere", response=response)
    words = next(filter(None, map(_words, reasons)), "")
    why = f" ({words})" if words else ""
    return CallCancelled(f"the call was given up before it was answered{why}", response=response)


def timed_out(transaction: ClientTransaction) -> CallFailed:
    """Make the error for an INVITE without a final response; its cause holds request and flow."""
    error = CallFailed("the network did not answer the call in time")
    error.__cause__ = RequestTimeout(
        f"no final response to {transaction.request.method}", request=transaction.request, flow=transaction.flow
    )
    return error


def connection_lost(reason: str, *, request: Request | None = None) -> CallFailed:
    """Make the error for a call whose signalling connection is gone."""
    error = CallFailed(f"the connection to the network was lost: {reason}")
    error.__cause__ = FlowLost(reason if request is None else f"{reason}, during {request.method}")
    return error


def farewell(bye: Request) -> tuple[str, CallFailed | None]:
    """Return the reason for which the peer or the network ended a call, and an error if it was a failure.

    RFC 3326 §2: a cause of the protocol SIP is a status code; one of failure is no ordinary end.
    """
    reasons = list(_reasons(bye))
    for reason in reasons:
        if reason.protocol.upper() == "SIP" and (reason.cause or 0) >= 300:
            words = reason.text or f"{reason_of(reason.cause or 0)} (SIP cause {reason.cause})"
            return words, CallFailed(f"the other side had to end the call: {words}")
    words = next(filter(None, map(_words, reasons)), "")
    return f"the other side hung up ({words})" if words else "the other side hung up", None


def _reasons(request: Request) -> Iterator[Reason]:
    for value in request.headers.usable_values("reason"):
        try:
            yield Reason.parse(value)
        except MalformedHeader:
            continue  # a Reason is for information only, and never a cause to refuse the request


def _words(reason: Reason) -> str:
    """Return an ordinary reason in words; empty if it has none."""
    if reason.protocol.upper() == "Q.850" and reason.cause is not None:
        # The table first: what gateways write beside the number is a name in their program.
        return Q850_CAUSES.get(reason.cause) or reason.text or f"Q.850 cause {reason.cause}"
    return reason.text  # RFC 3326 §2: of SIP, "Call completed elsewhere"; of other protocols anything
