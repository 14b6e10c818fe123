"""Fuzz target for all readers of session descriptions: each returns a value, or raises a documented error.

`tests/sdp/test_fuzz.py` runs `check` with hypothesis in every test run. With atheris installed,
`python tests/fuzz/fuzz_sdp.py [corpus …]` lets coverage guide it; `tests/vectors/sdp` is a good corpus.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from wic.errors import NegotiationFailed
from wic.sdp.attributes import Fingerprint
from wic.sdp.codecs import AUDIO_CODECS
from wic.sdp.description import Origin, SessionDescription
from wic.sdp.errors import SdpRefused
from wic.sdp.gateway import MsrpPlace, RtpPlace, read_msrp, to_mw_offer, to_wic_answer, to_wic_offer
from wic.sdp.line_map import LineKind, Side, map_offer
from wic.sdp.profile import MediaAnswer, build_answer, plan_answer, read_remote
from wic.sdp.transport import TransportDescription

ORIGIN = Origin("-", 1, 1, "192.0.2.1")
TRANSPORT = TransportDescription(address="192.0.2.1", port=5000, fingerprints=(Fingerprint("sha-256", "AB"),))
RTP = RtpPlace(address="192.0.2.2", port=4000)
MSRP = MsrpPlace(address="192.0.2.2", port=4002, path="msrp://192.0.2.2:4002/s;tcp")


def check(data: bytes) -> None:
    """Process `data` in every way that a received description is processed."""
    try:
        description = SessionDescription.parse(data)
    except SdpRefused:
        return
    assert SessionDescription.parse(description.to_bytes()) == description
    for use in (_read, _answer, _cross):
        try:
            use(description)
        except (SdpRefused, NegotiationFailed):
            continue


def _read(description: SessionDescription) -> None:
    for index in range(len(description.media)):
        read_remote(description, index)
        read_msrp(description, index)


def _answer(offer: SessionDescription) -> None:
    plans = plan_answer(offer, supported={"audio": AUDIO_CODECS, "video": AUDIO_CODECS})
    choices = [None if plan is None else MediaAnswer(transport=TRANSPORT, codecs=plan.codecs) for plan in plans]
    answer = build_answer(offer, ORIGIN, choices)
    assert len(answer.media) == len(offer.media)
    SessionDescription.parse(answer.to_bytes())


def _cross(offer: SessionDescription) -> None:
    lines = map_offer(offer, Side.WIC)
    usable = lines.usable(offer, Side.WIC)
    places = {pair.wic: MSRP if pair.kind is LineKind.DATA else RTP for pair in usable if pair.wic is not None}
    on_mw = to_mw_offer(offer, lines, places, ORIGIN)
    assert not any(line.name == "fingerprint" for media in on_mw.media for line in media.lines)
    transports = {index: _transport(place) for index, place in places.items()}
    answer = to_wic_answer(offer, on_mw, lines, transports, ORIGIN)
    assert len(answer.media) == len(offer.media)
    to_wic_offer(offer, map_offer(offer, Side.MW), transports, ORIGIN)


def _transport(place: RtpPlace | MsrpPlace) -> TransportDescription:
    return replace(TRANSPORT, sctp_port=5000) if isinstance(place, MsrpPlace) else TRANSPORT


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
