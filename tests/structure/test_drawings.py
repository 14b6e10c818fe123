"""Drawings of the state machines in docs/design: complete, and as the tables are."""

from __future__ import annotations

import ast
import importlib.util
import sys
from typing import TYPE_CHECKING

import pytest

from .measure import ROOT, is_enum, modules, parsed

if TYPE_CHECKING:
    from types import ModuleType

VALUES = {
    # Enumerations that no object of wic moves through: each with the reason.
    "AorState": "a word of an XML document",
    "ContactState": "a word of an XML document",
    "DeviceState": "the answer to a question about a device code",
}
NOT_DRAWN = {"ChannelState"}
"""Machines that have no table yet, or none in the drawings; only ever fewer."""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "docs" / "design" / "draw_state_machines.py"
    spec = importlib.util.spec_from_file_location("draw_state_machines", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def state_enumerations() -> set[str]:
    """Return the names of all enumerations called `…State`."""
    return {
        node.name
        for _, path in modules(ROOT, "wic")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef) and node.name.endswith("State") and is_enum(node)
    }


def test_the_drawings_are_current(script: ModuleType) -> None:
    expected = script.draw()
    assert {path: path.read_text(encoding="utf-8") for path in expected if path.exists()} == expected
    assert set((script.FOLDER / "drawings").glob("*.svg")) == {path for path in expected if path.suffix == ".svg"}


def test_every_machine_is_drawn(script: ModuleType) -> None:
    drawn = {type(table.initial).__name__ for chapter in script.MACHINES for table in chapter.tables}
    every = state_enumerations()
    assert drawn <= every
    assert VALUES.keys() <= every
    missing = every - drawn - VALUES.keys()
    assert missing <= NOT_DRAWN, "give it a table, and add that to MACHINES in docs/design/draw_state_machines.py"
    assert missing >= NOT_DRAWN, "it is drawn now: take it out"


def test_every_state_of_a_machine_is_in_its_drawing(script: ModuleType) -> None:
    for chapter in script.MACHINES:
        for table in chapter.tables:
            machine = script.read(table)
            picture = script.picture(machine)
            assert [state for state in machine.states if f">{state}</text>" not in picture] == []
            assert machine.states[-1] == machine.final
