"""Codecs: the encodings behind payload types, and those that wic supports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wic.sdp.attributes import Fmtp, Rtpmap, parse_number, read_all
from wic.sdp.errors import SdpRefused
from wic.sdp.line import Line, attribute

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wic.sdp.description import MediaDescription

TELEPHONE_EVENT_NAME = "telephone-event"


@dataclass(frozen=True, slots=True)
class Codec:
    """Codec under the payload type that one description gives it."""

    name: str
    payload_type: int
    clock_rate: int
    """RTP timestamp units per second; 8000 for G.722 although it samples at 16 kHz (RFC 3551 §4.5.2)."""
    channels: int = 1
    fmtp: str = ""
    """Parameters as they stand after the payload type in `a=fmtp`."""

    @property
    def carries_media(self) -> bool:
        """Whether it is more than a helper of another codec: telephone events, comfort noise, redundancy."""
        return self.name.lower() not in (TELEPHONE_EVENT_NAME, "cn", "red", "rtx", "ulpfec", "flexfec-03")

    def same_as(self, other: Codec) -> bool:
        """Return whether both are the same encoding, under any payload types."""
        # RFC 8866 §6.6: names of encodings compare in any case.
        same_name = self.name.lower() == other.name.lower()
        return same_name and (self.clock_rate, self.channels) == (other.clock_rate, other.channels)

    def under(self, payload_type: int) -> Codec:
        """Return the same codec under another payload type."""
        return replace(self, payload_type=payload_type)

    def parameter(self, name: str) -> str | None:
        """Return the value of the format parameter `name`, None if it is not there."""
        return Fmtp(self.payload_type, self.fmtp).get(name)


OPUS = Codec("opus", 111, 48000, 2, "minptime=10;useinbandfec=1")  # RFC 7587 §7: always 48000/2
G722 = Codec("G722", 9, 8000)  # static payload types of RFC 3551 §6
PCMU = Codec("PCMU", 0, 8000)
PCMA = Codec("PCMA", 8, 8000)
TELEPHONE_EVENT_48000 = Codec(TELEPHONE_EVENT_NAME, 110, 48000, fmtp="0-16")  # RFC 4733 §2.1: one for each clock rate
TELEPHONE_EVENT = Codec(TELEPHONE_EVENT_NAME, 101, 8000, fmtp="0-16")

AUDIO_CODECS = (OPUS, G722, PCMU, PCMA, TELEPHONE_EVENT_48000, TELEPHONE_EVENT)
"""Default offer of a WIC, preferred first (RFC 7874 §3, TS 26.114 §18)."""

_STATIC = {codec.payload_type: codec for codec in (PCMU, PCMA, G722, Codec("GSM", 3, 8000), Codec("CN", 13, 8000))}
_STATIC[18] = Codec("G729", 18, 8000)


def read_codecs(media: MediaDescription) -> tuple[Codec, ...]:
    """Return the codecs of an RTP m-line in its order; formats that nothing explains are left out.

    So are formats that are no payload types. A malformed `a=rtpmap` or `a=fmtp` is as good as none.
    """
    # Reversed, so that the first of several lines for one payload type counts.
    maps = {entry.payload_type: entry for entry in read_all(Rtpmap.parse, reversed(media.attributes("rtpmap")))}
    parameters = {entry.payload_type: entry.parameters for entry in read_all(Fmtp.parse, media.attributes("fmtp"))}
    codecs = []
    for number in read_all(_payload_type, dict.fromkeys(media.formats)):
        if number in maps:
            entry = maps[number]
            fmtp = parameters.get(number, "")
            codecs.append(Codec(entry.name, number, entry.clock_rate, entry.channels, fmtp))
        elif number in _STATIC:  # RFC 3551 §6: these types mean something without an `a=rtpmap`
            codecs.append(replace(_STATIC[number], fmtp=parameters.get(number, "")))
    return tuple(codecs)


def codec_lines(codecs: Iterable[Codec]) -> tuple[Line, ...]:
    """Write `a=rtpmap` and `a=fmtp` of each codec."""
    lines = []
    for codec in codecs:
        encoding = Rtpmap(codec.payload_type, codec.name, codec.clock_rate, codec.channels)
        lines.append(attribute("rtpmap", str(encoding)))
        if codec.fmtp:
            lines.append(attribute("fmtp", str(Fmtp(codec.payload_type, codec.fmtp))))
    return tuple(lines)


def _payload_type(text: str) -> int:
    if len(text) > 3:
        raise SdpRefused("a format of an RTP m-line is not a payload type")
    return parse_number(text, name="payload type", high=127)
