"""Checks of a message that could be read, before it is acted on (RFC 3261 §8.1.1, §8.2, §16.3).

The parser refuses what it cannot frame; here a request is refused with the exact status that its
fault has in the RFC, and a response is found fit or not: responses are never answered.

A header field is read only by an element that uses it: tables say which those are, by role and method. A malformed one of
no use is ignored, and goes on as it came where a proxy forwards the message (RFC 3261 §8.2.2, §16.3 step 1).
Of a response only what leads it to its transaction is read here. A transaction ends by its final response, however odd
that is otherwise: those who make use of the rest find out whether they can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from wic.sip.errors import MalformedHeader
from wic.sip.message import VERSION, Message, Request, Response
from wic.sip.methods import DIALOG_FORMING, TARGET_REFRESH
from wic.sip.random_source import MAGIC_COOKIE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from wic.sip.headers.fields import TypedHeader

KNOWN_METHODS: Final = frozenset(
    {
        "ACK",  # RFC 3261
        "BYE",
        "CANCEL",
        "INFO",  # RFC 6086
        "INVITE",
        "MESSAGE",  # RFC 3428
        "NOTIFY",  # RFC 6665
        "OPTIONS",
        "PRACK",  # RFC 3262
        "PUBLISH",  # RFC 3903
        "REFER",  # RFC 3515
        "REGISTER",
        "SUBSCRIBE",  # RFC 6665
        "UPDATE",  # RFC 3311
    }
)
"""The methods of the IANA registry: they get 405 where they are not supported, any other gets 501."""

_SCHEMES: Final = ("sip", "sips", "tel", "urn")
"""Schemes of Request-URIs that lead anywhere here."""

_Fields: TypeAlias = "tuple[TypedHeader[object], ...]"

_EVERYWHERE: Final[_Fields] = (Message.via, Message.from_, Message.to, Message.call_id, Message.cseq)
"""Read of every message: transactions and dialogs are found by them (RFC 3261 §17.1.3, §17.2.3, §12.2.2)."""
_BY_PROXY: Final[_Fields] = (Message.max_forwards, Message.routes)
"""Read of a request by a proxy (RFC 3261 §16.3, §16.4); `_extensions` reads Proxy-Require as well."""
_WITHIN_DIALOG: Final[dict[str, _Fields]] = {
    **dict.fromkeys(TARGET_REFRESH, (Message.contacts,)),  # the new target of the dialog (RFC 3261 §12.2.2)
    "REGISTER": (Message.contacts, Message.expires, Message.paths),  # the bindings (RFC 3261 §10.3, RFC 3327 §5.3)
}
"""Read of a request by a user agent, by method; `_extensions` reads Require of all but ACK and CANCEL (§8.2.2.3).

