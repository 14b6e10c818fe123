"""Session description as a value that loses nothing: unknown lines stay, in order, as written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from wic.option_checks import NumericOptions
from wic.sdp.attributes import MediaDirection, address_type, parse_number
from wic.sdp.errors import SdpRefused
from wic.sdp.line import Line, Section


@dataclass(frozen=True, kw_only=True, slots=True)
class SdpLimits(NumericOptions):
    """Limits of a description; a larger one is refused with 488."""

    size: int = 65536
    """Octets of the whole text."""
    lines: int = 2048
    media: int = 64
    """m-lines."""


DEFAULT_LIMITS = SdpLimits()


@dataclass(frozen=True, slots=True)
class Origin:
    """Originator, session and version, the `o=` line (RFC 8866 §5.2)."""

    username: str
    session_id: int
    version: int
    address: str

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Read the value of an `o=` line.

        Raises:
            SdpRefused: not six fields with two numbers.

        >>> Origin.parse("- 42 1 IN IP4 192.0.2.1").next().version
        2
        """
        fields = text.split()
        if len(fields) != 6:
            raise SdpRefused("o= must have six fields")
        session_id = parse_number(fields[1], name="session id", high=10**20)
        return cls(fields[0], session_id, parse_number(fields[2], name="session version", high=10**20), fields[5])

    def next(self) -> Origin:
        """Return the origin of the next version of the session (RFC 3264 §8)."""
        return replace(self, version=self.version + 1)

    def __str__(self) -> str:
        kind = address_type(self.address)
        return f"{self.username} {self.session_id} {self.version} IN {kind} {self.address}"


@dataclass(frozen=True, slots=True)
class MediaLine:
    """The `m=` line (RFC 8866 §5.14)."""

    media: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    ports: int = 1

    @classmethod
    def parse(cls, text: str) -> MediaLine:
        """Read the value of an `m=` line.

        Raises:
            SdpRefused: a field is missing or the port is not a port.

        >>> MediaLine.parse("audio 9 UDP/TLS/RTP/SAVPF 111 0").formats
        ('111', '0')
        """
        fields = text.split()
        if len(fields) < 4:
            raise SdpRefused("m= must have a medium, a port, a protocol and a format")
        port, slash, ports = fields[1].partition("/")
        return cls(
            fields[0].lower(),
            parse_number(port, name="port", high=65535),
            fields[2],
            tuple(fields[3:]),
            parse_number(ports, name="number of ports", low=1, high=65535) if slash else 1,  # RFC 8866 §5.14
        )

    def __str__(self) -> str:
        port = str(self.port) if self.ports == 1 else f"{self.port}/{self.ports}"
        return " ".join((self.media, port, self.protocol, *self.formats))


