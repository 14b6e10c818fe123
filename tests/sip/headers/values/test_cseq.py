from __future__ import annotations

import pytest

from wic.sip.errors import MalformedHeader
from wic.sip.headers import CSeq


def test_round_trip() -> None:
    cseq = CSeq.parse("0009 \t INVITE")
    assert cseq == CSeq(9, "INVITE")
    assert str(cseq) == "9 INVITE"
    assert CSeq.parse("2147483647 x").number == 2**31 - 1


@pytest.mark.parametrize(
    "text", ["", "1", "INVITE 1", "-1 INVITE", "2147483648 INVITE", f"{10**30} INVITE", "1 IN VITE", "1INVITE"]
)
def test_malformed(text: str) -> None:
    with pytest.raises(MalformedHeader):
        CSeq.parse(text)
