"""Ladder diagram of messages between participants, in order of time.

Pure text: columns of participants, an arrow a message. A terminal gets lines and arrows of
Unicode, a pipe or a file that cannot carry them gets ASCII.
"""

from __future__ import annotations

from dataclasses import dataclass

TIME_WIDTH = 8
MIN_COLUMN = 14
MARGIN = 6
"""Columns left of the first participant and right of the last, for one half of their names."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """One message on the ladder."""

    at: float
    """Seconds, on any clock that all arrows share."""
    source: str
    target: str
    label: str


@dataclass(frozen=True, slots=True)
class Strokes:
    """The characters that a ladder is drawn with."""

    rail: str
    line: str
    right: str
    left: str
    cut: str
    """Ends a label that does not fit."""


UNICODE = Strokes(rail="│", line="─", right="▶", left="◀", cut="…")
ASCII = Strokes(rail="|", line="-", right=">", left="<", cut="~")


def draw(participants: list[str], arrows: list[Arrow], *, width: int = 100, strokes: Strokes = UNICODE) -> list[str]:
    """Draw the arrows between the participants, in order of time.

    Args:
        participants: the columns from left to right; arrows between others are left out.
        arrows: the messages, in any order.
        width: columns of text at hand; labels that do not fit are cut.
        strokes: `UNICODE` or `ASCII`.

    Returns:
        Lines of text: the participants' names, then a line an arrow, with milliseconds since the first.
    """
    shown = sorted((a for a in arrows if {a.source, a.target} <= set(participants)), key=lambda a: a.at)
    gap = max(MIN_COLUMN, (width - TIME_WIDTH - 2 * MARGIN) // max(1, len(participants) - 1))
    rails = [TIME_WIDTH + MARGIN + gap * index for index in range(len(participants))]
    place = dict(zip(participants, rails, strict=True))
    head = [" "] * (rails[-1] + MARGIN)
    _write(head, 0, "ms".rjust(TIME_WIDTH - 2))
    for name, rail in place.items():
        shown_name = name[: gap - 2]
        start = max(TIME_WIDTH, rail - len(shown_name) // 2)
        _write(head, min(start, len(head) - len(shown_name)), shown_name)
    lines = ["".join(head).rstrip()]
    first = shown[0].at if shown else 0.0  # the ladder begins at 0 ms
    lines += [_draw_arrow(arrow, place, rails, arrow.at - first, strokes) for arrow in shown]
    return lines


def _draw_arrow(arrow: Arrow, place: dict[str, int], rails: list[int], since: float, strokes: Strokes) -> str:
    row = [" "] * (rails[-1] + 1)
    for rail in rails:
        row[rail] = strokes.rail
    _write(row, 0, f"{since * 1000:.0f}".rjust(TIME_WIDTH - 2))
    start, end = place[arrow.source], place[arrow.target]
    low, high = min(start, end), max(start, end)
    for column in range(low + 1, high):
        row[column] = strokes.line
    row[high - 1 if end > start else low + 1] = strokes.right if end > start else strokes.left
    room = high - low - 5  # for the rails, the arrow head, and one stroke on either side
    if room > 0:
        fits = len(arrow.label) <= room - 2
        label = f" {arrow.label if fits else arrow.label[: room - 3] + strokes.cut} "
        _write(row, low + 1 + (high - low - 1 - len(label)) // 2, label)
    return "".join(row).rstrip()


def _write(row: list[str], column: int, text: str) -> None:
    row[column : column + len(text)] = list(text)[: max(0, len(row) - column)]