A body, with the fields that tell of it, is read by those who understand it, and so are the fields of a subscription.
"""
_OUTSIDE_DIALOG: Final[dict[str, _Fields]] = {
    **_WITHIN_DIALOG,
    **dict.fromkeys(DIALOG_FORMING, (Message.contacts, Message.record_routes)),  # a dialog is made of them (§12.1.1)
}
"""The same, for a request without a To tag."""


@dataclass(frozen=True, slots=True)
class RequestRefusal:
    """Answer to a request that must not be acted on."""

    status: int
    """400 to 599."""
    reason: str | None = None
    """Reason phrase that names the fault; None takes the usual one."""
    headers: tuple[tuple[str, object], ...] = ()
    """Header fields that the status asks for, such as Allow."""


@dataclass(frozen=True, slots=True)
class _Element:
    """Capabilities of the element that received the request; see `check_request`."""

    methods: Collection[str] | None
    extensions: Collection[str] | None
    proxy: bool


def check_request(
    request: Request,
    *,
    methods: Collection[str] | None = None,
    extensions: Collection[str] | None = None,
    proxy: bool = False,
) -> RequestRefusal | None:
    """Return how to refuse a request, or None if it may be acted on.

    The first fault in the order of RFC 3261 decides: version, syntax of what every message has, method, syntax of what
    this one is used for, agreement between the start line and CSeq, Request-URI, extensions. For the collections
    None means that this element leaves the question to others.

    Args:
        request: the request.
        methods: methods that are acted on (§8.2.1): 405 for other known ones, 501 for unknown ones.
        extensions: option tags in lower case (§8.2.2.3; for a proxy those of Proxy-Require, §16.3): 420.
        proxy: the element forwards requests: methods are not its business.
    """
    if request.version != VERSION:
        return RequestRefusal(505, "Version Not Supported")  # §21.5.6
    element = _Element(methods, extensions, proxy)
    for check in _CHECKS:
        try:
            refusal = check(request, element)
        except MalformedHeader as error:
            return bad_request(str(error))
        if refusal is not None:
            return refusal
    return None


def bad_request(why: str) -> RequestRefusal:
    """Return the refusal of a request that breaks the grammar, with a phrase that says where (RFC 3261 §21.4.1)."""
    # What the peer sent stays out of the phrase but for what can stand there.
    phrase = "".join(letter if letter.isprintable() else "?" for letter in why)
    return RequestRefusal(400, f"Bad Request: {phrase[:120]}")


def check_response(response: Response, *, proxy: bool = False) -> str | None:
    """Return why a response has to be dropped, or None if it is fit (RFC 3261 §18.1.2).

    Args:
        response: the response.
        proxy: the element forwards responses, so that a Via of another element is below its own.
    """
    try:
        headers = response.headers
        for field in _EVERYWHERE:
            headers.read(field)
        if not proxy and len(headers.values("Via")) > 1:
            return "it has the Via of another element"  # RFC 3261 §8.1.3.3
    except MalformedHeader as error:
        return str(error)
    return None


def _syntax(request: Request, element: _Element) -> RequestRefusal | None:
    headers = request.headers
    for field in _EVERYWHERE:
        headers.read(field)
    # RFC 4475 §3.2.1: the cookie promises a transaction identifier, and there is none.
    if request.via.branch == MAGIC_COOKIE:
        return bad_request("Via has an empty branch")
    return None


def _method(request: Request, element: _Element) -> RequestRefusal | None:
    """RFC 3261 §8.2.1; a proxy forwards any method (§16.3)."""
    if element.proxy or element.methods is None or request.method in element.methods:
        return None
    allow = (("Allow", ", ".join(sorted(element.methods))),)
    if request.method in KNOWN_METHODS:
        return RequestRefusal(405, "Method Not Allowed", allow)  # §21.4.6
    return RequestRefusal(501, "Not Implemented", allow)  # §21.5.2


def _used(request: Request, element: _Element) -> RequestRefusal | None:
    """RFC 3261 §8.2.2, §16.3 step 1: only what is needed has to be well-formed."""
    if element.proxy:
        used = _BY_PROXY
    else:
        used = (_OUTSIDE_DIALOG if request.to.tag is None else _WITHIN_DIALOG).get(request.method, ())
    for field in used:
        request.headers.read(field)
    return None


def _cseq(request: Request, element: _Element) -> RequestRefusal | None:
    """RFC 3261 §8.1.1.5: the method of CSeq must match that of the request."""
    if request.cseq.method != request.method:
        return bad_request("CSeq has another method")
    return None


def _uri(request: Request, element: _Element) -> RequestRefusal | None:
    """RFC 3261 §8.2.2.1, §16.3 step 2, and §19.1.1 for the parts a Request-URI may not have."""
    uri = request.uri
    if uri.scheme not in _SCHEMES:
        return RequestRefusal(416, "Unsupported URI Scheme")  # §21.4.14
    if uri.headers.text:  # §19.1.1
        return bad_request("Request-URI with header fields")
    return None


def _extensions(request: Request, element: _Element) -> RequestRefusal | None:
    """RFC 3261 §8.2.2.3 and §16.3 step 5; ACK and CANCEL are not refused for it."""
    if element.extensions is None or request.method in ("ACK", "CANCEL"):
        return None
    required = request.proxy_require if element.proxy else request.require
    unknown = [tag for tag in required if tag not in element.extensions]
    if unknown:
        return RequestRefusal(420, "Bad Extension", (("Unsupported", ", ".join(unknown)),))
    return None


def _answerable(request: Request, element: _Element) -> RequestRefusal | None:
    """RFC 3261 §13.2.1, §20.1: an INVITE whose Accept has no session description leaves no answer possible."""
    if element.proxy or request.method != "INVITE":
        return None
    ranges = request.usable(Message.accept)  # §8.2: what cannot be read refuses nothing
    if not ranges or any(each.accepts("application/sdp") for each in ranges):
        return None
    return RequestRefusal(406, "Not Acceptable", (("Warning", '399 wic "Accept lacks application/sdp"'),))


_CHECKS: Final[tuple[Callable[[Request, _Element], RequestRefusal | None], ...]] = (
    _syntax,
    _method,
    _used,
    _cseq,
    _uri,
    _extensions,
    _answerable,
)
