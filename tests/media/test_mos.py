from __future__ import annotations

import pytest

from wic.media.mos import estimate_mos


def test_a_perfect_call_has_the_default_rating() -> None:
    mos = estimate_mos("PCMA", loss=0, delay_ms=0)
    assert mos.r == 93.2
    assert mos.value == pytest.approx(4.41, abs=0.005)  # G.107 Annex B: R = 93.2
    assert "G.107" in mos.basis


def test_delay_counts_more_beyond_177_ms() -> None:
    ratings = [estimate_mos("PCMU", loss=0, delay_ms=delay).r for delay in (0, 100, 177.3, 277.3)]
    assert ratings[0] - ratings[1] == pytest.approx(2.4)
    assert ratings[2] - ratings[3] == pytest.approx(2.4 + 11)


def test_loss_lowers_the_score_by_the_formula_of_g107() -> None:
    mos = estimate_mos("PCMU", loss=0.05, delay_ms=0)
    assert mos.r == pytest.approx(93.2 - 95 * 5 / (5 + 25.1))
    assert estimate_mos("PCMU", loss=1, delay_ms=0).value < 2


def test_values_out_of_range_are_taken_to_its_ends() -> None:
    assert estimate_mos("opus", loss=-1, delay_ms=-5).r == 93.2
    assert estimate_mos("opus", loss=7, delay_ms=1e6).value == 1.0


def test_the_basis_says_what_is_assumed() -> None:
    assert "assumed" in estimate_mos("opus", loss=0, delay_ms=0).basis
    assert "assumed" in estimate_mos("G722", loss=0, delay_ms=0).basis
    assert "assumed" not in estimate_mos("PCMU", loss=0, delay_ms=0).basis
