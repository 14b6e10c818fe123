from __future__ import annotations

from wic.sip.reasons import Q850_CAUSES, REASONS, reason_of


def test_phrases() -> None:
    assert reason_of(486) == REASONS[486] == "Busy Here"
    assert reason_of(499) == "Bad Request"
    assert reason_of(199) == "Early Dialog Terminated"
    assert reason_of(799) == "Unknown"


def test_causes_are_those_of_seven_bits_in_words() -> None:
    assert Q850_CAUSES[16] == "normal clearing"
    assert all(1 <= cause <= 127 and words for cause, words in Q850_CAUSES.items())
    assert list(Q850_CAUSES) == sorted(Q850_CAUSES)
