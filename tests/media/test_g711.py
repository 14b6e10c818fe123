from __future__ import annotations

import struct
from array import array
from fractions import Fraction

import pytest
from av import AudioCodecContext, AudioFrame, CodecContext, Packet

from wic.media.g711 import A_LAW, MU_LAW, Law

LAWS = [(MU_LAW, "pcm_mulaw"), (A_LAW, "pcm_alaw")]


def context(name: str, mode: str) -> AudioCodecContext:
    made = CodecContext.create(name, mode)  # type: ignore[call-overload]
    assert isinstance(made, AudioCodecContext)
    made.format, made.layout, made.sample_rate = "s16", "mono", 8000
    if mode == "w":
        made.time_base = Fraction(1, 8000)
    return made


@pytest.mark.parametrize(("law", "name"), LAWS)
def test_decodes_every_octet_as_ffmpeg_does(law: Law, name: str) -> None:
    (frame,) = context(name, "r").decode(Packet(bytes(range(256))))
    assert law.decode(bytes(range(256))) == bytes(frame.planes[0])[:512]


@pytest.mark.parametrize(("law", "name"), LAWS)
def test_encodes_to_the_nearest_level_as_ffmpeg_does(law: Law, name: str) -> None:
    samples = array("h", range(-32768, 32768, 7))
    frame = AudioFrame(format="s16", layout="mono", samples=len(samples))
    frame.planes[0].update(samples.tobytes().ljust(frame.planes[0].buffer_size, b"\x00"))
    frame.sample_rate = 8000
    (packet,) = context(name, "w").encode(frame)
    ours, theirs = (array("h", law.decode(octets)) for octets in (law.encode(samples.tobytes()), bytes(packet)))
    # FFmpeg rounds to the middle between two levels and G.711 cuts: never more than one step apart.
    for sample, our, their in zip(samples, ours, theirs, strict=True):
        assert abs(our - sample) <= max(abs(their - sample), abs(sample) / 16 + 16)


@pytest.mark.parametrize(("law", "_name"), LAWS)
def test_a_level_survives_the_way_there_and_back(law: Law, _name: str) -> None:
    linear = law.decode(bytes(range(256)))
    assert law.decode(law.encode(linear)) == linear


def test_known_octets() -> None:
    # ITU-T G.711 tables 1a and 2a: zero, and the largest values of both signs.
    assert MU_LAW.encode(struct.pack("<3h", 0, 32767, -32768)) == b"\xff\x80\x00"
    assert A_LAW.encode(struct.pack("<3h", 0, 32767, -32768)) == b"\xd5\xaa\x2a"


def test_an_odd_octet_is_left_out() -> None:
    assert len(MU_LAW.encode(bytes(5))) == 2
