from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from wic.sdp.attributes import MediaDirection
from wic.sdp.codecs import AUDIO_CODECS, PCMA
from wic.sdp.description import Origin, SessionDescription
from wic.sdp.errors import AnswerNotValid, SdpRefused
from wic.sdp.gateway import MsrpPlace, RtpPlace, read_msrp, to_mw_answer, to_mw_offer, to_wic_answer, to_wic_offer
from wic.sdp.line_map import LineMap, Side, map_offer
from wic.sdp.negotiation import check_answer, continued
from wic.sdp.profile import MediaAnswer, MediaOffer, build_answer, build_offer, plan_answer, read_remote

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.sdp.transport import TransportDescription

AGW = Origin("-", 100, 1, "198.51.100.1")
WIC = Origin("-", 1, 1, "192.0.2.1")
RTP = RtpPlace(address="198.51.100.1", port=4000, rtcp_port=4009)
MSRP = MsrpPlace(address="198.51.100.1", port=4002, path="msrp://198.51.100.1:4002/s;tcp")
ACCESS = (
    "fingerprint",
    "setup",
    "tls-id",
    "ice-ufrag",
    "ice-pwd",
    "candidate",
    "3ge2ae",
    "bundle-only",
    "msid",
    "ssrc",
)
HEAD = "v=0\r\no=core 5 5 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\n"


def described(*media: str) -> SessionDescription:
    return SessionDescription.parse(HEAD + "".join(f"m={line}\r\n" for line in media))


@pytest.fixture
def browser(vector: Callable[[str], bytes]) -> SessionDescription:
    return SessionDescription.parse(vector("chromium_offer.sdp"))


@pytest.fixture
def lines(browser: SessionDescription) -> LineMap:
    return map_offer(browser, Side.WIC)


def test_an_offer_of_the_wic_on_mw(browser: SessionDescription, lines: LineMap) -> None:
    """TS 24.371 §7.4.2, §8.4.2."""
    offer = to_mw_offer(browser, lines, {0: RTP, 2: MSRP}, AGW)
    assert str(offer.origin) == "- 100 1 IN IP4 198.51.100.1"
    assert not offer.has("group")
    text = str(offer)
    assert "192.0.2.33" not in text
    assert "203.0.113.7" not in text
    audio, message = offer.media
    assert not [name for name in ACCESS for media in offer.media if media.has(name) or offer.has(name)]
    assert (audio.media, audio.port, audio.protocol) == ("audio", 4000, "RTP/AVP")
    assert audio.formats == browser.media[0].formats  # §5C.4: codecs are kept
    assert audio.attributes("rtpmap") == browser.media[0].attributes("rtpmap")
    assert audio.attribute("rtcp") == "4009 IN IP4 198.51.100.1"
    assert (offer.address(0), offer.direction(0)) == ("198.51.100.1", MediaDirection.SENDRECV)
    assert str(message.media_line) == "message 4002 TCP/MSRP *"
    assert (message.attribute("path"), message.attribute("accept-types")) == (MSRP.path, "*")


def test_the_answer_of_the_core_on_w2(
    browser: SessionDescription,
    lines: LineMap,
    transport: TransportDescription,
    data_transport: TransportDescription,
) -> None:
    """TS 24.371 §7.4.2: bundle-only lines come back at their index with port 0; §8.4.2."""
    answer = described(
        "audio 6000 RTP/AVP 8 101\r\ni=speech\r\nb=AS:64\r\na=sendonly\r\na=ptime:20",
        "message 7000 TCP/MSRP *\r\na=path:msrp://203.0.113.1:7000/x;tcp",
    )
    result = to_wic_answer(browser, answer, lines, {0: transport, 2: data_transport}, AGW)
    check_answer(browser, result)
    assert not result.has("group")
    audio, video, data = result.media
    assert (audio.port, audio.protocol, audio.formats) == (5000, "UDP/TLS/RTP/SAVPF", ("8", "101"))
    assert [audio.first("i"), audio.first("b"), audio.attribute("ptime")] == ["speech", "AS:64", "20"]
    assert (result.direction(0), result.address(0)) == (MediaDirection.SENDONLY, "192.0.2.1")
    assert (audio.attribute("setup"), audio.has("rtcp-mux"), audio.mid) == ("active", True, "0")
    assert audio.attribute("fingerprint") == str(transport.fingerprints[0])
    assert (video.media, video.port, video.mid) == ("video", 0, "1")
    assert (data.protocol, data.port, data.mid) == ("UDP/DTLS/SCTP", 5002, "2")
    assert (data.attribute("sctp-port"), data.has("tls-id")) == ("5000", False)
    assert "203.0.113.1" not in str(result)
    kinds = [line.kind for line in audio.lines]
    assert kinds[:4] == ["m", "i", "c", "b"]  # RFC 8866 §9 has them in this order


