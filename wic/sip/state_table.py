"""State machine as a table: the form that every machine without timers and actions in its rows has.

A table is data, so that `docs/design/state-machines.md` is drawn from it. The owner of a state looks the next one up
here, in one place, and assigns it nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping


class MachineEnum(Enum):
    """States, inputs or actions of a machine: the keys of its table, which are looked up for every message."""

    __hash__ = object.__hash__  # implemented in C; that of Enum is in Python

    def __str__(self) -> str:
        return str(self.value)


StateT = TypeVar("StateT", bound=Enum)
InputT = TypeVar("InputT", bound=Enum)


@dataclass(frozen=True, slots=True)
class StateTable(Generic[StateT, InputT]):
    """One machine: its first state, its last one, and every transition in between.

    An input that has no row in a state changes nothing.
    """

    name: str
    clause: str
    """Section of the specification that it follows, or the reason for it."""
    initial: StateT
    final: StateT
    rows: Mapping[tuple[StateT, InputT], StateT]
