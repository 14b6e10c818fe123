from __future__ import annotations

import pytest

import wic


def test_public_names():
    assert wic.Tone is wic.media.Tone
    assert set(dir(wic)) == set(wic.__all__)
    for name in wic.__all__:
        assert getattr(wic, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = wic.nonsense
