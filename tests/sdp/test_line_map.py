from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.sdp.description import SessionDescription
from wic.sdp.line_map import GatewayPolicy, LineKind, LineMap, Side, line_of, map_offer

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"
AUDIO = "audio 1 UDP/TLS/RTP/SAVPF 0\r\na=3ge2ae:requested"
DATA = "application 1 UDP/DTLS/SCTP webrtc-datachannel"
BUNDLED = "video 0 UDP/TLS/RTP/SAVPF 96\r\na=bundle-only\r\na=mid:v"
MW_AUDIO = "audio 1 RTP/AVP 0"
MW_MESSAGE = "message 1 TCP/MSRP *"
MW_FAX = "image 1 udptl t38"


def described(*media: str) -> SessionDescription:
    return SessionDescription.parse(HEAD + "".join(f"m={line}\r\n" for line in media))


def places(lines: LineMap) -> list[tuple[LineKind, int | None, int | None]]:
    return [(pair.kind, pair.wic, pair.mw) for pair in lines.pairs]


def test_a_bundle_only_line_shifts_the_lines_of_the_core() -> None:
    lines = map_offer(described(AUDIO, BUNDLED, DATA), Side.WIC)
    assert places(lines) == [(LineKind.RTP, 0, 0), (LineKind.DROPPED, 1, None), (LineKind.DATA, 2, 1)]


def test_a_fax_line_shifts_the_lines_of_the_wic() -> None:
    lines = map_offer(described(MW_FAX, MW_AUDIO, MW_MESSAGE), Side.MW)
    assert places(lines) == [(LineKind.DROPPED, None, 0), (LineKind.RTP, 0, 1), (LineKind.DATA, 1, 2)]


def test_a_later_offer_of_either_side_keeps_every_index() -> None:
    first = map_offer(described(AUDIO, BUNDLED), Side.WIC)
    second = map_offer(described(MW_AUDIO, MW_MESSAGE), Side.MW, first)
    assert places(second)[2:] == [(LineKind.DATA, 2, 1)]
    assert map_offer(described(AUDIO, BUNDLED, DATA), Side.WIC, second) == second


def test_a_line_that_comes_into_use_is_new_for_the_other_side() -> None:
    first = map_offer(described(AUDIO, BUNDLED, DATA), Side.WIC)
    second = map_offer(
        described(AUDIO, BUNDLED.replace("video 0", "video 5").replace("a=bundle-only\r\n", ""), DATA), Side.WIC, first
    )
    pair = second.pair(Side.WIC, 1)
    assert pair is not None
    assert (pair.kind, pair.mw) == (LineKind.RTP, 2)
    assert [each.wic for each in second.seen_by(Side.MW)] == [0, 2, 1]


def test_one_line_of_data_channels_is_enough() -> None:
    lines = map_offer(described(DATA, DATA), Side.WIC)
    assert [pair.kind for pair in lines.pairs] == [LineKind.DATA, LineKind.DROPPED]
    assert map_offer(described(DATA, DATA), Side.WIC, lines) == lines


@pytest.mark.parametrize(("line", "side"), [(AUDIO, Side.WIC), (MW_AUDIO, Side.MW)])
def test_no_more_lines_are_carried_than_the_policy_allows(line: str, side: Side) -> None:
    """Each takes sockets of the gateway. What is carried once stays, and what comes later finds no place."""
    policy = GatewayPolicy(max_lines=3)
    lines = map_offer(described(*[line] * 2), side, policy=policy)
    more = map_offer(described(*[line] * 40), side, lines, policy)
    assert [pair.kind for pair in more.pairs] == [LineKind.RTP] * 3 + [LineKind.DROPPED] * 37
    assert map_offer(described(*[line] * 40), side, more, policy) == more


@pytest.mark.parametrize(
    ("line", "side", "policy", "kind"),
    [
        (AUDIO, Side.WIC, GatewayPolicy(require_e2ae=True), LineKind.RTP),
        (AUDIO.replace("requested", "other"), Side.WIC, GatewayPolicy(), LineKind.RTP),
        (AUDIO.replace("requested", "other"), Side.WIC, GatewayPolicy(require_e2ae=True), LineKind.DROPPED),
        (AUDIO, Side.MW, GatewayPolicy(), LineKind.DROPPED),
        (MW_AUDIO, Side.WIC, GatewayPolicy(), LineKind.DROPPED),
        (DATA, Side.WIC, GatewayPolicy(msrp=False), LineKind.DROPPED),
        (DATA.replace("webrtc-datachannel", "other"), Side.WIC, GatewayPolicy(), LineKind.DROPPED),
        (MW_MESSAGE, Side.MW, GatewayPolicy(msrp=False), LineKind.DROPPED),
    ],
)
def test_kinds_and_policy(line: str, side: Side, policy: GatewayPolicy, kind: LineKind) -> None:
    assert map_offer(described(line), side, policy=policy).pairs[0].kind is kind


def test_tags_for_lines_of_the_core() -> None:
    lines = map_offer(described(AUDIO + "\r\na=mid:1"), Side.WIC)
    lines = map_offer(described(MW_AUDIO, MW_AUDIO, MW_AUDIO + "\r\na=mid:1", MW_AUDIO + "\r\na=mid:x"), Side.MW, lines)
    assert [pair.mid for pair in lines.pairs] == ["1", "2", "3", "x"]


def test_usable_lines_need_the_gateway() -> None:
    offer = described(AUDIO, BUNDLED, DATA.replace(" 1 ", " 0 "))
    lines = map_offer(offer, Side.WIC)
    assert [pair.wic for pair in lines.usable(offer, Side.WIC)] == [0]


def test_lines_out_of_reach_are_none() -> None:
    lines = map_offer(described(AUDIO, BUNDLED), Side.WIC)
    audio, video = lines.pairs
    assert line_of(described(MW_AUDIO), video, Side.MW) is None
    assert line_of(described(AUDIO, BUNDLED), video, Side.WIC) is None
    assert line_of(described(), audio, Side.MW) is None
    assert line_of(described(MW_FAX), audio, Side.MW) is None
    assert lines.pair(Side.MW, 7) is None
    assert Side.WIC.other is Side.MW
    assert Side.MW.other is Side.WIC


OFFERS = st.lists(
    st.one_of(
        st.tuples(st.just(Side.WIC), st.lists(st.sampled_from([AUDIO, DATA, BUNDLED, MW_FAX]), max_size=4)),
        st.tuples(st.just(Side.MW), st.lists(st.sampled_from([MW_AUDIO, MW_MESSAGE, MW_FAX]), max_size=4)),
    ),
    max_size=5,
)


@given(OFFERS)
def test_indices_are_never_shared_skipped_or_taken_back(offers: list[tuple[Side, list[str]]]) -> None:
    lines = LineMap()
    for side, media in offers:
        before = lines
        lines = map_offer(described(*media), side, before)
        for each in Side:
            indices = [pair.at(each) for pair in lines.seen_by(each)]
            assert indices == list(range(len(indices)))
            for pair in before.seen_by(each):
                index = pair.at(each)
                assert index is not None
                now = lines.pair(each, index)
                assert now is not None
                assert pair.at(each.other) in (None, now.at(each.other))
