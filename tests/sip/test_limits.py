from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from wic.sip.limits import Limits


def test_limits_are_a_value() -> None:
    assert Limits() == Limits()
    assert Limits(nesting=1) != Limits()
    with pytest.raises(FrozenInstanceError):
        Limits().nesting = 3  # type: ignore[misc]
