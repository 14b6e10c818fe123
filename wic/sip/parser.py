"""Bytes to messages: the start line, the header lines, the body (RFC 3261 §7, §18.3).

Only what frames a message is judged here; the values are judged when they are read, and
`wic.sip.validate` asks for those that every element needs.
"""

from __future__ import annotations

import re
from typing import Final

from wic.errors import RemoteProtocolError
from wic.sip.grammar import REQUEST_URI, TOKEN
from wic.sip.headers.fields import FOLD, Field, Headers, readable, split_fields
from wic.sip.limits import Limits
from wic.sip.message import Request, Response

_REQUEST_LINE: Final = re.compile(rf"({TOKEN}) ({REQUEST_URI}) (SIP/[0-9]++\.[0-9]++)", re.IGNORECASE | re.ASCII)
# RFC 3261 §7.2 has a space and a phrase, which may be empty; deployed stacks leave out both.
_STATUS_LINE: Final = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?", re.IGNORECASE | re.ASCII)
_LIKE_REQUEST: Final = re.compile(r"\S.*[ \t]SIP/[0-9]++\.[0-9]++[ \t]*+", re.IGNORECASE | re.ASCII)
_LENGTH: Final = re.compile(r"[0-9]{1,16}")
_DEFAULT_LIMITS: Final = Limits()
_CONTENT_LENGTH: Final = Request.content_length

Message = Request | Response