@dataclass(frozen=True)
class MediaDescription(Section):
    """One m-line with everything that belongs to it; the first of `lines` is the m-line itself."""

    @cached_property
    def media_line(self) -> MediaLine:
        """The `m=` line, read."""
        return MediaLine.parse(self.lines[0].value)

    @property
    def media(self) -> str:
        """`audio`, `video`, `application`, `message` …, in lower case."""
        return self.media_line.media

    @property
    def port(self) -> int:
        """The port on the m-line; 0 means not used, save for a bundle-only offer."""
        return self.media_line.port

    @property
    def protocol(self) -> str:
        """The transport protocol, as written."""
        return self.media_line.protocol

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats: payload types for RTP."""
        return self.media_line.formats

    @property
    def mid(self) -> str | None:
        """The identification tag `a=mid` (RFC 5888 §4)."""
        return self.attribute("mid") or None

    @property
    def bundle_only(self) -> bool:
        """Whether the offerer wants this m-line bundled or not at all (RFC 9143 §6)."""
        return self.has("bundle-only")

    @classmethod
    def of(cls, media_line: MediaLine, *lines: Line) -> MediaDescription:
        """Make an m-line with what belongs to it."""
        return cls((Line("m", str(media_line)), *lines))

    def with_media_line(self, media_line: MediaLine) -> MediaDescription:
        """Return a copy with another `m=` line."""
        return self.with_first("m", str(media_line))


@dataclass(frozen=True)
class SessionDescription(Section):
    r"""A whole description: `lines` are the session's own, `media` the m-lines.

    >>> text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nx=kept\r\n"
    >>> str(SessionDescription.parse(text)) == text
    True
    """

    media: tuple[MediaDescription, ...] = ()

    @classmethod
    def parse(cls, text: bytes | str, *, limits: SdpLimits = DEFAULT_LIMITS) -> SessionDescription:
        """Read a description.

        Lenient where other stacks are known to slip: bare LF, blank lines, lines in a wrong order, NULs at the end.

        Raises:
            SdpRefused: not a description, an `m=` or `o=` line that cannot be read, or beyond `limits`.
        """
        if len(text) > limits.size:
            raise SdpRefused(f"larger than {limits.size} octets", status_hint=488)
        # RFC 8866 §5: UTF-8, but for free text in the charset that `a=charset` names; such octets pass unread.
        decoded = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
        # RFC 8866 §5: a bare LF is read as well. A NUL at the end is that of a C string.
        texts = [line.removesuffix("\r") for line in decoded.rstrip("\0").split("\n")]
        texts = [line for line in texts if line and not line.isspace()]
        if len(texts) > limits.lines:
            raise SdpRefused(f"more than {limits.lines} lines", status_hint=488)
        lines = list(map(_line, texts))
        starts = [position for position, line in enumerate(lines) if line.kind == "m"]
        if len(starts) > limits.media:
            raise SdpRefused(f"more than {limits.media} m-lines", status_hint=488)
        media = tuple(MediaDescription(tuple(lines[a:b])) for a, b in pairwise((*starts, len(lines))))
        description = cls(tuple(lines[: starts[0]] if starts else lines), media)
        # RFC 8866 §5.1, §5.2, §5.14: of all that is required, this is what offer and answer cannot do without.
        if description.first("v") != "0":
            raise SdpRefused("a description starts with v=0")
        if description.first("o") is None:
            raise SdpRefused("a description has an o= line")
        _ = description.origin  # read now, so that a fault shows here
        for section in media:
            _ = section.media_line
        return description

    @cached_property
    def origin(self) -> Origin:
        """The `o=` line, read."""
        return Origin.parse(self.first("o") or "")

    def inherited(self, index: int, name: str) -> str | None:
        """Return the value of an attribute of the m-line at `index`, else of the session's."""
        value = self.media[index].attribute(name)
        # RFC 8866 §5.13: an attribute of the session is the default of every m-line.
        return self.attribute(name) if value is None else value

    def address(self, index: int) -> str:
        """Return the default destination of the m-line at `index`, from its or the session's `c=` line.

        Raises:
            SdpRefused: neither has one.
        """
        value = self.media[index].first("c") or self.first("c")
        # An example of RFC 8873 prints "IN IP6 IP6 2001:db8::1": the last word is the address.
        words = (value or "").split()
        if len(words) < 3:
            raise SdpRefused("no c= line gives an address")
        return words[-1].partition("/")[0]  # RFC 8866 §5.7: a TTL may follow a multicast address

    def direction(self, index: int) -> MediaDirection:
        """Return the direction of the m-line at `index`; sendrecv when nothing is said (RFC 8866 §6.7)."""
        for section in (self.media[index], self):  # the session's is the default
            for direction in MediaDirection:
                if section.has(direction):
                    return direction
        return MediaDirection.SENDRECV

    def with_origin(self, origin: Origin) -> SessionDescription:
        """Return a copy with the `o=` line changed."""
        return self.with_first("o", str(origin))

    def with_media(self, *media: MediaDescription) -> SessionDescription:
        """Return a copy with other m-lines."""
        return replace(self, media=media)

    def __str__(self) -> str:
        sections: tuple[Section, ...] = (self, *self.media)
        return "".join(f"{line}\r\n" for section in sections for line in section.lines)

    def to_bytes(self) -> bytes:
        """Return the text as it goes into a message, octets that were not UTF-8 included."""
        return str(self).encode("utf-8", "surrogateescape")


def _line(text: str) -> Line:
    if text[1:2] != "=" or not (text[0].isascii() and text[0].isalpha()):
        raise SdpRefused("a line is not a letter, an equals sign and a value")
    if "\r" in text or "\0" in text:
        raise SdpRefused("a line holds CR or NUL")
    return Line(text[0], text[2:])
