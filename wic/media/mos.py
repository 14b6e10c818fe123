"""Mean opinion score from loss and delay, by the E-model (ITU-T G.107), simplified.

R = 93.2 - Id - Ie,eff with all other inputs of G.107 at their defaults. The delay impairment is
the piecewise-linear fit of Cole and Rosenbluth (2001); Ie,eff follows G.107 §7.5 for random loss
(BurstR = 1). The values of Ie and Bpl are those of ITU-T G.113 Appendix I where it has them; where
it has none, `basis` says what was assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_R = 93.2
"""R with every input of G.107 at its default and neither delay nor loss."""


@dataclass(frozen=True, slots=True)
class Mos:
    """An estimate and its basis."""

    value: float
    """From 1 (bad) to 4.5 (excellent)."""
    r: float
    """Transmission rating factor behind it, 0 to 100."""
    basis: str
    """Model and figures of the estimate."""


@dataclass(frozen=True, slots=True)
class _Impairment:
    ie: float
    """Equipment impairment without loss."""
    bpl: float
    """Robustness against packet loss."""
    source: str


_G711 = _Impairment(0.0, 25.1, "Ie 0, Bpl 25.1 (G.113 App. I, G.711 with loss concealment)")
_IMPAIRMENTS = {
    "PCMU": _G711,
    "PCMA": _G711,
    "G722": _Impairment(0.0, 25.1, "Ie and Bpl assumed as for G.711; the narrowband scale gives no credit for width"),
    "OPUS": _Impairment(0.0, 25.1, "Ie and Bpl assumed as for G.711; ITU-T gives none for Opus"),
}


def estimate_mos(codec: str, *, loss: float, delay_ms: float) -> Mos:
    """Estimate the score that a listener would give.

    Args:
        codec: encoding name as in SDP, any case.
        loss: packets lost or too late, as a fraction of those expected, 0 to 1.
        delay_ms: one way, mouth to ear, in milliseconds.

    >>> round(estimate_mos("PCMU", loss=0.0, delay_ms=20).value, 2)
    4.4
    """
    impairment = _IMPAIRMENTS.get(codec.upper(), _G711)
    percent = 100.0 * min(max(loss, 0.0), 1.0)
    # G.107 §7.5, with 95 the largest impairment there is.
    ie_eff = impairment.ie + (95.0 - impairment.ie) * percent / (percent + impairment.bpl)
    delay = max(delay_ms, 0.0)
    i_d = 0.024 * delay + 0.11 * max(delay - 177.3, 0.0)  # Cole and Rosenbluth: talk becomes hard beyond 177.3 ms
    r = max(0.0, min(100.0, DEFAULT_R - i_d - ie_eff))
    return Mos(_mos_of(r), r, f"E-model (ITU-T G.107, simplified); {impairment.source}")


def _mos_of(r: float) -> float:
    """Convert R by G.107 Annex B."""
    return max(1.0, 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6)