class MessageRefused(RemoteProtocolError):
    """Bytes that are no SIP message which this element can take.

    Attributes:
        status_hint: the status that answers it, or None where it is to be dropped in silence:
            responses, and bytes that are no SIP at all.
        partial: what could be read of the request, enough for `Response.answer`, or None.
        response: what could be read of a response, enough to find its transaction, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        status_hint: int | None = 400,
        partial: Request | None = None,
        response: Response | None = None,
    ) -> None:
        super().__init__(message, status_hint=status_hint)
        self.partial = partial
        self.response = response


def parse(data: bytes, *, limits: Limits = _DEFAULT_LIMITS, datagram: bool = True) -> Message:
    """Parse one message: a datagram, a WebSocket message, or a frame cut from a stream.

    Args:
        data: the bytes; line breaks before the start line are read over (RFC 3261 §7.5).
        limits: how much of everything is taken.
        datagram: whether octets after the body are ignored (RFC 3261 §18.3) and Content-Length may be absent.

    Raises:
        MessageRefused: the bytes are no message; it says what to answer, if anything.
    """
    if len(data) > limits.message_size:
        raise _refused(_beginning(data, limits), f"message of {len(data)} octets", limits, status=513)
    if data[:2] == b"\r\n":
        data = data.lstrip(b"\r\n")  # RFC 3261 §7.5
    end = data.find(b"\r\n\r\n", 0, limits.head_size + 4)
    if end < 0:
        raise _no_end(data, limits)
    head = data[:end].decode(errors="surrogateescape")
    body = data[end + 4 :]
    start, headers = _split(head, limits)
    message = _start(start, headers, head, limits)
    length = _content_length(headers, head, limits)
    if length is None:
        if not datagram:
            raise _refused(head, "Content-Length is missing", limits)  # §20.14
    elif length != len(body):
        if length > len(body) or not datagram:
            raise _refused(head, f"body of {len(body)} octets where Content-Length says {length}", limits)
        body = body[:length]  # §18.3: octets beyond it are dropped
        data = data[: end + 4 + length]
    message.body = body
    message.raw = data
    return message


def _split(head: str, limits: Limits) -> tuple[str, Headers]:
    """Split the head into its start line and its header fields."""
    lines = head.split("\r\n")
    breaks = len(lines) - 1
    if head.count("\n") != breaks or head.count("\r") != breaks:
        raise _refused(head, "line break that is not CRLF", limits)  # §7
    if breaks > limits.header_count or len(head) > limits.header_size:
        _check_lines(head, limits)
    # Octets that are no text are rare, and so is folding: that is found by the line that is no header field.
    split = head if readable(head) != head else split_fields(lines[1:])
    if isinstance(split, str):
        lines = FOLD.split(head)
        lines[0] = readable(lines[0])
        split = split_fields(lines[1:], odd=True)
        if isinstance(split, str):
            raise _refused(head, f"malformed header line {split[:80]!r}", limits)
    return lines[0], Headers.of_lines(*split, limits.list_values)


def _check_lines(head: str, limits: Limits) -> None:
    lines = FOLD.split(head)
    if len(lines) > limits.header_count + 1:
        raise _refused(head, f"{len(lines) - 1} header lines", limits, status=513)
    if max(map(len, lines)) > limits.header_size:
        raise _refused(head, f"line of more than {limits.header_size} characters", limits, status=513)


def _start(line: str, headers: Headers, head: str, limits: Limits) -> Message:
    """Read the start line (RFC 3261 §7.1, §7.2)."""
    match = _REQUEST_LINE.fullmatch(line)
    if match is not None:
        method, uri, version = match.groups()
        request = Request(method, uri, headers, version=version.upper())
        if len(uri) > limits.uri_length:
            raise MessageRefused(f"Request-URI of {len(uri)} characters", status_hint=414, partial=request)
        return request
    match = _STATUS_LINE.fullmatch(line)
    if match is not None:
        return Response(int(match[1]), match[2] or "", headers)
    raise _refused(head, f"malformed start line {line[:80]!r}", limits)


def _content_length(headers: Headers, head: str, limits: Limits) -> int | None:
    lengths = headers.get_all("Content-Length")
    if not lengths:
        return None
    if len(lengths) > 1 or _LENGTH.fullmatch(lengths[0]) is None:
        raise _refused(head, f"Content-Length {', '.join(lengths)[:80]}", limits)
    length = int(lengths[0])
    headers.keep_read(_CONTENT_LENGTH, length)
    return length


def _no_end(data: bytes, limits: Limits) -> MessageRefused:
    if len(data) > limits.head_size:
        return _refused(_beginning(data, limits), f"head of more than {limits.head_size} octets", limits, status=513)
    return _refused(data.decode(errors="surrogateescape"), "head without an end", limits)


def _beginning(data: bytes, limits: Limits) -> str:
    """Return the lines of a head that is too long, or of a message that is, as far as they are within the limit."""
    head, end, _ = data[: limits.head_size].lstrip(b"\r\n").partition(b"\r\n\r\n")
    return (head if end else head.rpartition(b"\r\n")[0]).decode(errors="surrogateescape")


def _refused(head: str, why: str, limits: Limits, *, status: int = 400) -> MessageRefused:
    """Refuse a head: with an answer where it is that of a request, else in silence."""
    start, _, rest = head.partition("\r\n")
    start = _BARE_BREAK.sub(" ", readable(start))  # a reason phrase that has one could not go on
    if _LIKE_REQUEST.fullmatch(start):
        method, _, uri = start.strip(" \t").partition(" ")
        headers = _answered_headers(rest, limits)
        partial = Request(method, uri, headers) if all(name in headers for name in _ANSWERED) else None
        return MessageRefused(why, status_hint=status, partial=partial)
    match = _STATUS_LINE.fullmatch(start)
    response = None if match is None else Response(int(match[1]), match[2] or "", _answered_headers(rest, limits))
    return MessageRefused(why, status_hint=None, response=response)


def _answered_headers(rest: str, limits: Limits) -> Headers:
    """Return the fields of a broken head that a request and its response have in common, but for one with a bare CR or LF."""
    fields: list[Field] = []
    for line in FOLD.split(rest)[: limits.header_count]:
        split = split_fields([line], odd=True)
        if not isinstance(split, str) and not _BARE_BREAK.search(line.replace("\r\n", "")):
            fields += [field for field in split[0] if field[0] in _ANSWERED]
    return Headers.of_lines(fields, None, limits.list_values)


_ANSWERED: Final = ("via", "from", "to", "call-id", "cseq")
_BARE_BREAK: Final = re.compile(r"[\r\n]")
