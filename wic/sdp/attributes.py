"""Values of the SDP attributes that wic understands; each `parse` is the inverse of `str`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from wic.sdp.errors import SdpRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_Read = TypeVar("_Read")

_NUMBER = re.compile(r"[0-9]{1,20}", re.ASCII)
_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){0,127}", re.ASCII)
_TLS_ID = re.compile(r"[A-Za-z0-9+/_-]{20,255}", re.ASCII)


def parse_number(text: str, *, name: str, low: int = 0, high: int) -> int:
    """Read a decimal number from `low` to `high`.

    Raises:
        SdpRefused: not a number, or out of range.

    >>> parse_number("5000", name="sctp-port", high=65535)
    5000
    """
    if _NUMBER.fullmatch(text) and low <= int(text) <= high:
        return int(text)
    raise SdpRefused(f"{name} must be a number from {low} to {high}")


def read_all(parse: Callable[[str], _Read], texts: Iterable[str]) -> tuple[_Read, ...]:
    """Read the values that can be read: of several attributes, one that is malformed costs itself.

    >>> read_all(Rtpmap.parse, ["99", "0 PCMU/8000"])
    (Rtpmap(payload_type=0, name='PCMU', clock_rate=8000, channels=1),)
    """
    values = []
    for text in texts:
        try:
            values.append(parse(text))
        except SdpRefused:
            continue
    return tuple(values)


def read_optional(parse: Callable[[str], _Read], text: str | None) -> _Read | None:
    """Read an attribute that the session can do without: a malformed value is as good as none."""
    return next(iter(read_all(parse, () if text is None else (text,))), None)


class MediaDirection(StrEnum):
    """Direction of media, seen from the writer of the description (RFC 8866 §6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """Whether the writer sends."""
        return self in (MediaDirection.SENDRECV, MediaDirection.SENDONLY)

    @property
    def receives(self) -> bool:
        """Whether the writer receives."""
        return self in (MediaDirection.SENDRECV, MediaDirection.RECVONLY)

    @property
    def reversed(self) -> MediaDirection:
        """The same flow seen from the other side.

        >>> MediaDirection.SENDONLY.reversed
        <MediaDirection.RECVONLY: 'recvonly'>
        """
        return MediaDirection.of(sends=self.receives, receives=self.sends)

    @classmethod
    def of(cls, *, sends: bool, receives: bool) -> MediaDirection:
        """Name the direction in which the writer sends and receives as told."""
        if sends:
            return cls.SENDRECV if receives else cls.SENDONLY
        return cls.RECVONLY if receives else cls.INACTIVE


class Setup(StrEnum):
    """Role in the DTLS handshake: the active side starts it (RFC 4145 §4, RFC 5763 §5)."""

    ACTPASS = "actpass"
    ACTIVE = "active"
    PASSIVE = "passive"
    HOLDCONN = "holdconn"

    @classmethod
    def parse(cls, text: str) -> Setup:
        """Read the value of `a=setup`.

        Raises:
            SdpRefused: not one of the four roles.
        """
        try:
            return cls(text.strip().lower())
        except ValueError:
            raise SdpRefused("a=setup names no role") from None


class ThreeGe2ae(StrEnum):
    """End-to-access-edge protection, `a=3ge2ae` (TS 24.229 §7.5.2)."""

    REQUESTED = "requested"
    APPLIED = "applied"

    @classmethod
    def parse(cls, text: str) -> ThreeGe2ae | None:
        """Read the indicator; TS 24.229 §7.5.2 has other tokens ignored, so they are None."""
        # A token of another value may come with a later release, and must not end the call.
        folded = text.strip().lower()
        return cls(folded) if folded in ("requested", "applied") else None


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Hash of a certificate, `a=fingerprint` (RFC 8122 §5)."""

    algorithm: str
    """Name of the hash function in lower case, e.g. `sha-256`."""
    value: str
    """Upper-case hexadecimal octets joined by colons."""

    def __post_init__(self) -> None:
        # RFC 8122 §5: the name of the hash compares in any case, and the octets are the same in either; values are
        # compared here as they are, so they are folded once.
        object.__setattr__(self, "algorithm", self.algorithm.lower())
        object.__setattr__(self, "value", self.value.upper())

    @classmethod
    def parse(cls, text: str) -> Fingerprint:
        """Read the value of `a=fingerprint`.

        Raises:
            SdpRefused: not a hash function and octets.

        >>> str(Fingerprint.parse("SHA-256 0a:ff"))
        'sha-256 0A:FF'
        """
        fields = text.split()
        if len(fields) != 2 or not _FINGERPRINT.fullmatch(fields[1]):
            raise SdpRefused("a=fingerprint is not a hash function and its octets")
        return cls(fields[0], fields[1])

    def __str__(self) -> str:
        return f"{self.algorithm} {self.value}"


@dataclass(frozen=True, slots=True)
class Rtpmap:
    """Name, clock and channels behind a payload type, `a=rtpmap` (RFC 8866 §6.6)."""

    payload_type: int
    name: str
    clock_rate: int
    channels: int = 1

    @classmethod
    def parse(cls, text: str) -> Rtpmap:
        """Read the value of `a=rtpmap`.

        Raises:
            SdpRefused: payload type, name or clock rate missing or out of range.

        >>> Rtpmap.parse("111 opus/48000/2").channels
        2
        """
        number, _, encoding = text.strip().partition(" ")
        # RFC 8866 §6.6: the third part is the number of channels for audio, and 1 if it is left out.
        parts = encoding.strip().split("/")
        if len(parts) not in (2, 3) or not parts[0]:
            raise SdpRefused("a=rtpmap is not a payload type and an encoding")
        return cls(
            parse_number(number, name="payload type", high=127),
            parts[0],
            parse_number(parts[1], name="clock rate", low=1, high=2**31 - 1),
            parse_number(parts[2], name="channels", low=1, high=255) if len(parts) == 3 else 1,
        )

    def __str__(self) -> str:
        suffix = f"/{self.channels}" if self.channels != 1 else ""
        return f"{self.payload_type} {self.name}/{self.clock_rate}{suffix}"


@dataclass(frozen=True, slots=True)
class Fmtp:
    """Parameters of a format, `a=fmtp` (RFC 8866 §6.15); `parameters` is kept as written."""

    payload_type: int
    parameters: str

    @classmethod
    def parse(cls, text: str) -> Fmtp:
        """Read the value of `a=fmtp`.

        Raises:
            SdpRefused: no payload type in front.
        """
        number, _, parameters = text.strip().partition(" ")
        return cls(parse_number(number, name="payload type", high=127), parameters.strip())

    def get(self, name: str) -> str | None:
        """Return the value of the parameter called `name`, "" for one without a value, None for none.

        >>> Fmtp(111, "minptime=10; useinbandfec=1").get("useinbandfec")
        '1'
        """
        for parameter in self.parameters.split(";"):
            key, _, value = parameter.strip().partition("=")
            if key.lower() == name.lower():  # names of media type parameters compare in any case (RFC 2045 §5.1)
                return value
        return None

    def __str__(self) -> str:
        return f"{self.payload_type} {self.parameters}"


@dataclass(frozen=True, slots=True)
class RtcpAddress:
    """Destination of RTCP where it is not the port after RTP, `a=rtcp` (RFC 3605 §2.1)."""

    port: int
    address: str | None = None

    @classmethod
    def parse(cls, text: str) -> RtcpAddress:
        """Read the value of `a=rtcp`.

        Raises:
            SdpRefused: no port in front.
        """
        # RFC 3605 §2.1: "53020", or "53020 IN IP4 126.16.64.4".
        fields = text.split()
        port = parse_number(fields[0] if fields else "", name="rtcp port", high=65535)
        return cls(port, fields[3] if len(fields) == 4 else None)

    def __str__(self) -> str:
        if self.address is None:
            return str(self.port)
        return f"{self.port} IN {address_type(self.address)} {self.address}"


def address_type(address: str) -> str:
    """Name the type of an IP address as `o=`, `c=` and `a=rtcp` do.

    >>> address_type("2001:db8::1")
    'IP6'
    """
    return "IP6" if ":" in address else "IP4"


def parse_tls_id(text: str) -> str:
    """Read the value of `a=tls-id` (RFC 8842 §4).

    Raises:
        SdpRefused: shorter than 20 or longer than 255 characters, or other characters.
    """
    if not _TLS_ID.fullmatch(text.strip()):
        raise SdpRefused("a=tls-id is not 20 to 255 characters of its alphabet")
    return text.strip()
