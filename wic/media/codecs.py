"""Audio codecs that this build can encode and decode, under their SDP names."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Protocol

import av
from av import AudioCodecContext, CodecContext, Packet
from av.codec.codec import UnknownCodecError
from av.error import FFmpegError

from wic.errors import MediaFailed
from wic.media.g711 import A_LAW, MU_LAW, Law
from wic.media.pcm import FRAME_MS, frame_of, samples_of
from wic.sdp.codecs import AUDIO_CODECS

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.sdp.codecs import Codec

OPUS_BIT_RATE = 32000
"""Bits per second: fullband speech by RFC 7587 §3.1.1."""


class Encoder(Protocol):
    """Encoder of PCM frames; its state goes on from one frame to the next."""

    def encode(self, samples: bytes) -> bytes:
        """Encode exactly one frame of 20 ms."""


class Decoder(Protocol):
    """Decoder of payloads; its state goes on from one payload to the next."""

    def decode(self, payload: bytes) -> bytes | None:
        """Decode one payload; None if it is not of this codec."""


@dataclass(frozen=True, slots=True)
class AudioCodec:
    """Encoding of audio, with its encoder and decoder."""

    name: str
    rate: int
    """Samples per second of the PCM on both sides of it."""
    clock_rate: int
    """RTP timestamp units per second."""
    stateless: bool
    """Whether every frame stands alone, so that encoded ones may be played in any order."""
    delay_ms: float
    """Algorithmic delay beyond the frame."""
    encoder: Callable[[], Encoder]
    decoder: Callable[[], Decoder]

    @property
    def frame_octets(self) -> int:
        """Octets of PCM in one frame."""
        return 2 * self.rate * FRAME_MS // 1000

    @property
    def frame_clock(self) -> int:
        """RTP timestamp units in one frame."""
        return self.clock_rate * FRAME_MS // 1000


class _G711:
    """Both directions of G.711, which has no state."""

    def __init__(self, law: Law) -> None:
        self.encode = law.encode
        self._decode = law.decode

    def decode(self, payload: bytes) -> bytes | None:
        return self._decode(payload) if payload else None


class _AvEncoder:
    def __init__(self, name: str, rate: int, *, bit_rate: int = 0, **options: str) -> None:
        context = CodecContext.create(name, "w")
        assert isinstance(context, AudioCodecContext)
        context.format = "s16"
        context.layout = "mono"
        context.sample_rate = rate
        context.time_base = Fraction(1, rate)
        context.options = options
        if bit_rate:  # G.722 has only one
            context.bit_rate = bit_rate
        self._context = context
        self._rate = rate
        self._position = 0

    def encode(self, samples: bytes) -> bytes:
        frame = frame_of(samples, self._rate)
        frame.pts = self._position
        frame.time_base = Fraction(1, self._rate)  # the unit of `pts`
        self._position += frame.samples
        return b"".join(map(bytes, self._context.encode(frame)))


class _AvDecoder:
    def __init__(self, name: str, rate: int) -> None:
        context = CodecContext.create(name, "r")
        assert isinstance(context, AudioCodecContext)
        context.format = "s16"
        context.layout = "mono"
        context.sample_rate = rate
        self._context = context

    def decode(self, payload: bytes) -> bytes | None:
        if not payload:
            return None
        try:
            return b"".join(map(samples_of, self._context.decode(Packet(payload))))
        except FFmpegError:
            return None  # octets of a hostile or broken peer; the jitter buffer conceals them


def _opus_encoder() -> Encoder:
    return _AvEncoder("libopus", 48000, bit_rate=OPUS_BIT_RATE, application="voip", frame_duration=str(FRAME_MS))


_CODECS = {
    "PCMU": AudioCodec("PCMU", 8000, 8000, True, 0.0, lambda: _G711(MU_LAW), lambda: _G711(MU_LAW)),
    "PCMA": AudioCodec("PCMA", 8000, 8000, True, 0.0, lambda: _G711(A_LAW), lambda: _G711(A_LAW)),
    # RFC 3551 §4.5.2: G.722 samples at 16 kHz under a clock of 8 kHz.
    "G722": AudioCodec(
        "G722", 16000, 8000, False, 1.5, lambda: _AvEncoder("g722", 16000), lambda: _AvDecoder("g722", 16000)
    ),
    "OPUS": AudioCodec("opus", 48000, 48000, False, 6.5, _opus_encoder, lambda: _AvDecoder("libopus", 48000)),
}
_NEEDS = {"G722": ("g722",), "OPUS": ("libopus",)}


def audio_codec(codec: Codec) -> AudioCodec:
    """Return the encoding of a description's codec.

    Raises:
        MediaFailed: this build does not have it.
    """
    name = codec.name.upper()
    if name not in _CODECS or not _built_in(name):
        raise MediaFailed(f"the codec {codec.name} is not in this build")
    return _CODECS[name]


def available_codecs() -> tuple[Codec, ...]:
    """Return the codecs to offer, preferred first, with telephone events; what this build lacks is left out."""
    return tuple(codec for codec in AUDIO_CODECS if not codec.carries_media or _built_in(codec.name.upper()))


@cache
def _built_in(name: str) -> bool:
    try:
        for library_name in _NEEDS.get(name, ()):
            av.Codec(library_name, "w")
            av.Codec(library_name, "r")
    except UnknownCodecError:
        return False
    return True
