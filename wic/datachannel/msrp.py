"""MSRP messages as values, and their framing in a stream (RFC 4975 §7, §9)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from wic.errors import LocalProtocolError, RemoteProtocolError
from wic.option_checks import NumericOptions

_IDENT = r"[A-Za-z0-9][A-Za-z0-9.\-+%=]{3,31}"
_START = re.compile(rf"MSRP ({_IDENT}) (?:([A-Z]{{1,32}})|([0-9]{{3}})(?: ([^\r\n]*))?)")
_URI = re.compile(
    r"(?P<scheme>msrps?)://(?:[^@/;\s]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.\-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?:/(?P<session>[A-Za-z0-9.\-_~+=/]+))?;(?P<transport>[A-Za-z0-9]+)(?:;[^\s;]+)*",
    re.IGNORECASE,
)
_BYTE_RANGE = re.compile(r"([0-9]{1,12})-([0-9]{1,12}|\*)/([0-9]{1,12}|\*)")
_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9!%'*+.^_`{|}~-]*): *(.*)")

DEFAULT_PORT = 2855


class MsrpRefused(RemoteProtocolError):
    """The bytes are not MSRP, or exceed a limit; the connection cannot be used further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MsrpLimits(NumericOptions):
    """Limits of what a peer may send at once.

    Attributes:
        chunk_size: longest chunk with its headers, in octets.
        message_size: longest message put together from chunks, in octets.
        partial_messages: how many messages may be under way at a time in one session.
        unanswered: how many of our chunks may wait for their responses.
    """

    chunk_size: int = 300_000
    message_size: int = 262_144
    partial_messages: int = 16
    unanswered: int = 4096


