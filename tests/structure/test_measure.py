"""The figures of measure.py: known ones of a small made-up tree, and that all can be had of this checkout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from . import measure

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = {
    "wic/__init__.py": '"""A made-up package."""\n',
    "wic/door.py": '''
        """How a door moves."""
        from enum import Enum

        class DoorState(Enum):
            OPEN = 1
            SHUT = 2
            LOCKED = 3

        class LampState(Enum):
            DARK = 1
            LIT = 2

        class KeyState(Enum):
            FOUND = 1
            LOST = 2

        class _Hinge: ...

        NEXT = {LampState.DARK: LampState.LIT}

        class Door:
            """Whatever somebody opens."""

            def open(self):
                self.state = DoorState.OPEN
                self._move(LampState.LIT)
                raise ValueError(f"{self} is open for anybody")  # nobody shuts it
        ''',
    "wic/house.py": '''
        """Rooms and doors."""
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            from wic import garden
        ''',
    "wic/garden.py": '''
        """Plants."""

        def dig():
            import wic.house
        ''',
    "wic/path.py": "import wic.house\n",
    "wic/client/tries.py": '''
        """Attempts."""
        REASONS = {403: "forbidden"}

        def decide(outcome):
            try:
                if outcome.stale:
                    return
                match outcome:
                    case GiveUp(): ...
                    case Other(waits=True): ...
            except ValueError: ...
            except AuthenticationFailed: ...
        ''',
    "wic/client/calm.py": '"""Nothing to decide."""\nREASONS = {1: "one"}\n',
    "wic/network/epcscf/table.py": '''
        """State of the edge."""

        class Door: ...

        class Table:
            def __init__(self):
                self.by_flow: dict[Flow, int] = {}
                self.by_pair: dict[tuple[Flow, str], int] = {}
                self.by_name: dict[str, int] = {}
        ''',
    "cli/door.py": '"""A command."""\nclass _Hinge: ...\nclass Door: ...\n',
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout in which each fault is there once or more."""
    for name, text in SOURCES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(line.removeprefix(" " * 8) for line in text.strip().splitlines()) + "\n")
    return tmp_path


def test_class_names_that_are_there_twice(tree: Path) -> None:
    assert measure.equal_class_names(tree) == ["Door: wic.door, wic.network.epcscf.table, cli.door"]


def test_circles_count_what_only_type_checkers_import(tree: Path) -> None:
    assert measure.import_circles(tree) == ["2 modules: wic.garden, wic.house"]


def test_machines_need_a_table_if_objects_move_through_their_states(tree: Path) -> None:
    assert measure.machines_without_table(tree) == ["DoorState in wic.door"]


def test_dicts_by_flow(tree: Path) -> None:
    assert [each.split(": ")[1] for each in measure.dicts_by_flow(tree)] == ["self.by_flow", "self.by_pair"]


def test_modules_that_decide_about_failures(tree: Path) -> None:
    assert measure.deciding_modules(tree) == ["wic.client.tries: 5 branches"]


def test_lines(tree: Path) -> None:
    counts = measure.lines(tree)
    assert len(counts) == len([name for name in SOURCES if name.startswith("wic/")])
    assert "1 wic.path" in counts


def test_docstrings_that_ask(tree: Path) -> None:
    assert measure.docstrings_that_ask(tree) == ["wic.door: How a door moves."]


def test_persons_without_a_name(tree: Path) -> None:
    found = sorted(each.split(": ")[1] for each in measure.persons_without_a_name(tree))
    assert found == ["Whatever", "anybody", "nobody", "somebody"]


@pytest.mark.timeout(60)  # it reads every file of the checkout
def test_figures_of_this_checkout(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["measure.py", "--list", "path"])
    measure.main()
    printed = capsys.readouterr().out.splitlines()
    titles = list(measure.TITLES.values())
    counted, figures = printed[: -len(titles)], printed[-len(titles) :]
    assert [line[:58].rstrip() for line in figures] == titles
    # A REGISTER begins its way in the client; what is listed is what is counted.
    assert "1 client/client.py Client.__aenter__" in counted
    calls = sum(int(line.split()[0]) for line in counted)
    files = {line.split()[1] for line in counted}
    assert figures[0].endswith(f"{calls} calls of {len(counted)} functions in {len(files)} files")
