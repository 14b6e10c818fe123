"""Authorization codes and device codes."""

from __future__ import annotations

from wic.network.waf.codes import CodeRedemption


def test_no_secret_is_shown() -> None:
    shown = repr(CodeRedemption(code="the code", client="wic", redirect_uri="", verifier="the verifier"))
    assert "the code" not in shown
    assert "the verifier" not in shown