def test_a_line_that_core_or_gateway_refuses_is_answered_with_port_0(
    browser: SessionDescription, lines: LineMap, transport: TransportDescription
) -> None:
    answer = described("audio 0 RTP/AVP 8", "message 7000 TCP/MSRP *")
    assert [media.port for media in to_wic_answer(browser, answer, lines, {0: transport}, AGW).media] == [0, 0, 0]


def test_an_answer_with_other_lines_is_not_valid(browser: SessionDescription, lines: LineMap) -> None:
    with pytest.raises(AnswerNotValid, match="2 m-lines were offered, 1 answered"):
        to_wic_answer(browser, described("audio 1 RTP/AVP 8"), lines, {}, AGW)
    with pytest.raises(AnswerNotValid, match="3 m-lines were offered, 1 answered"):
        to_mw_answer(browser, described("audio 1 RTP/AVP 8"), lines, {}, AGW)


def test_lines_without_a_place_go_out_unused(browser: SessionDescription, lines: LineMap) -> None:
    offer = to_mw_offer(browser, lines, {}, AGW)
    assert [str(media.media_line) for media in offer.media] == [
        "audio 0 RTP/AVP 111 63 9 0 8 13 110 126",
        "message 0 TCP/MSRP *",
    ]


def test_an_offer_of_the_core_on_w2(transport: TransportDescription, data_transport: TransportDescription) -> None:
    """TS 24.371 §7.4.3, §8.4.3 with `a=sctp-port` in the offer."""
    offer = described(
        "image 9 udptl t38",
        "audio 6000 RTP/AVP 97 8\r\na=rtpmap:97 AMR-WB/16000\r\na=fmtp:97 mode-set=0,2\r\na=rtcp:6009\r\na=recvonly",
        "message 7000 TCP/MSRP *\r\na=path:msrp://203.0.113.1:7000/x;tcp",
    )
    lines = map_offer(offer, Side.MW)
    result = to_wic_offer(offer, lines, {0: transport, 1: data_transport}, AGW)
    audio, data = result.media
    assert (audio.protocol, audio.formats, audio.attribute("3ge2ae")) == ("UDP/TLS/RTP/SAVPF", ("97", "8"), "applied")
    assert (audio.attribute("fmtp"), result.direction(0)) == ("97 mode-set=0,2", MediaDirection.RECVONLY)
    assert (audio.attribute("setup"), audio.has("rtcp-mux"), audio.has("rtcp"), audio.mid) == (
        "actpass",
        True,
        False,
        "0",
    )
    assert (data.attribute("sctp-port"), data.attribute("tls-id"), data.has("3ge2ae")) == ("5000", "a" * 20, False)
    assert not data.has("path")
    assert [media.port for media in to_wic_offer(offer, lines, {}, AGW).media] == [0, 0]


def test_the_answer_of_the_wic_on_mw(transport: TransportDescription, data_transport: TransportDescription) -> None:
    offer = described(
        "image 9 udptl t38", "audio 6000 RTP/AVP 8\r\na=mid:core", "message 7000 TCP/MSRP *", "audio 0 RTP/AVP 0"
    )
    lines = map_offer(offer, Side.MW)
    on_w2 = to_wic_offer(offer, lines, {0: transport, 1: data_transport, 2: transport}, AGW)
    plans = plan_answer(on_w2)
    assert plans[2] is None
    choices = [MediaAnswer(transport=transport, codecs=(PCMA,)), MediaAnswer(transport=data_transport), None]
    answer = build_answer(on_w2, WIC, choices)
    result = to_mw_answer(offer, answer, lines, {0: RTP, 1: MSRP}, AGW)
    check_answer(offer, result)
    assert [str(media.media_line) for media in result.media] == [
        "image 0 udptl t38",
        "audio 4000 RTP/AVP 8",
        "message 4002 TCP/MSRP *",
        "audio 0 RTP/AVP 0",
    ]
    assert result.media[1].mid == "core"
    assert "192.0.2.1" not in str(result)
    assert not any(media.has("fingerprint") for media in result.media)
    assert [media.port for media in to_mw_answer(offer, answer, lines, {}, AGW).media] == [0, 0, 0, 0]


def test_the_protocol_of_the_core_is_that_of_the_answer(transport: TransportDescription) -> None:
    offer = described("audio 6000 RTP/AVPF 8")
    lines = map_offer(offer, Side.MW)
    on_w2 = to_wic_offer(offer, lines, {0: transport}, AGW)
    answer = build_answer(on_w2, WIC, [MediaAnswer(transport=transport, codecs=(PCMA,))])
    assert to_mw_answer(offer, answer, lines, {0: RTP}, AGW).media[0].protocol == "RTP/AVPF"


