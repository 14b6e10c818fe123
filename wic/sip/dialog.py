"""Dialogs (RFC 3261 §12): the state that two user agents share, as one of them keeps it.

A dialog is made by the first response with a To tag, early by a provisional one and confirmed by a 2xx. It numbers
the requests of this side, checks the order of those of the other side, and knows where its requests go: to the remote
target, which a target refresh changes, over the route set, which only the 2xx to the INVITE may change (§12.2, §13.2.2.4).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wic.sip.errors import MalformedHeader
from wic.sip.headers.address import NameAddr
from wic.sip.message import Message, Request
from wic.sip.methods import INITIAL_MAX_FORWARDS, TARGET_REFRESH
from wic.sip.params import Params
from wic.sip.routing import route
from wic.sip.state_table import MachineEnum, StateTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wic.sip.message import Response
    from wic.sip.uri import Uri

logger = logging.getLogger(__name__)

_CREDENTIALS = ("Authorization", "Proxy-Authorization")


class DialogState(MachineEnum):
    """State of a dialog."""

    EARLY = "early"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class DialogInput(MachineEnum):
    """Input that changes the state of a dialog."""

    CONFIRM = "2xx to INVITE"
    TERMINATE = "BYE, failed INVITE, 408 or 481 within the dialog, or the user"


DIALOG: Final = StateTable(
    name="Dialog",
    clause="RFC 3261 §12, §12.2.1.2, §15",
    initial=DialogState.EARLY,
    final=DialogState.TERMINATED,
    rows={
        (DialogState.EARLY, DialogInput.CONFIRM): DialogState.CONFIRMED,
        (DialogState.EARLY, DialogInput.TERMINATE): DialogState.TERMINATED,
        (DialogState.CONFIRMED, DialogInput.TERMINATE): DialogState.TERMINATED,
    },
)


@dataclass(frozen=True, slots=True)
class DialogId:
    """Identifier of a dialog on one side; an RFC 2543 peer without a tag counts as the empty tag."""

    call_id: str
    local_tag: str
    remote_tag: str


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Dialog:
    """One side of a dialog; `Endpoint.add_dialog` lets it match requests."""

    id: DialogId
    """Call-ID and both tags."""
    state: DialogState
    """State of the dialog; `DIALOG` alone moves it."""
    local: NameAddr
    """The From of requests that this side sends, tag included."""
    remote: NameAddr
    """The To of requests that this side sends, tag included."""
    remote_target: Uri
    """Contact of the other side: where requests end up."""
    route_set: tuple[NameAddr, ...] = ()
    """The proxies to visit, nearest first."""
    local_cseq: int = 0
    """Number of the last request this side sent; 0 before the first."""
    remote_cseq: int | None = None
    """Number of the last request the other side sent, or None before the first."""
    secure: bool = False
    """Whether the dialog was asked for by a `sips` URI."""
    owner: object = None
    """Object of the user's choice, found again on each event."""
    _credentials: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        self.local, self.remote = _bare(self.local), _bare(self.remote)

    @classmethod
    def from_response(cls, request: Request, response: Response, *, owner: object = None) -> Dialog:
        """Make the caller's side from a 101-199 or 2xx response (RFC 3261 §12.1.2).

        Args:
            request: the request as it was sent.
            response: a response to it, with a To tag; each tag is another dialog (§13.2.2.4).
            owner: kept on the dialog.

        Raises:
            MalformedHeader: a 2xx has no Contact, or a header cannot be used.
        """
        target = _target(response, fallback=None if response.status >= 200 else request.uri)
        return cls._of_response(request, response, target, _routes(response), owner)

    @classmethod
    def to_end(cls, request: Request, response: Response, *, early: Dialog | None, owner: object = None) -> Dialog:
        """Make the caller's side from a 2xx that cannot be used, to acknowledge and end it (RFC 3261 §13.2.2.4).

        Its requests go as near to the other side as what can be read leads.

        Args:
            request: the request as it was sent.
            response: the 2xx.
            early: the dialog that an earlier response with the same tag made, if there is one.
            owner: kept on the dialog.
        """
        routes = tuple(hop for hop in response.usable(Message.record_routes) if hop.uri.is_sip)
        targets = [contact.uri for contact in response.usable(Message.contacts) if contact.uri.is_sip]
        target = targets[0] if targets else request.uri if early is None else early.remote_target
        dialog = cls._of_response(request, response, target, routes, owner)
        if early is not None:
            dialog.route_set = dialog.route_set or early.route_set
            dialog.local_cseq = max(dialog.local_cseq, early.local_cseq)
        return dialog

    @classmethod
    def _of_response(
        cls, request: Request, response: Response, target: Uri, routes: tuple[NameAddr, ...], owner: object
    ) -> Dialog:
        headers = request.headers
        return cls(
            id=DialogId(response.call_id, request.from_.tag or "", response.to.tag or ""),
            state=DialogState.CONFIRMED if response.status >= 200 else DialogState.EARLY,
            local=request.from_,  # §12.1.2
            remote=response.to,  # §12.1.2
            remote_target=target,
            route_set=routes[::-1],  # §12.1.2: in reverse order
            local_cseq=request.cseq.number,
            secure=request.uri.secure,  # §12.1.1, §12.1.2: a sips URI makes it secure
            owner=owner,
            _credentials=tuple((name, line) for name in _CREDENTIALS for line in headers.get_all(name)),
        )

    @classmethod
    def from_request(cls, request: Request, response: Response, *, owner: object = None) -> Dialog:
        """Make the callee's side from a request and the first answer that has a To tag (RFC 3261 §12.1.1).

        Raises:
            MalformedHeader: the request has no Contact, or a header cannot be used.
        """
        return cls(
            id=DialogId(request.call_id, response.to.tag or "", request.from_.tag or ""),
            state=DialogState.CONFIRMED if response.status >= 200 else DialogState.EARLY,
            local=response.to,
            remote=request.from_,
            remote_target=_target(request, fallback=None),
            route_set=_routes(request),  # §12.1.1: in order
            remote_cseq=request.cseq.number,
            secure=request.uri.secure,
            owner=owner,
        )

    @property
    def next_hop(self) -> Uri:
        """URI of the first hop of its requests: the nearest proxy, or the other side."""
        return self.route_set[0].uri if self.route_set else self.remote_target

    def create_request(self, method: str, headers: Iterable[tuple[str, object]] = (), body: bytes = b"") -> Request:
        """Build the next request of this side (RFC 3261 §12.2.1.1).

        Args:
            method: any but ACK, which `ack` builds, and CANCEL, which belongs to a transaction.
            headers: further header fields, such as Contact.
            body: the body.
        """
        self.local_cseq += 1  # §12.2.1.1: strictly rising
        return self._build(method, self.local_cseq, headers, body)

    def ack(self, response: Response, headers: Iterable[tuple[str, object]] = (), body: bytes = b"") -> Request:
        """Build the ACK of a 2xx, with the credentials of the INVITE that made the dialog (RFC 3261 §13.2.2.4).

        Args:
            response: the 2xx, after `from_response` or `receive_response` has seen it.
            headers: further header fields.
            body: the body, where the 2xx brought an offer.
        """
        return self._build("ACK", response.cseq.number, (*self._credentials, *headers), body)  # §13.2.2.4

    def receive_request(self, request: Request) -> bool:
        """Take a request of the other side: check its order, refresh the remote target (RFC 3261 §12.2.2).

        The endpoint calls this for registered dialogs before it reports the request.

        Returns:
            False if its CSeq is lower than an earlier one: the answer is 500.

        Raises:
            MalformedHeader: a header cannot be read; the endpoint lets no such request through.
        """
        number = request.cseq.number
        if self.remote_cseq is not None and number < self.remote_cseq:  # §12.2.2: answered 500
            return False
        if request.method in TARGET_REFRESH:  # §12.2.2
            self.remote_target = _contact(request) or self.remote_target
        self.remote_cseq = number
        return True

    def receive_response(self, response: Response) -> None:
        """Take a response to a request of this side: confirm, refresh or end the dialog (RFC 3261 §12.2.1.2).

        A dialog that stands keeps its target where the Contact cannot be read.

        Raises:
            MalformedHeader: Record-Route or Contact of the 2xx that would confirm it cannot be used.
        """
        method = response.cseq.method
        if 200 <= response.status < 300:
            if self.state is DialogState.EARLY and method == "INVITE":
                routes, target = _routes(response), _contact(response)
                self.route_set = routes[::-1]  # RFC 3261 §13.2.2.4: computed anew
                self.remote_target = target or self.remote_target
                self.confirm()
            elif method in TARGET_REFRESH:  # §12.2.1.2
                contacts = response.usable(Message.contacts)
                self.remote_target = next((each.uri for each in contacts if each.uri.is_sip), self.remote_target)
        elif response.status in (408, 481) or (  # §12.2.1.2
            response.status >= 300 and self.state is DialogState.EARLY and method == "INVITE"
        ):
            self.terminate()

    def confirm(self) -> None:
        """Confirm it by a 2xx; the endpoint does it for a registered dialog when it sends one."""
        self._take(DialogInput.CONFIRM)

    def terminate(self) -> None:
        """End it, after BYE, a failed INVITE, or for reasons of the user."""
        self._take(DialogInput.TERMINATE)

    def _build(self, method: str, number: int, headers: Iterable[tuple[str, object]], body: bytes) -> Request:
        uri, routes = route(self.remote_target, self.route_set)
        lines: list[tuple[str, object]] = [("Route", str(hop)) for hop in routes]
        lines += [
            ("Max-Forwards", INITIAL_MAX_FORWARDS),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.id.call_id),
            ("CSeq", f"{number} {method}"),
            *headers,
        ]
        return Request.build(method, uri, lines, body)

    def _take(self, given: DialogInput) -> None:
        following = DIALOG.rows.get((self.state, given))
        if following is not None:
            self._move(following)

    def _move(self, state: DialogState) -> None:
        logger.debug("dialog %s: %s -> %s", self.id.call_id, self.state, state)
        self.state = state

    def __repr__(self) -> str:
        return f"<Dialog {self.id.call_id} {self.state}>"


def _bare(party: NameAddr) -> NameAddr:
    """Return what requests say of a party: a name that can be written, the URI, and the tag (RFC 3261 §12.1)."""
    tag = party.tag
    params = Params() if tag is None else Params((("tag", tag),))
    return NameAddr(party.display if party.display.isprintable() else "", party.uri, params)


def _contact(message: Request | Response) -> Uri | None:
    """Return where the other side is: a SIP URI (RFC 3261 §8.1.1.8), or None."""
    contacts = message.contacts
    return contacts[0].uri if contacts and contacts[0].uri.is_sip else None


def _target(message: Request | Response, *, fallback: Uri | None) -> Uri:
    target = _contact(message) or fallback
    if target is None:
        raise MalformedHeader("Contact with a SIP URI is missing")
    return target


def _routes(message: Request | Response) -> tuple[NameAddr, ...]:
    routes = message.record_routes
    if not all(hop.uri.is_sip for hop in routes):
        raise MalformedHeader("Record-Route is not a SIP URI")  # RFC 3261 §16.6 step 4
    return routes
