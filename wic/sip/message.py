"""Requests and responses: the bytes are kept, and values are read from them when they are asked for.

Each typed header is one line in `Message`; to have another, add a line. The header fields of a message may be changed
with `Message.headers`, whose other lines then still go out as they came.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, TypeVar

from wic.errors import LocalProtocolError
from wic.sip.errors import MalformedHeader
from wic.sip.grammar import REQUEST_URI, TOKEN
from wic.sip.headers.address import NameAddr
from wic.sip.headers.auth import AuthValue
from wic.sip.headers.fields import (
    FORBIDDEN,
    Headers,
    TypedHeader,
    each,
    each_of_line,
    optional,
    required,
    tokens,
    topmost,
)
from wic.sip.headers.values import (
    LONGEST_RETRY_DELAY,
    CSeq,
    EventType,
    MediaType,
    RetryAfter,
    SubscriptionState,
    delta_seconds,
    number_up_to,
)
from wic.sip.headers.via import Via
from wic.sip.methods import DIALOG_FORMING
from wic.sip.reasons import REASONS, reason_of
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["REASONS", "VERSION", "Headers", "Message", "Request", "Response"]

T = TypeVar("T")

VERSION: Final = "SIP/2.0"
"""The only version there is (RFC 3261 §7.1)."""

_METHOD: Final = re.compile(TOKEN)
_REQUEST_URI: Final = re.compile(REQUEST_URI)
_CALL_ID: Final = re.compile(r"[^\s,\ufffd]++")
_AUTH: Final = {
    name: each_of_line(name, AuthValue.parse_list)
    for name in ("WWW-Authenticate", "Authorization", "Proxy-Authenticate", "Proxy-Authorization")
}


def _call_id(text: str) -> str:
    if _CALL_ID.fullmatch(text) is None:
        raise MalformedHeader(f"malformed value {text[:80]!r}")
    return text


@dataclass(slots=True, eq=False, repr=False)
class Message:
    """Common part of requests and responses.

    The typed properties read the header when they are first used and keep what they read until that
    header changes. Each raises MalformedHeader where the header does not follow its grammar, is
    repeated although it may stand once, or is missing although every message has it.
    """

    headers: Headers
    """All header fields."""
    body: bytes = b""
    """The body, still encoded as Content-Type says."""
    raw: bytes | None = None
    """The message as it came; None if it was made here, or packed."""

    via = topmost("Via", Via.parse)  # RFC 3261 §20.42
    """The topmost Via."""
    vias = each("Via", Via.parse)  # RFC 3261 §20.42
    """All Via values, topmost first."""
    from_ = required("From", NameAddr.parse)  # RFC 3261 §20.20
    """The From header."""
    to = required("To", NameAddr.parse)  # RFC 3261 §20.39
    """The To header."""
    call_id = required("Call-ID", _call_id)  # RFC 3261 §20.8
    """The Call-ID, case-sensitive."""
    cseq = required("CSeq", CSeq.parse)  # RFC 3261 §20.16
    """The CSeq header."""
    contacts = each("Contact", NameAddr.parse, wildcard="*")  # RFC 3261 §20.10
    """All Contact values; empty for `Contact: *`, which `contact_is_wildcard` tells."""
    routes = each("Route", NameAddr.parse)  # RFC 3261 §20.34
    """All Route values."""
    record_routes = each("Record-Route", NameAddr.parse)  # RFC 3261 §20.30
    """All Record-Route values."""
    paths = each("Path", NameAddr.parse)
    """All Path values (RFC 3327)."""
    service_routes = each("Service-Route", NameAddr.parse)
    """All Service-Route values (RFC 3608)."""
    associated_uris = each("P-Associated-URI", NameAddr.parse, wildcard="")
    """All P-Associated-URI values; an empty one has none (RFC 7315 §4.1)."""
    max_forwards = optional("Max-Forwards", number_up_to(255))  # RFC 3261 §20.22
    """Max-Forwards, 0 to 255."""
    expires = optional("Expires", delta_seconds)  # RFC 3261 §20.19
    """Expires in seconds."""
    min_expires = optional("Min-Expires", delta_seconds)  # RFC 3261 §20.23
    """Min-Expires in seconds (RFC 3261 §20.23)."""
    retry_after = optional("Retry-After", RetryAfter.parse)  # RFC 3261 §20.33
    """The Retry-After header; see `Response.retry_delay`."""
    content_type = optional("Content-Type", MediaType.parse)  # RFC 3261 §20.15
    """The type of the body."""
    accept = each("Accept", MediaType.parse)  # RFC 3261 §20.1
    """The types of bodies that the sender understands."""
    content_length = optional("Content-Length", number_up_to(2**31))  # RFC 3261 §20.14
    """Content-Length as it came, in octets."""
    require = tokens("Require")  # RFC 3261 §20.32
    """Option tags of Require, in lower case."""
    proxy_require = tokens("Proxy-Require")  # RFC 3261 §20.29
    """Option tags of Proxy-Require, in lower case."""
    supported = tokens("Supported")  # RFC 3261 §20.37
    """Option tags of Supported, in lower case."""
    unsupported = tokens("Unsupported")  # RFC 3261 §20.40
    """Option tags of Unsupported, in lower case."""
    allow = tokens("Allow", lower=False)  # RFC 3261 §20.5
    """Methods of Allow."""
    event = optional("Event", EventType.parse)
    """The Event header (RFC 6665)."""
    subscription_state = optional("Subscription-State", SubscriptionState.parse)
    """The Subscription-State of a NOTIFY (RFC 6665)."""

    def usable(self, header: TypedHeader[T]) -> T:
        """Return a header as far as it can be read; see `Headers.usable`.

        >>> response = Response.build(302, headers=[("Contact", "<sip:a@x>, <>, <sip:b@x>")])
        >>> [str(contact.uri) for contact in response.usable(Response.contacts)]
        ['sip:a@x', 'sip:b@x']
        """
        return self.headers.usable(header)

    @property
    def contact_is_wildcard(self) -> bool:
        """Whether Contact is `*`: all bindings (RFC 3261 §10.2.2)."""
        return self.headers.get_all("contact") == ["*"]

    def auth(self, name: str) -> list[AuthValue]:
        """Return the challenges or credentials of `WWW-Authenticate`, `Authorization` or their kin.

        Raises:
            MalformedHeader: one of them does not follow the grammar.
        """
        return list(self.headers.read(_AUTH[name]))

    def set_auth(self, name: str, values: Iterable[AuthValue]) -> None:
        """Replace the lines of a header by challenges or credentials, one a line; without any it is gone."""
        self.headers.write(_AUTH[name], tuple(values))

    def pack(self) -> None:
        """Release all that can be read again from the header lines, to save memory while the message is only kept."""
        self.raw = None
        self.headers.pack()

    def _start_line(self) -> str:
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """Return the message as it goes out: untouched header lines as they came, Content-Length right.

        Raises:
            LocalProtocolError: a part of the message would break its framing.
        """
        length = str(len(self.body))
        lines = [self._start_line()]
        counted = False
        for key, line in self.headers.lines():
            if key == "content-length":
                if counted:
                    continue
                counted = True
                value = self.headers.get("content-length")
                if not value or (value.lstrip("0") or "0") != length:
                    line = f"Content-Length: {length}"
            lines.append(line)
        if not counted:
            lines.append(f"Content-Length: {length}")
        return "\r\n".join([*lines, "", ""]).encode(errors="surrogateescape") + self.body


class Request(Message):
    r"""A request.

    >>> request = Request.build("OPTIONS", "sip:bob@example.com", [("Max-Forwards", 70)])
    >>> request.uri.user, request.max_forwards, request.to_bytes()
    ('bob', 70, b'OPTIONS sip:bob@example.com SIP/2.0\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n')
    """

    __slots__ = ("_uri", "method", "uri_text", "version")

    def __init__(
        self,
        method: str,
        uri_text: str,
        headers: Headers,
        body: bytes = b"",
        *,
        raw: bytes | None = None,
        version: str = VERSION,
    ) -> None:
        """Make a request from its parts; `build` is the way for messages of our own."""
        super().__init__(headers, body, raw)
        self.method = method
        """Case-sensitive."""
        self.version = version
        """`SIP/2.0`, or what the peer said instead."""
        self.uri_text = uri_text
        """The Request-URI as it came; to change it, set `uri`."""
        self._uri: Uri | None = None

    @classmethod
    def build(cls, method: str, uri: Uri | str, headers: Iterable[tuple[str, object]] = (), body: bytes = b"") -> Self:
        """Make a request; Content-Length is written by itself."""
        return cls(method, str(uri), Headers(headers), body)

    @property
    def uri(self) -> Uri:
        """The Request-URI; may be set.

        Raises:
            MalformedUri: it does not follow the grammar of its scheme.
        """
        if self._uri is None:
            self._uri = Uri.parse(self.uri_text)
        return self._uri

    @uri.setter
    def uri(self, uri: Uri) -> None:
        self._uri = uri
        self.uri_text = str(uri)

    def copy(self) -> Request:
        """Return an independent copy, to be changed and sent on."""
        headers = self.headers.copy()
        request = Request(self.method, self.uri_text, headers, self.body, raw=self.raw, version=self.version)
        request._uri = self._uri
        return request

    def pack(self) -> None:
        """Release all that can be read again; see `Message.pack`."""
        super().pack()
        self._uri = None

    def _start_line(self) -> str:
        if _METHOD.fullmatch(self.method) is None:
            raise LocalProtocolError(f"{self.method!r} cannot be a method")
        if _REQUEST_URI.fullmatch(self.uri_text) is None:
            raise LocalProtocolError(f"{self.uri_text!r} cannot be a Request-URI")
        return f"{self.method} {self.uri_text} {VERSION}"

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri_text}>"


class Response(Message):
    """A response."""

    __slots__ = ("reason", "status")

    def __init__(
        self, status: int, reason: str, headers: Headers, body: bytes = b"", *, raw: bytes | None = None
    ) -> None:
        """Make a response from its parts; `answer` and `build` are the ways for messages of our own."""
        super().__init__(headers, body, raw)
        self.status = status
        """100 to 699."""
        self.reason = reason
        """The phrase for people."""

    @classmethod
    def build(
        cls, status: int, reason: str | None = None, headers: Iterable[tuple[str, object]] = (), body: bytes = b""
    ) -> Self:
        """Make a response that answers nothing yet; without a phrase the usual one stands in."""
        return cls(status, reason_of(status) if reason is None else reason, Headers(headers), body)

    @classmethod
    def answer(
        cls,
        request: Request,
        status: int,
        reason: str | None = None,
        *,
        to_tag: str | None = None,
        headers: Iterable[tuple[str, object]] = (),
        body: bytes = b"",
    ) -> Self:
        """Make the response to a request (RFC 3261 §8.2.6).

        Via, From, To, Call-ID and CSeq are those of the request, byte for byte, so this works for
        requests that cannot be read any further.

        Args:
            request: what is answered.
            status: 100 to 699.
            reason: the phrase; the usual one if None.
            to_tag: tag for a To that has none yet; a 100 gets none (§8.2.6.2).
            headers: further header fields.
            body: the body.

        Raises:
            MalformedHeader: a tag is given and the To of the request cannot be read.
        """
        ours = Headers()
        copied = ["via", "from", "to", "call-id", "cseq"]
        if status == 100:
            copied.append("timestamp")  # §8.2.6.1
        elif status < 300 and request.method in DIALOG_FORMING:
            copied.append("record-route")  # §12.1.1
        ours.copy_from(request.headers, *copied)
        if to_tag is not None and status > 100 and request.to.tag is None:
            ours.append_to("To", f";tag={to_tag}")  # RFC 4475 §3.1.1.2: its display name may hold anything
        for name, value in headers:
            ours.add(name, value)
        return cls(status, reason_of(status) if reason is None else reason, ours, body)

    @property
    def summary(self) -> str:
        """Status and phrase for a sentence: the usual phrase where there is none, or one that cannot be shown.

        >>> Response.build(486, "").summary
        '486 Busy Here'
        """
        phrase = self.reason if self.reason and self.reason.isprintable() else reason_of(self.status)
        return f"{self.status} {phrase[:80]}"

    @property
    def is_final(self) -> bool:
        """Whether no other response follows it."""
        return self.status >= 200

    def retry_delay(self, *, longest: float = LONGEST_RETRY_DELAY) -> float | None:
        """Return the seconds that its Retry-After makes this side wait; None without one that can be read."""
        asked = self.usable(Response.retry_after)
        return None if asked is None else asked.delay(longest=longest)

    def copy(self) -> Response:
        """Return an independent copy, to be changed and sent on."""
        return Response(self.status, self.reason, self.headers.copy(), self.body, raw=self.raw)

    def _start_line(self) -> str:
        if not 100 <= self.status <= 699:
            raise LocalProtocolError(f"{self.status} cannot be a status")
        if FORBIDDEN.search(self.reason):
            raise LocalProtocolError("line break, NUL or lone surrogate in a reason phrase")
        return f"{VERSION} {self.status} {self.reason}"

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason}>"
