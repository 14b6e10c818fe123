from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from wic.sdp.attributes import MediaDirection, Setup
from wic.sdp.codecs import AUDIO_CODECS, OPUS, PCMA, TELEPHONE_EVENT
from wic.sdp.description import Origin, SessionDescription
from wic.sdp.errors import NoCommonCodec, OfferNotAcceptable, SdpRefused
from wic.sdp.negotiation import agreed_codecs, check_answer, common_codecs, dtls_role
from wic.sdp.profile import MediaAnswer, MediaOffer, build_answer, build_offer, plan_answer, read_remote
from wic.sdp.transport import TransportDescription

if TYPE_CHECKING:
    from collections.abc import Callable

ORIGIN = Origin("-", 7, 1, "192.0.2.1")
HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
FINGERPRINT = "a=fingerprint:sha-256 AB:CD\r\n"


@pytest.fixture
def offer(transport: TransportDescription, data_transport: TransportDescription) -> SessionDescription:
    return build_offer(
        ORIGIN,
        [
            MediaOffer(media="audio", transport=transport, codecs=AUDIO_CODECS),
            MediaOffer(media="application", transport=data_transport),
        ],
    )


def text_of(*media: str) -> SessionDescription:
    return SessionDescription.parse(HEAD + "".join(f"m={line}\r\n" for line in media))


def test_an_offer_obeys_ts_24_371(offer: SessionDescription) -> None:
    """§7.2.2 a), c); §8.2.2; §7.4.2 has no use for BUNDLE."""
    audio, data = offer.media
    assert audio.protocol == "UDP/TLS/RTP/SAVPF"
    assert audio.attribute("3ge2ae") == "requested"
    assert audio.has("rtcp-mux")
    assert audio.attribute("setup") == data.attribute("setup") == "actpass"
    assert (data.media, data.protocol, data.formats) == ("application", "UDP/DTLS/SCTP", ("webrtc-datachannel",))
    assert (data.attribute("sctp-port"), data.attribute("max-message-size")) == ("5000", "262144")
    assert data.attribute("tls-id") == "a" * 20
    assert not data.has("3ge2ae")
    assert not offer.has("group")
    assert [media.mid for media in offer.media] == ["0", "1"]


def test_an_offer_is_read_back(offer: SessionDescription, transport: TransportDescription) -> None:
    audio, data = (read_remote(offer, index) for index in (0, 1))
    assert audio is not None
    assert data is not None
    assert (audio.transport, audio.codecs, audio.direction) == (transport, AUDIO_CODECS, MediaDirection.SENDRECV)
    assert (data.codecs, data.transport.sctp_port) == ((), 5000)


def test_plain_rtp_is_offered_without_a_fingerprint() -> None:
    plain = TransportDescription(address="192.0.2.1", port=4000, rtcp_mux=False)
    offer = build_offer(
        ORIGIN, [MediaOffer(media="audio", transport=plain, codecs=(PCMA,), direction=MediaDirection.SENDONLY)]
    )
    media = offer.media[0]
    assert (media.protocol, media.formats, media.has("3ge2ae"), media.has("setup")) == ("RTP/AVP", ("8",), False, False)
    assert offer.direction(0) is MediaDirection.SENDONLY


def test_answering_our_own_offer(
    offer: SessionDescription, transport: TransportDescription, data_transport: TransportDescription
) -> None:
    plans = plan_answer(offer)
    assert [plan.setup for plan in plans if plan] == [Setup.ACTIVE, Setup.ACTIVE]
    choices = [
        MediaAnswer(transport=replace(transport, port=7000), codecs=plan.codecs, direction=plan.direction)
        for plan in plans[:1]
        if plan
    ]
    answer = build_answer(offer, ORIGIN, [*choices, MediaAnswer(transport=data_transport)])
    check_answer(offer, answer)
    audio, data = answer.media
    assert (audio.port, audio.attribute("setup"), audio.has("3ge2ae")) == (7000, "active", False)
    assert (data.protocol, data.attribute("setup"), data.attribute("tls-id")) == ("UDP/DTLS/SCTP", "active", "a" * 20)
    assert dtls_role(local=Setup.ACTPASS, remote=Setup.ACTIVE) is Setup.PASSIVE


def test_answering_a_browser(vector: Callable[[str], bytes], transport: TransportDescription) -> None:
    """A bundled offer gets no group back, and its bundle-only line port 0 (TS 24.371 §7.4.2, RFC 9143 §6)."""
    offer = SessionDescription.parse(vector("chromium_offer.sdp"))
    audio, video, data = plan_answer(offer, supported={"audio": AUDIO_CODECS, "video": ()})
    assert audio is not None
    assert video is None
    assert data is not None
    assert [(codec.name, codec.payload_type) for codec in audio.codecs] == [
        ("opus", 111),
        ("G722", 9),
        ("PCMU", 0),
        ("PCMA", 8),
        ("telephone-event", 110),
        ("telephone-event", 126),
    ]
    media = MediaAnswer(transport=replace(transport, tls_id="b" * 20), codecs=(OPUS,))
    answer = build_answer(offer, ORIGIN, [media, media, None])
    assert not answer.has("group")
    assert [(each.port, each.mid) for each in answer.media] == [(5000, "0"), (0, "1"), (0, "2")]
    assert not answer.media[0].has("tls-id")  # RFC 8842 §5.3: the offer had none
    assert answer.media[0].has("rtcp-mux")


