from __future__ import annotations

import pytest

from wic.sip.errors import MalformedHeader
from wic.sip.headers import Reason


def test_round_trip() -> None:
    reason = Reason.parse('Q.850 ;cause=16;text="Terminated"')
    assert (reason.protocol, reason.cause, reason.text) == ("Q.850", 16, "Terminated")
    assert Reason.parse(str(reason)) == reason
    assert str(Reason.of("SIP", 487)) == "SIP;cause=487"


def test_absent_or_odd_parts() -> None:
    assert (Reason("SIP").cause, Reason("SIP").text) == (None, "")
    assert Reason.parse("SIP;cause=many").cause is None


@pytest.mark.parametrize("text", ["", "SIP;", "SIP cause=1"])
def test_malformed(text: str) -> None:
    with pytest.raises(MalformedHeader):
        Reason.parse(text)
