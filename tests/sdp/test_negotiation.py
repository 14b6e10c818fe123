from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.sdp.attributes import MediaDirection, Setup
from wic.sdp.codecs import AUDIO_CODECS, OPUS, PCMA, PCMU, TELEPHONE_EVENT, TELEPHONE_EVENT_48000, Codec
from wic.sdp.description import MediaDescription, SessionDescription
from wic.sdp.errors import AnswerNotValid, NoCommonCodec, OfferNotAcceptable, SdpRefused
from wic.sdp.line import Line
from wic.sdp.negotiation import (
    agreed_codecs,
    answer_direction,
    answer_setup,
    check_answer,
    check_reoffer,
    common_codecs,
    continued,
    dtls_role,
    rejected,
)

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"


def described(*media: str) -> SessionDescription:
    return SessionDescription.parse(HEAD + "".join(f"m={line}\r\n" for line in media))


def test_the_answer_keeps_order_and_payload_types_of_the_offer() -> None:
    offered = [PCMA, TELEPHONE_EVENT.under(126), Codec("OPUS", 96, 48000, 2, "stereo=1"), Codec("G729", 18, 8000)]
    assert common_codecs(offered, AUDIO_CODECS) == (PCMA, TELEPHONE_EVENT.under(126), OPUS.under(96))


def test_telephone_events_stay_only_with_a_codec_of_their_clock() -> None:
    offered = [OPUS, TELEPHONE_EVENT, TELEPHONE_EVENT_48000]
    assert common_codecs(offered, AUDIO_CODECS) == (OPUS, TELEPHONE_EVENT_48000)


@pytest.mark.parametrize("offered", [[], [TELEPHONE_EVENT], [Codec("EVS", 96, 16000), TELEPHONE_EVENT]])
def test_no_common_codec_is_a_488(offered: list[Codec]) -> None:
    with pytest.raises(NoCommonCodec) as failed:
        common_codecs(offered, AUDIO_CODECS)
    assert failed.value.status_hint == 488


def test_the_offerer_takes_what_it_offered() -> None:
    strange = Codec("speex", 97, 16000)
    assert agreed_codecs([OPUS, PCMU], [strange, PCMU.under(99)]) == (PCMU.under(99),)
    with pytest.raises(NoCommonCodec, match="speex"):
        agreed_codecs([OPUS], [strange])


@given(st.sampled_from(MediaDirection), st.sampled_from(MediaDirection))
def test_an_answer_never_does_more_than_offered(offered: MediaDirection, wanted: MediaDirection) -> None:
    answer = answer_direction(offered, wanted)
    assert not answer.sends or (offered.receives and wanted.sends)
    assert not answer.receives or (offered.sends and wanted.receives)


def test_dtls_roles() -> None:
    assert [answer_setup(Setup(offered)) for offered in ("actpass", "passive", "active")] == [
        Setup.ACTIVE,
        Setup.ACTIVE,
        Setup.PASSIVE,
    ]
    with pytest.raises(OfferNotAcceptable):
        answer_setup(Setup.HOLDCONN)


@pytest.mark.parametrize(
    ("local", "remote", "role"),
    [
        ("actpass", "active", "passive"),
        ("actpass", "passive", "active"),
        ("active", "actpass", "active"),
        ("active", "passive", "active"),
        ("passive", "active", "passive"),
        ("passive", "actpass", "passive"),
    ],
)
def test_role_after_offer_and_answer(local: str, remote: str, role: str) -> None:
    assert dtls_role(local=Setup(local), remote=Setup(remote)) == role


@pytest.mark.parametrize(("local", "remote"), [("actpass", "actpass"), ("active", "active"), ("passive", "holdconn")])
def test_roles_that_do_not_fit_together(local: str, remote: str) -> None:
    with pytest.raises(AnswerNotValid):
        dtls_role(local=Setup(local), remote=Setup(remote))


def test_a_rejected_line_keeps_its_formats_and_its_tag() -> None:
    media = described("video 5000/2 RTP/AVP 31 34\r\na=mid:v\r\na=rtpmap:31 H261/90000").media[0]
    assert [str(line) for line in rejected(media).lines] == ["m=video 0 RTP/AVP 31 34", "c=IN IP4 0.0.0.0", "a=mid:v"]
    assert len(rejected(described("audio 1 RTP/AVP 0").media[0]).lines) == 2


def test_an_answer_that_fits() -> None:
    offer = described(
        "audio 1 UDP/TLS/RTP/SAVPF 0", "video 0 UDP/TLS/RTP/SAVPF 96\r\na=bundle-only", "image 1 udptl t38"
    )
    lines = ["audio 9 RTP/SAVPF 0", "video 3 UDP/TLS/RTP/SAVPF 96", "image 0 udptl t38"]
    check_answer(offer, described(*lines))
    for index, line in enumerate(lines):
        with pytest.raises(AnswerNotValid):
            check_answer(
                offer, described(*[*lines[:index], line.replace(line.split()[0], "text"), *lines[index + 1 :]])
            )


@pytest.mark.parametrize(
    "answer",
    [
        (),
        ("video 1 UDP/TLS/RTP/SAVPF 0", "audio 0 RTP/AVP 0"),
        ("audio 1 UDP/TLS/RTP/SAVPF 0", "audio 1 RTP/AVP 0"),
        ("audio 1 RTP/AVP 0", "audio 0 RTP/AVP 0"),
    ],
)
def test_answers_that_do_not_fit(answer: tuple[str, ...]) -> None:
    with pytest.raises(AnswerNotValid):
        check_answer(described("audio 1 UDP/TLS/RTP/SAVPF 0", "audio 0 RTP/AVP 0"), described(*answer))


def test_later_offers_keep_the_lines() -> None:
    before = described("audio 1 RTP/AVP 0", "video 0 RTP/AVP 31")
    check_reoffer(
        before, described("audio 0 RTP/AVP 0", "application 1 UDP/DTLS/SCTP webrtc-datachannel", "video 1 x 1")
    )
    for after in (described("audio 1 RTP/AVP 0"), described("video 1 RTP/AVP 31", "video 0 RTP/AVP 31")):
        with pytest.raises(SdpRefused) as refused:
            check_reoffer(before, after)
        assert refused.value.status_hint == 488


def test_the_version_rises_with_a_change_only() -> None:
    first = described("audio 1 RTP/AVP 0")
    assert continued(None, first) is first
    other = SessionDescription.parse(str(first).replace("o=- 1 1 IN IP4 192.0.2.1", "o=- 8 8 IN IP4 192.0.2.9"))
    assert continued(first, other) == first
    held = first.with_media(MediaDescription((*first.media[0].lines, Line("a", "sendonly"))))
    assert continued(first, held).origin == first.origin.next()
