from __future__ import annotations

from wic.sip.reasons import REASONS, reason_of


def test_phrases() -> None:
    assert reason_of(486) == REASONS[486] == "Busy Here"
    assert reason_of(499) == "Bad Request"
    assert reason_of(199) == "Early Dialog Terminated"
    assert reason_of(799) == "Unknown"
