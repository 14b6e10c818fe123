from __future__ import annotations

from dataclasses import replace

import pytest

from wic.call import Agreement
from wic.sdp.errors import AnswerNotValid, OfferNotAcceptable, SdpRefused
from wic.sdp.line import attribute


@pytest.fixture
def agreement(wire):
    offer = wire.offer()
    return Agreement.of(offer=offer, answer=wire.answer(offer), offered_here=False)


def edit(description, index, old, new):
    """Replace a text within the lines of one m-line."""
    section = description.media[index]
    lines = tuple(replace(line, value=line.value.replace(old, new)) for line in section.lines)
    media = list(description.media)
    media[index] = replace(section, lines=lines)
    return description.with_media(*media)


def test_the_same_offer_gets_the_same_answer(agreement):
    renewed = agreement.renewed(agreement.remote)
    assert renewed == agreement
    assert not renewed.offered_here


def test_an_offerer_answers_with_the_role_it_has(wire):
    offer = wire.offer()
    made = Agreement.of(offer=offer, answer=wire.answer(offer), offered_here=True)
    assert made.answer is made.remote
    again = made.renewed(edit(made.remote, 0, "setup:active", "setup:actpass"))
    assert again.local.media[0].attribute("setup") == "passive"
    assert not again.local.media[0].has("3ge2ae")
    assert again.local.origin.version == offer.origin.version + 1


@pytest.mark.parametrize(
    ("old", "new", "index", "why"),
    [
        ("alicefrag", "otherfrag", 0, "new transport"),
        ("alicepassword", "otherpassword", 0, "new transport"),
        ("AA:BB", "AA:BC", 0, "new transport"),
        ("sctp-port:5000", "sctp-port:5001", 1, "new transport"),
        ("setup:actpass", "setup:active", 0, "DTLS role"),
        ("UDP/TLS/RTP/SAVPF 111 0", "UDP/TLS/RTP/SAVPF 99", 0, "codec in use"),
    ],
)
def test_an_offer_that_changes_a_transport_or_the_codec_is_refused(agreement, old, new, index, why):
    with pytest.raises(OfferNotAcceptable, match=why):
        agreement.renewed(edit(agreement.remote, index, old, new))


def test_an_address_without_ice_counts_as_the_transport(agreement):
    def without_ice(description):
        return description.with_media(
            *(section.without_attributes("ice-ufrag", "ice-pwd") for section in description.media)
        )

    plain = replace(agreement, remote=without_ice(agreement.remote))
    assert plain.renewed(plain.remote).remote == plain.remote
    with pytest.raises(OfferNotAcceptable):
        plain.renewed(edit(plain.remote, 0, "audio 4000", "audio 4004"))


def test_formats_that_are_gone_are_not_answered(agreement):
    answer = agreement.renewed(edit(agreement.remote, 0, "SAVPF 111 0", "SAVPF 111")).local.media[0]
    assert answer.formats == ("111",)
    assert answer.attributes("rtpmap") == ["111 opus/48000/2"]
    assert len(answer.attributes("fmtp")) == 1


def test_a_closed_line_is_closed_and_an_added_one_rejected(agreement):
    offer = edit(agreement.remote, 1, "application 4002", "application 0")
    offer = offer.with_media(*offer.media, offer.media[0])
    answer = agreement.renewed(offer).local
    assert [section.port for section in answer.media] == [4000, 0, 0]
    reopened = Agreement(answer, offer, False).renewed(offer)
    assert [section.port for section in reopened.local.media] == [4000, 0, 0]


def test_lines_may_not_vanish(agreement):
    with pytest.raises(SdpRefused):
        agreement.renewed(agreement.remote.with_media(agreement.remote.media[0]))


def test_an_answer_to_a_repeated_offer_is_checked(agreement):
    offer = agreement.offered_again()
    answer = edit(agreement.remote, 0, "setup:actpass", "setup:passive")
    answer = edit(answer, 1, "application 4002", "application 0")
    assert agreement.answered_again(offer, answer).local is offer
    with pytest.raises(OfferNotAcceptable):
        agreement.answered_again(offer, edit(answer, 0, "alicefrag", "otherfrag"))
    with pytest.raises(AnswerNotValid):
        agreement.answered_again(offer, answer.with_media(answer.media[0]))


def test_a_repeated_offer_leaves_closed_lines_closed(agreement):
    local = edit(agreement.local, 1, "application 4002", "application 0")
    offer = replace(agreement, local=local).offered_again()
    assert offer.media[0].attribute("setup") == "actpass"
    assert offer.media[0].attribute("3ge2ae") == "requested"
    assert offer.direction(0) == "sendrecv"
    assert offer.media[1] == local.media[1]
    assert attribute("mid", "1") in local.media[1].lines
