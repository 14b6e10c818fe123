"""Bodies of several parts (RFC 2046 §5.1, RFC 5621)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from wic.sip.errors import MalformedBody, MalformedHeader
from wic.sip.headers.names import key_of
from wic.sip.headers.values import MediaType
from wic.sip.limits import Limits

_DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a body: MIME header fields and content."""

    headers: tuple[tuple[str, str], ...]
    """Names and values, folding undone, in order."""
    body: bytes
    """The content, still encoded as its header fields say."""

    @classmethod
    def of(cls, content_type: str, body: bytes) -> Part:
        """Make a part from its type and its content."""
        return cls((("Content-Type", content_type),), body)

    def get(self, name: str) -> str | None:
        """Return the value of a MIME header field, or None."""
        key = key_of(name)
        return next((value for other, value in self.headers if key_of(other) == key), None)

    @property
    def content_type(self) -> MediaType:
        """The type of the content; `text/plain` where none is given (RFC 2046 §5.1).

        Raises:
            MalformedHeader: it does not follow the grammar.
        """
        return MediaType.parse(self.get("Content-Type") or "text/plain")


def leaves(content_type: MediaType, body: bytes, *, limits: Limits = _DEFAULT_LIMITS) -> list[Part]:
    """Return the parts of a body that are no multipart themselves, however deep they lie, in order.

    A body that is no multipart is its own only leaf.

    Raises:
        MalformedBody: a multipart is malformed, or they are nested beyond the limit.
    """
    return _leaves(Part.of(str(content_type), body), limits, limits.nesting)


def find_part(content_type: MediaType, body: bytes, essence: str, *, limits: Limits = _DEFAULT_LIMITS) -> bytes | None:
    """Return the content of the first leaf of that type, such as `application/sdp`, or None.

    Raises:
        MalformedBody: as `leaves`.
    """
    for part in leaves(content_type, body, limits=limits):
        if part.content_type.essence == essence:
            return part.body
    return None


def replace_parts(
    content_type: MediaType, body: bytes, essence: str, content: bytes, *, limits: Limits = _DEFAULT_LIMITS
) -> bytes:
    """Return the body with `content` in place of every leaf of that type; every other octet stays as it is.

    An empty leaf stays empty. No line of `content` may begin with "--": it could be taken for a boundary.

    Raises:
        MalformedBody: as `leaves`.
    """
    return _replaced(Part.of(str(content_type), body), essence, content, limits, limits.nesting)


def _leaves(part: Part, limits: Limits, depth: int) -> list[Part]:
    spans = _inner_spans(part, limits, depth)
    if spans is None:
        return [part]
    return [leaf for start, end in spans for leaf in _leaves(_part(part.body[start:end]), limits, depth - 1)]


def _replaced(part: Part, essence: str, content: bytes, limits: Limits, depth: int) -> bytes:
    """Return the body of a part with `content` in place of its leaves of that type."""
    spans = _inner_spans(part, limits, depth)
    if spans is None:
        return content if part.body and part.content_type.essence == essence else part.body
    pieces: list[bytes] = []
    kept = 0
    for start, end in spans:
        inner = _part(part.body[start:end])
        pieces += [part.body[kept : end - len(inner.body)], _replaced(inner, essence, content, limits, depth - 1)]
        kept = end
    return b"".join([*pieces, part.body[kept:]])


def _inner_spans(part: Part, limits: Limits, depth: int) -> list[tuple[int, int]] | None:
    """Return where the parts of a multipart begin and end; None if the part is a leaf."""
    try:
        content_type = part.content_type
    except MalformedHeader as error:
        raise MalformedBody(f"part of unknown type: {error}") from error
    if content_type.type != "multipart":
        return None
    if depth == 0:
        raise MalformedBody(f"multipart bodies nested deeper than {limits.nesting}")
    return _spans(content_type, part.body, limits)


def _spans(content_type: MediaType, body: bytes, limits: Limits) -> list[tuple[int, int]]:
    """Return where each part begins, with the line break that ends its delimiter, and where it ends."""
    boundary = content_type.params.get("boundary")
    if not boundary or len(boundary) > 70:  # RFC 2046 §5.1.1
        raise MalformedBody("no multipart type with a boundary")
    # RFC 2046 §5.1.1: the line break before a delimiter belongs to the delimiter. The first may stand without one.
    delimiter = re.compile(rb"(?:\r\n|\A)--" + re.escape(boundary.encode()) + rb"(--)?+[ \t]*+(?=\r\n|\Z)")
    spans: list[tuple[int, int]] = []
    start: int | None = None
    for match in delimiter.finditer(body):
        if start is not None:
            spans.append((start, match.start()))
        if match[1] is not None and spans:  # RFC 2046 §5.1.1: what follows is an epilogue
            return spans
        if len(spans) == limits.parts:
            raise MalformedBody(f"more than {limits.parts} parts")
        start = match.end()
    raise MalformedBody("boundary is missing at the beginning or at the end")


def _part(text: bytes) -> Part:
    """Read one part; `text` begins with the line break that ends its delimiter."""
    head, _, body = text.partition(b"\r\n\r\n")
    unfolded = head.decode(errors="replace").replace("\r\n ", " ").replace("\r\n\t", " ")
    headers: list[tuple[str, str]] = []
    for line in filter(None, unfolded.split("\r\n")):
        name, colon, value = line.partition(":")
        if not colon:
            raise MalformedBody(f"malformed header line of a part: {line[:80]!r}")
        headers.append((name.strip(" \t"), value.strip(" \t")))
    return Part(tuple(headers), body)
