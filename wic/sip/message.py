"""Requests and responses: bytes kept, values read when they are asked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Self

from wic.errors import LocalProtocolError
from wic.sip import readers
from wic.sip.grammar import REQUEST_URI, is_token
from wic.sip.header_fields import Headers
from wic.sip.headers.auth import AuthValue
from wic.sip.methods import DIALOG_FORMING
from wic.sip.names import key_of
from wic.sip.reasons import REASONS, reason_of
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wic.sip.headers.address import NameAddr
    from wic.sip.headers.cseq import CSeq
    from wic.sip.headers.event import Event
    from wic.sip.headers.media_type import MediaType
    from wic.sip.headers.subscription_state import SubscriptionState
    from wic.sip.headers.via import Via

__all__ = ["REASONS", "VERSION", "Headers", "Message", "Request", "Response"]

VERSION: Final = "SIP/2.0"
"""The only version there is (RFC 3261 §7.1)."""

_REQUEST_URI: Final = re.compile(REQUEST_URI)


class Message:
    """What requests and responses have in common.

    The typed properties read the header when they are first used and keep what they read until that
    header changes. Each raises MalformedHeader where the header does not follow its grammar, or
    is missing although every message has it.
    """

    __slots__ = ("body", "headers", "raw")

    def __init__(self, headers: Headers, body: bytes = b"", raw: bytes | None = None) -> None:
        self.headers = headers
        """All header fields."""
        self.body = body
        """The body, still encoded as Content-Type says."""
        self.raw = raw
        """The message as it came; None if it was made here, or packed."""

    @property
    def via(self) -> Via:
        """The topmost Via."""
        return self.headers.parsed("via", readers.read_via)

    @property
    def vias(self) -> tuple[Via, ...]:
        """All Via values, topmost first."""
        return self.headers.parsed("via all", readers.read_vias)

    @property
    def from_(self) -> NameAddr:
        """The From header."""
        return self.headers.parsed("from", readers.read_from)

    @property
    def to(self) -> NameAddr:
        """The To header."""
        return self.headers.parsed("to", readers.read_to)

    @property
    def call_id(self) -> str:
        """The Call-ID, case-sensitive."""
        return self.headers.parsed("call-id", readers.read_call_id)

    @property
    def cseq(self) -> CSeq:
        """The CSeq header."""
        return self.headers.parsed("cseq", readers.read_cseq)

    @property
    def contacts(self) -> tuple[NameAddr, ...]:
        """All Contact values; empty for `Contact: *`, which `contact_is_wildcard` tells."""
        return self.headers.parsed("contact", readers.read_contacts)

    @property
    def contact_is_wildcard(self) -> bool:
        """Whether Contact is `*`: all bindings (RFC 3261 §10.2.2)."""
        return self.headers.get_all("contact") == ["*"]

    @property
    def routes(self) -> tuple[NameAddr, ...]:
        """All Route values."""
        return self.headers.parsed("route", readers.read_routes)

    @property
    def record_routes(self) -> tuple[NameAddr, ...]:
        """All Record-Route values."""
        return self.headers.parsed("record-route", readers.read_record_routes)

    @property
    def paths(self) -> tuple[NameAddr, ...]:
        """All Path values (RFC 3327)."""
        return self.headers.parsed("path", readers.read_paths)

    @property
    def service_routes(self) -> tuple[NameAddr, ...]:
        """All Service-Route values (RFC 3608)."""
        return self.headers.parsed("service-route", readers.read_service_routes)

    @property
    def associated_uris(self) -> tuple[NameAddr, ...]:
        """All P-Associated-URI values (RFC 7315 §4.1)."""
        return self.headers.parsed("p-associated-uri", readers.read_associated_uris)

    @property
    def max_forwards(self) -> int | None:
        """Max-Forwards, 0 to 255."""
        return self.headers.parsed("max-forwards", readers.read_max_forwards)

    @property
    def expires(self) -> int | None:
        """Expires in seconds."""
        return self.headers.parsed("expires", readers.read_expires)

    @property
    def min_expires(self) -> int | None:
        """Min-Expires in seconds (RFC 3261 §20.23)."""
        return self.headers.parsed("min-expires", readers.read_min_expires)

    @property
    def content_type(self) -> MediaType | None:
        """The type of the body."""
        return self.headers.parsed("content-type", readers.read_content_type)

    @property
    def content_length(self) -> int | None:
        """Content-Length as it came, in octets."""
        return self.headers.parsed("content-length", readers.read_content_length)

    @property
    def require(self) -> tuple[str, ...]:
        """Option tags of Require, in lower case."""
        return self.headers.parsed("require", readers.read_require)

    @property
    def proxy_require(self) -> tuple[str, ...]:
        """Option tags of Proxy-Require, in lower case."""
        return self.headers.parsed("proxy-require", readers.read_proxy_require)

    @property
    def supported(self) -> tuple[str, ...]:
        """Option tags of Supported, in lower case."""
        return self.headers.parsed("supported", readers.read_supported)

    @property
    def unsupported(self) -> tuple[str, ...]:
        """Option tags of Unsupported, in lower case."""
        return self.headers.parsed("unsupported", readers.read_unsupported)

    @property
    def allow(self) -> tuple[str, ...]:
        """Methods of Allow."""
        return self.headers.parsed("allow", readers.read_allow)

    @property
    def event(self) -> Event | None:
        """The Event header (RFC 6665)."""
        return self.headers.parsed("event", readers.read_event)

    @property
    def subscription_state(self) -> SubscriptionState | None:
        """The Subscription-State of a NOTIFY (RFC 6665)."""
        return self.headers.parsed("subscription-state", readers.read_subscription_state)

    def auth(self, name: str) -> list[AuthValue]:
        """Return the challenges or credentials of `WWW-Authenticate`, `Authorization` or their kin.

        Raises:
            MalformedHeader: one of them does not follow the grammar.
        """

        def read(headers: Headers) -> tuple[AuthValue, ...]:
            lines = headers.get_all(name)
            return tuple([value for line in lines for value in readers.naming(name, AuthValue.parse_list, line)])

        return list(self.headers.parsed(f"{key_of(name)} auth", read))

    def set_auth(self, name: str, values: Iterable[AuthValue]) -> None:
        """Replace the lines of a header by challenges or credentials, one a line; without any it is gone."""
        self.headers.remove(name)
        if written := tuple(values):
            for value in written:
                self.headers.add(name, value)
            self.headers.keep_read(f"{key_of(name)} auth", written)

    def pack(self) -> None:
        """Let go of all that can be had again from the header lines, to save memory where a message only lies about."""
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
        try:
            return "\r\n".join([*lines, "", ""]).encode() + self.body
        except UnicodeEncodeError as error:
            raise LocalProtocolError(f"header text is no Unicode: {error}") from error


class Request(Message):
    r"""A request.

    >>> request = Request.build("OPTIONS", "sip:bob@example.com", [("Max-Forwards", 70)])
    >>> request.uri.user, request.max_forwards, request.to_bytes()
    ('bob', 70, b'OPTIONS sip:bob@example.com SIP/2.0\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n')
    """

    __slots__ = ("_uri", "_uri_text", "method", "version")

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
        self._uri_text = uri_text
        self._uri: Uri | None = None

    @classmethod
    def build(cls, method: str, uri: Uri | str, headers: Iterable[tuple[str, object]] = (), body: bytes = b"") -> Self:
        """Make a request; Content-Length is written by itself."""
        return cls(method, str(uri), Headers(headers), body)

    @property
    def uri_text(self) -> str:
        """The Request-URI as it came."""
        return self._uri_text

    @property
    def uri(self) -> Uri:
        """The Request-URI; may be set.

        Raises:
            MalformedUri: it does not follow the grammar of its scheme.
        """
        if self._uri is None:
            self._uri = Uri.parse(self._uri_text)
        return self._uri

    @uri.setter
    def uri(self, uri: Uri) -> None:
        self._uri = uri
        self._uri_text = str(uri)

    def copy(self) -> Request:
        """Return an independent copy, to be changed and sent on."""
        headers = self.headers.copy()
        request = Request(self.method, self._uri_text, headers, self.body, raw=self.raw, version=self.version)
        request._uri = self._uri
        return request

    def pack(self) -> None:
        """Let go of all that can be had again; see `Message.pack`."""
        super().pack()
        self._uri = None

    def _start_line(self) -> str:
        if not is_token(self.method):
            raise LocalProtocolError(f"{self.method!r} cannot be a method")
        if _REQUEST_URI.fullmatch(self._uri_text) is None:
            raise LocalProtocolError(f"{self._uri_text!r} cannot be a Request-URI")
        return f"{self.method} {self._uri_text} {VERSION}"

    def __repr__(self) -> str:
        return f"<Request {self.method} {self._uri_text}>"


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
            ours.append_to("To", f";tag={to_tag}")  # RFC 4475 §3.1.1.2: whatever its display name holds
        for name, value in headers:
            ours.add(name, value)
        return cls(status, reason_of(status) if reason is None else reason, ours, body)

    @property
    def is_final(self) -> bool:
        """Whether no other response follows it."""
        return self.status >= 200

    def copy(self) -> Response:
        """Return an independent copy, to be changed and sent on."""
        return Response(self.status, self.reason, self.headers.copy(), self.body, raw=self.raw)

    def _start_line(self) -> str:
        if not 100 <= self.status <= 699:
            raise LocalProtocolError(f"{self.status} cannot be a status")
        if any(octet in self.reason for octet in "\r\n\0"):
            raise LocalProtocolError("line break or NUL in a reason phrase")
        return f"{VERSION} {self.status} {self.reason}"

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason}>"