@dataclass(frozen=True, slots=True)
class MsrpUri:
    """`msrp://host:port/session;tcp` (RFC 4975 §6)."""

    host: str
    port: int
    session: str
    scheme: str = "msrp"
    transport: str = "tcp"

    @classmethod
    def parse(cls, text: str) -> MsrpUri:
        """Read a URI; without a port it is 2855 (RFC 4975 §6).

        Raises:
            MsrpRefused: it is not an MSRP URI.
        """
        match = _URI.fullmatch(text)
        if match is None or int(match["port"] or 0) > 65535:
            raise MsrpRefused(f"not an MSRP URI: {text[:80]!r}")
        return cls(
            host=match["host"].lower().strip("[]"),
            port=int(match["port"] or DEFAULT_PORT),
            session=match["session"] or "",
            scheme=match["scheme"].lower(),
            transport=match["transport"].lower(),
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/{self.session};{self.transport}"


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Octets of a message that a chunk carries, counted from 1; None is `*` (RFC 4975 §7.1.1)."""

    start: int
    end: int | None
    total: int | None

    @classmethod
    def parse(cls, text: str) -> ByteRange:
        """Read a Byte-Range value.

        Raises:
            MsrpRefused: it is not a byte range.
        """
        match = _BYTE_RANGE.fullmatch(text)
        if match is None or int(match[1]) < 1:  # RFC 4975 §7.1.1: octets are counted from 1
            raise MsrpRefused(f"not a byte range: {text[:80]!r}")
        end, total = (None if value == "*" else int(value) for value in match.groups()[1:])
        return cls(int(match[1]), end, total)

    def __str__(self) -> str:
        return f"{self.start}-{'*' if self.end is None else self.end}/{'*' if self.total is None else self.total}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MsrpRequest:
    """A request, that is one chunk if the method is SEND.

    Attributes:
        transaction: names the transaction; its response repeats it.
        method: SEND, REPORT or something newer.
        to_path: the URIs it passes, the next one first.
        from_path: the URIs it has passed, the nearest first.
        headers: the other headers in order, Content-Type among them.
        body: the content; None if it has no Content-Type.
        flag: `$` the last chunk, `+` more follow, `#` given up.
    """

    transaction: str
    method: str
    to_path: tuple[MsrpUri, ...]
    from_path: tuple[MsrpUri, ...]
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    flag: str = "$"

    def get(self, name: str) -> str | None:
        """Return the value of a header, by its name in any case."""
        return header_value(self.headers, name)

    def to_bytes(self) -> bytes:
        """Write it; Content-Type comes last (RFC 4975 §9).

        Raises:
            LocalProtocolError: a header value would break the line, or the end-line occurs in the body.
        """
        end = f"-------{self.transaction}".encode()
        lines = _head(f"MSRP {self.transaction} {self.method}", self.to_path, self.from_path, self.headers)
        if self.body is None:
            return lines + end + self.flag.encode() + b"\r\n"
        # RFC 4975 §7.1: the sender has to make sure that the end-line does not occur in the body.
        if end in self.body:
            raise LocalProtocolError("the end-line occurs in the body: choose another transaction identifier")
        return b"".join((lines, b"\r\n", self.body, b"\r\n", end, self.flag.encode(), b"\r\n"))


@dataclass(frozen=True, slots=True, kw_only=True)
class MsrpResponse:
    """Response to a request."""

    transaction: str
    status: int
    comment: str = ""
    to_path: tuple[MsrpUri, ...]
    from_path: tuple[MsrpUri, ...]
    headers: tuple[tuple[str, str], ...] = ()

    def to_bytes(self) -> bytes:
        """Write it."""
        start = f"MSRP {self.transaction} {self.status:03d} {self.comment}".rstrip()
        return _head(start, self.to_path, self.from_path, self.headers) + f"-------{self.transaction}$\r\n".encode()


MsrpMessage: TypeAlias = MsrpRequest | MsrpResponse


def header_value(headers: tuple[tuple[str, str], ...], name: str) -> str | None:
    """Return the value of the first header `name`, in any case; None without one."""
    return next((value for key, value in headers if key.lower() == name.lower()), None)


def _head(
    start: str, to_path: tuple[MsrpUri, ...], from_path: tuple[MsrpUri, ...], headers: tuple[tuple[str, str], ...]
) -> bytes:
    lines = [start, f"To-Path: {' '.join(map(str, to_path))}", f"From-Path: {' '.join(map(str, from_path))}"]
    lines += [f"{name}: {value}" for name, value in sorted(headers, key=lambda header: header[0] == "Content-Type")]
    if any("\r" in line or "\n" in line for line in lines):
        raise LocalProtocolError("a line break in an MSRP header")
    return "".join(f"{line}\r\n" for line in lines).encode()


class MsrpFramer:
    """Framer that cuts a TCP stream into messages, in time linear in its bytes."""

    def __init__(self, limits: MsrpLimits | None = None) -> None:
        self._limits = limits or MsrpLimits()
        self._buffer = bytearray()
        self._marker = b""
        self._searched = 0

    def feed(self, data: bytes) -> list[MsrpMessage]:
        """Take what arrived and return the messages that are complete.

        Raises:
            MsrpRefused: the stream is not MSRP, or exceeds a limit.
        """
        self._buffer += data
        messages: list[MsrpMessage] = []
        while (block := self._next_block()) is not None:
            messages.append(_parse(*block))
        if len(self._buffer) > self._limits.chunk_size:
            raise MsrpRefused(f"an MSRP chunk of more than {self._limits.chunk_size} octets")
        return messages

    def _next_block(self) -> tuple[bytes, str] | None:
        if not self._marker and not self._read_start():
            return None
        length = len(self._marker)
        # RFC 4975 §7.1: the end-line is seven hyphens, the transaction identifier and a flag. Its transaction is known
        # from the start line, so that content which looks like another end-line is content.
        while (index := self._buffer.find(self._marker, self._searched)) >= 0:
            if len(self._buffer) < index + length + 3:  # flag and line break are still to come
                self._searched = index
                return None
            tail = bytes(self._buffer[index + length : index + length + 3])
            if tail in (b"$\r\n", b"+\r\n", b"#\r\n"):
                block = bytes(self._buffer[:index])
                del self._buffer[: index + length + 3]
                self._marker, self._searched = b"", 0
                return block, chr(tail[0])
            self._searched = index + 1
        # The next search begins where a marker cut in two may begin: no octet is searched over and over.
        self._searched = max(self._searched, len(self._buffer) - length)
        return None

    def _read_start(self) -> bool:
        line, separator, _ = bytes(self._buffer[:1024]).partition(b"\r\n")
        if not separator:
            # What does not begin like MSRP is refused before it has filled the buffer.
            if len(line) == 1024 or (line and not line.startswith(b"MSRP "[: len(line)])):
                raise MsrpRefused("not an MSRP start line")
            return False
        match = _START.fullmatch(line.decode("utf-8", "replace"))
        if match is None:
            raise MsrpRefused("not an MSRP start line")
        self._marker = f"\r\n-------{match[1]}".encode()
        return True


def _parse(block: bytes, flag: str) -> MsrpMessage:
    head, separator, body = block.partition(b"\r\n\r\n")
    start, *lines = head.decode("utf-8", "replace").split("\r\n")
    if len(lines) > 64:  # RFC 4975 sets no bound; a message has about ten
        raise MsrpRefused("an MSRP message of more than 64 headers")
    headers: list[tuple[str, str]] = []
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise MsrpRefused(f"not an MSRP header: {line[:80]!r}")
        headers.append((header[1], header[2]))
    # RFC 4975 §9: To-Path and From-Path come first and in this order.
    if [name.lower() for name, _ in headers[:2]] != ["to-path", "from-path"]:
        raise MsrpRefused("an MSRP message without To-Path and From-Path")
    to_path, from_path = (tuple(MsrpUri.parse(uri) for uri in value.split()) for _, value in headers[:2])
    if not to_path or not from_path:
        raise MsrpRefused("an MSRP message with an empty path")
    rest = tuple(headers[2:])
    match = _START.fullmatch(start)
    assert match is not None, "the framer has matched the start line"
    name, method, status, comment = match.groups()
    if status:
        return MsrpResponse(
            transaction=name,
            status=int(status),
            comment=comment or "",
            to_path=to_path,
            from_path=from_path,
            headers=rest,
        )
    content = body if separator else None  # RFC 4975 §9: no blank line, no body
    return MsrpRequest(
        transaction=name, method=method, to_path=to_path, from_path=from_path, headers=rest, body=content, flag=flag
    )