def test_two_gateways_between_two_wics(transport: TransportDescription, data_transport: TransportDescription) -> None:
    offer = build_offer(
        WIC,
        [
            MediaOffer(media="audio", transport=transport, codecs=AUDIO_CODECS, direction=MediaDirection.SENDONLY),
            MediaOffer(media="application", transport=data_transport),
        ],
    )
    first = map_offer(offer, Side.WIC)
    on_mw = to_mw_offer(offer, first, {0: RTP, 1: MSRP}, AGW)
    second = map_offer(on_mw, Side.MW)
    arrived = to_wic_offer(on_mw, second, {0: transport, 1: data_transport}, AGW)
    plan = plan_answer(arrived)[0]
    assert plan is not None
    assert (plan.codecs, plan.direction) == (AUDIO_CODECS, MediaDirection.RECVONLY)
    choices = [
        MediaAnswer(transport=transport, codecs=plan.codecs[:1], direction=plan.direction),
        MediaAnswer(transport=data_transport),
    ]
    answered = to_mw_answer(on_mw, build_answer(arrived, WIC, choices), second, {0: RTP, 1: MSRP}, AGW)
    back = to_wic_answer(offer, answered, first, {0: transport, 1: data_transport}, AGW)
    audio, data = (read_remote(back, index) for index in (0, 1))
    assert audio is not None
    assert data is not None
    assert (audio.codecs, audio.direction) == (AUDIO_CODECS[:1], MediaDirection.RECVONLY)
    assert data.transport.sctp_port == 5000


def test_later_offers_keep_indices_and_raise_the_version(
    browser: SessionDescription, lines: LineMap, transport: TransportDescription
) -> None:
    """Hold by the WIC, then a line from the core, then the WIC again without data channels."""
    places = {0: RTP, 2: MSRP}
    first = to_mw_offer(browser, lines, places, AGW)
    assert continued(first, to_mw_offer(browser, map_offer(browser, Side.WIC, lines), places, AGW)) == first
    held = SessionDescription.parse(str(browser).replace("a=sendrecv", "a=sendonly"))
    second = continued(first, to_mw_offer(held, map_offer(held, Side.WIC, lines), places, AGW))
    assert (second.origin.version, second.direction(0)) == (2, MediaDirection.SENDONLY)

    core = described("audio 6000 RTP/AVP 8", "message 0 TCP/MSRP *", "image 9 udptl t38", "video 6002 RTP/AVP 31")
    grown = map_offer(core, Side.MW, lines)
    video = replace(transport, port=5010)
    on_w2 = to_wic_offer(core, grown, {0: transport, 3: video}, AGW)
    assert [(media.media, media.port, media.protocol, media.mid) for media in on_w2.media] == [
        ("audio", 5000, "UDP/TLS/RTP/SAVPF", "0"),
        ("video", 0, "UDP/TLS/RTP/SAVPF", "1"),
        ("application", 0, "UDP/DTLS/SCTP", "2"),
        ("video", 5010, "UDP/TLS/RTP/SAVPF", "3"),
    ]
    third = to_mw_offer(browser, map_offer(browser, Side.WIC, grown), places, AGW)
    assert [str(media.media_line) for media in third.media] == [
        "audio 4000 RTP/AVP 111 63 9 0 8 13 110 126",
        "message 4002 TCP/MSRP *",
        "image 0 udptl t38",
        "video 0 RTP/AVP 31",
    ]


def test_other_groups_than_bundle_stay(browser: SessionDescription) -> None:
    offer = SessionDescription.parse(
        str(browser).replace("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0 1\r\na=group:LS 0 2")
    )
    result = to_mw_offer(offer, map_offer(offer, Side.WIC), {0: replace(RTP, rtcp_port=None), 2: MSRP}, AGW)
    assert result.attributes("group") == ["LS 0 2"]
    assert [media.mid for media in result.media] == ["0", "2"]
    assert not result.media[0].has("rtcp")


def test_the_msrp_address_of_the_peer_is_read() -> None:
    peer = described("message 7000 TCP/MSRP *\r\na=path:msrp://203.0.113.1:7000/x;tcp\r\na=accept-types:text/plain")
    expected = MsrpPlace(
        address="203.0.113.1", port=7000, path="msrp://203.0.113.1:7000/x;tcp", accept_types="text/plain"
    )
    assert read_msrp(peer, 0) == expected
    assert read_msrp(described("message 7000 TCP/MSRP *\r\na=path:x"), 0).accept_types == "*"
    with pytest.raises(SdpRefused, match="path"):
        read_msrp(described("message 7000 TCP/MSRP *"), 0)
