from __future__ import annotations

import pytest

from wic.sdp.codecs import AUDIO_CODECS, OPUS, PCMA, PCMU, TELEPHONE_EVENT, Codec, codec_lines, read_codecs
from wic.sdp.description import MediaDescription, MediaLine
from wic.sdp.line import attribute


def media(*formats: str, **attributes: str) -> MediaDescription:
    lines = [attribute(name, value) for name, text in attributes.items() for value in text.split("|")]
    return MediaDescription.of(MediaLine("audio", 9, "RTP/AVP", formats), *lines)


def test_written_codecs_are_read_back() -> None:
    formats = tuple(str(codec.payload_type) for codec in AUDIO_CODECS)
    described = MediaDescription.of(MediaLine("audio", 9, "RTP/AVP", formats), *codec_lines(AUDIO_CODECS))
    assert read_codecs(described) == AUDIO_CODECS


def test_static_payload_types_need_no_rtpmap() -> None:
    codecs = read_codecs(media("8", "0", "9", "18", "8", fmtp="18 annexb=no"))
    assert [codec.name for codec in codecs] == ["PCMA", "PCMU", "G722", "G729"]
    assert codecs[3].parameter("annexb") == "no"


def test_a_dynamic_payload_type_may_take_the_place_of_a_static_one() -> None:
    assert read_codecs(media("0", rtpmap="0 opus/48000/2")) == (Codec("opus", 0, 48000, 2),)


def test_formats_that_nothing_explains_are_left_out() -> None:
    assert read_codecs(media("96", "0")) == (PCMU,)


def test_the_first_rtpmap_of_a_payload_type_holds() -> None:
    assert read_codecs(media("96", rtpmap="96 opus/48000/2|96 speex/8000")) == (Codec("opus", 96, 48000, 2),)


@pytest.mark.parametrize("number", ["128", "webrtc-datachannel", "-1", "0000", "²"])
def test_formats_that_are_no_payload_types_are_left_out(number: str) -> None:
    assert read_codecs(media(number)) == ()
    assert read_codecs(media("8", number, "0")) == (PCMA, PCMU)


@pytest.mark.parametrize("line", ["", "99", "99 ", "99 opus", "99 opus/x", "128 opus/48000", "99 /8000", "99 a/1/2/3"])
@pytest.mark.parametrize("name", ["rtpmap", "fmtp"])
def test_a_malformed_line_of_a_codec_costs_itself(name: str, line: str) -> None:
    assert read_codecs(media("0", "8", **{name: line})) == (PCMU, PCMA)
    other = {"rtpmap": "96 opus/48000/2"} if name == "fmtp" else {"fmtp": "96 x=1"}
    read = read_codecs(
        media("99", "96", "0", **{name: f"{line}|{'96 opus/48000/2' if name == 'rtpmap' else '96 x=1'}"}, **other)
    )
    assert [codec for codec in read if codec.payload_type != 99] == [Codec("opus", 96, 48000, 2, "x=1"), PCMU]


def test_codecs_are_the_same_under_any_payload_types() -> None:
    assert Codec("OPUS", 96, 48000, 2).same_as(OPUS)
    assert not Codec("opus", 96, 48000).same_as(OPUS)
    assert PCMU.under(99).payload_type == 99


def test_helpers_carry_no_media() -> None:
    assert [codec.carries_media for codec in (OPUS, PCMA, TELEPHONE_EVENT, Codec("red", 63, 48000, 2))] == [
        True,
        True,
        False,
        False,
    ]