def test_reading_the_answer_of_a_browser(offer: SessionDescription, vector: Callable[[str], bytes]) -> None:
    answer = SessionDescription.parse(vector("chromium_answer.sdp"))
    check_answer(offer, answer)
    audio, data = (read_remote(answer, index, answer=True) for index in (0, 1))
    assert audio is not None
    assert data is not None
    assert [codec.name for codec in agreed_codecs(AUDIO_CODECS, audio.codecs)][:2] == ["opus", "G722"]
    assert dtls_role(local=Setup.ACTPASS, remote=audio.transport.setup) is Setup.PASSIVE
    assert audio.transport.ice_ufrag != data.transport.ice_ufrag  # no BUNDLE: a transport for each m-line
    assert data.transport.sctp_port == 5000


def test_the_answer_multiplexes_rtcp_only_if_offered(transport: TransportDescription) -> None:
    plain = TransportDescription(address="192.0.2.1", port=4000)
    for line, own in (("audio 1 RTP/AVP 8\r\na=mid:x", plain), ("audio 1 RTP/SAVPF 8\r\n" + FINGERPRINT, transport)):
        offer = text_of(line.removesuffix("\r\n"))
        answer = build_answer(offer, ORIGIN, [MediaAnswer(transport=own, codecs=(PCMA,))])
        assert not answer.media[0].has("rtcp-mux")
    assert answer.media[0].attribute("setup") == "passive"  # no setup in the offer means active (RFC 4145 §4.1)


def test_a_role_that_was_chosen_stays(transport: TransportDescription) -> None:
    offer = text_of("audio 1 UDP/TLS/RTP/SAVPF 8\r\na=setup:actpass\r\n" + FINGERPRINT.strip())
    own = replace(transport, setup=Setup.PASSIVE)
    answer = build_answer(offer, ORIGIN, [MediaAnswer(transport=own, codecs=(PCMA,))])
    assert answer.media[0].attribute("setup") == "passive"


def test_plain_rtp_is_read_but_not_accepted(vector: Callable[[str], bytes]) -> None:
    offer = SessionDescription.parse(vector("sipp_offer.sdp"))
    remote = read_remote(offer, 0)
    assert remote is not None
    assert common_codecs(remote.codecs, AUDIO_CODECS) == (PCMA, TELEPHONE_EVENT)
    assert (remote.transport.address, remote.transport.port) == ("198.51.100.5", 6000)
    with pytest.raises(OfferNotAcceptable, match="no m-line"):
        plan_answer(offer)


def test_lines_that_cannot_be_accepted_do_not_spoil_the_others() -> None:
    offer = text_of(
        "audio 1 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 EVS/16000\r\n" + FINGERPRINT.strip(),
        "audio 1 UDP/TLS/RTP/SAVPF 0\r\na=sendonly\r\n" + FINGERPRINT.strip(),
        "audio 1 RTP/AVP 0",
        "image 1 udptl t38",
    )
    plans = plan_answer(offer)
    assert [None if plan is None else (plan.index, plan.direction) for plan in plans] == [
        None,
        (1, MediaDirection.RECVONLY),
        None,
        None,
    ]


def test_no_common_codec_is_named() -> None:
    with pytest.raises(NoCommonCodec, match="EVS"):
        plan_answer(text_of("audio 1 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 EVS/16000\r\n" + FINGERPRINT.strip()))


def test_a_held_dtls_connection_is_not_acceptable() -> None:
    with pytest.raises(OfferNotAcceptable, match="holds"):
        plan_answer(text_of("audio 1 UDP/TLS/RTP/SAVPF 8\r\na=setup:holdconn\r\n" + FINGERPRINT.strip()))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("audio 1 UDP/TLS/RTP/SAVPF 8", "fingerprint"),
        ("application 1 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000", "fingerprint"),
        ("application 1 UDP/DTLS/SCTP webrtc-datachannel\r\na=setup:active\r\n" + FINGERPRINT.strip(), "sctp-port"),
    ],
)
def test_lines_that_lack_what_they_need_are_refused(line: str, reason: str) -> None:
    with pytest.raises(SdpRefused, match=reason) as refused:
        read_remote(text_of(line), 0)
    assert refused.value.status_hint == 488


@pytest.mark.parametrize(
    "line",
    [
        "audio 0 RTP/AVP 0",
        "audio 1 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
        "application 1 UDP/DTLS/SCTP other",
        "application 1 TCP/BFCP *",
    ],
)
def test_lines_that_are_not_used_or_not_known_read_as_nothing(line: str) -> None:
    assert read_remote(text_of(line), 0) is None


def test_the_protocol_of_the_offer_is_that_of_the_answer(data_transport: TransportDescription) -> None:
    offer = text_of("application 9 TCP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000\r\n" + FINGERPRINT.strip())
    answer = build_answer(offer, ORIGIN, [MediaAnswer(transport=data_transport)])
    assert answer.media[0].protocol == "TCP/DTLS/SCTP"
