from __future__ import annotations

import re
from pathlib import Path

from wic.call import CallState
from wic.call.state import TRANSITIONS

PAGE = Path(__file__).parents[2] / "docs" / "design" / "calls.md"


def test_every_state_has_its_moves():
    assert set(TRANSITIONS) == set(CallState)


def test_the_drawing_shows_the_table():
    drawn = re.findall(r"^    (\w+) --> (\w+)$", PAGE.read_text(), re.MULTILINE)
    moves = [(state.value, after.value) for state, reached in TRANSITIONS.items() for after in reached]
    assert sorted(drawn) == sorted(moves)
