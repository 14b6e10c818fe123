"""Drawings of all state machines: `state-machines.md` and the pictures in `drawings/`, made from the tables in the code.

Run it after a table has changed, or to add a machine to `MACHINES`: `python docs/design/draw_state_machines.py`. A test
compares what it would write with what is there. It needs nothing but wic and the standard library.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wic.call.state import INCOMING_CALL, OUTGOING_CALL
from wic.client.tables import CONNECTION
from wic.client.web.keeper import KEEPER
from wic.media.transport import MEDIA_TRANSPORT
from wic.network.epcscf.tables import LEG, UE
from wic.network.scscf.authentication import AKA_ATTEMPT
from wic.network.scscf.location_service import BINDING
from wic.network.waf.codes import DEVICE_GRANT
from wic.network.wwsf.store import LEASE
from wic.registration.recovery import PHASES, REMEDIES, TERMINATIONS, Phase, Remedy
from wic.registration.tables import REGISTRATION
from wic.sip.dialog import DIALOG
from wic.sip.proxy.context import CONTEXT
from wic.sip.state_table import StateTable
from wic.sip.subscription.tables import NOTIFIER, SUBSCRIBER
from wic.sip.timers import RETRANSMISSION, RFC3261, TS24229_UE, Timer
from wic.sip.transaction.tables import TABLES, TransactionState, TransactionTable
from wic.transport.link import LINK

if TYPE_CHECKING:
    from collections.abc import Callable

Table = StateTable[Any, Any] | TransactionTable

FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Chapter:
    """Machines that belong together, with what a reader has to know of them."""

    title: str
    text: str
    tables: tuple[Table, ...]
    more: Callable[[], str] | None = None
    """Writes what follows the machines."""


_HEAD = """# State machines

Every machine of wic has a table, from which `docs/design/draw_state_machines.py` makes this page and its pictures; a test
compares them. An input without a row in a state changes nothing there. In a picture, each line of a state is an input,
and leads to the state that follows; one that is marked ↺ leads to the same state.
"""

_PURPOSES = {
    Timer.A: "the next retransmission of an INVITE",
    Timer.B: "any response to an INVITE",
    Timer.C: "a final response after a provisional one, in a proxy",
    Timer.D: "retransmissions of a failure response",
    Timer.E: "the next retransmission of another request",
    Timer.F: "the final response to another request",
    Timer.G: "the next retransmission of a failure response",
    Timer.H: "the ACK of a failure response",
    Timer.I: "retransmissions of that ACK",
    Timer.J: "retransmissions of a request that was answered",
    Timer.K: "retransmissions of its response",
    Timer.L: "retransmissions of an INVITE that was accepted",
    Timer.M: "repetitions of the 2xx, and those of other branches",
    Timer.TRYING: "the user, before 100 is sent in its place",
    Timer.CANCELLED: "the final response to a cancelled INVITE",
}


@dataclass(frozen=True, slots=True)
class Arrow:
    """One transition, in words."""

    state: str
    input: str
    next: str
    effects: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine, in words."""

    name: str
    clause: str
    initial: str
    final: str
    arrows: tuple[Arrow, ...]
    beginning: str = ""
    """What is done on creation."""

    @property
    def picture(self) -> str:
        """Path of its picture, from the page."""
        return f"drawings/{re.sub('[^a-z0-9]+', '-', self.name.lower()).strip('-')}.svg"

    @property
    def states(self) -> list[str]:
        """Its states: the initial one first, the final one last, the others as they are reached."""
        states = [self.initial]
        for state in states:
            states += [arrow.next for arrow in self.arrows if arrow.state == state and arrow.next not in states]
        states += [arrow.state for arrow in self.arrows if arrow.state not in states]
        found = list(dict.fromkeys(states))
        return sorted(found, key=lambda state: state == self.final)


def read(table: Table) -> Machine:
    """Put a table into words."""
    if isinstance(table, TransactionTable):
        arrows = tuple(
            Arrow(row.state.value, row.input.value, row.next.value, _effects(row.actions, row.timers))
            for row in table.rows
        )
        final, beginning = TransactionState.TERMINATED.value, _effects(table.actions, table.timers)
    else:
        arrows = tuple(Arrow(state.value, given.value, after.value) for (state, given), after in table.rows.items())
        final, beginning = table.final.value, ""
    return Machine(table.name, table.clause, table.initial.value, final, arrows, beginning)


def _effects(actions: tuple[Any, ...], timers: tuple[Timer, ...]) -> str:
    return ", ".join([action.value for action in actions] + [f"start {timer.value}" for timer in timers])


# the page


def _section(machine: Machine) -> str:
    has_effects = any(arrow.effects for arrow in machine.arrows)
    lines = [f"### {machine.name}", "", f"{machine.clause}", "", f"![{machine.name}]({machine.picture})", ""]
    if has_effects:
        lines += ["| state | input | next state | actions and timers |", "|---|---|---|---|"]
        lines += [f"| | creation | {machine.initial} | {machine.beginning} |"]
    else:
        lines += ["| state | input | next state |", "|---|---|---|"]
    for arrow in machine.arrows:
        cells = [arrow.state, arrow.input, arrow.next, *([arrow.effects] if has_effects else [])]
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
    return "\n".join([*lines, ""])


def _timers() -> str:
    lines = [
        "### Timers",
        "",
        "Seconds on an unreliable transport; Timers A, E and G double with each retransmission, E and G up to T2.",
        "",
        "| timer | RFC 3261 | TS 24.229 table 7.7.1 (UE) | waits for |",
        "|---|---|---|---|",
    ]
    for timer in Timer:
        values = [
            timers.interval(timer, attempt=0) if timer in RETRANSMISSION else timers.duration(timer, reliable=False)
            for timers in (RFC3261, TS24229_UE)
        ]
        lines.append(f"| {timer.value} | {values[0]:g} | {values[1]:g} | {_PURPOSES[timer]} |")
    return "\n".join([*lines, ""])


_RECOVERY = """### Recovery

`wic/registration/recovery.py` holds the remedy for each cause of a failure, by the purpose of the REGISTER. Remedies:
"""

_PHASES = """
A client has not all remedies at every time. That of the leading registration, but for the last column but one, comes to:
"""

_TERMINATIONS = """
After the network has ended a registration, by a notification of reg-event, an initial one follows:
"""


def _recovery() -> str:
    """Draw the tables of what follows a failed registration."""
    lines = [_RECOVERY]
    lines += [f"- {_name(remedy)}: {remedy.value}" for remedy in Remedy]
    lines += ["", "| cause | initial | refresh | removal | |", "|---|---|---|---|---|"]
    for cause, row in REMEDIES.items():
        remedies = " | ".join(_name(each) for each in (row.initial, row.refresh, row.removal))
        lines.append(f"| {cause.value} | {remedies} | {row.clause} |")
    lines += [_PHASES, f"| | {' | '.join(phase.value for phase in Phase)} |", "|---" * (len(Phase) + 1) + "|"]
    lines += [
        f"| {_name(remedy)} | {' | '.join(_name(left[phase]) for phase in Phase)} |" for remedy, left in PHASES.items()
    ]
    lines += [_TERMINATIONS, "| reason (RFC 3680 §4.7.1) | seconds, unless the network names them |", "|---|---|"]
    lines += [
        f"| {reason.value} | {'never' if wait is None else f'{wait:g}'} |" for reason, wait in TERMINATIONS.items()
    ]
    return "\n".join([*lines, ""])


def _name(remedy: Remedy) -> str:
    return remedy.name.replace("_", " ").lower()


# the pictures

_LETTER, _LINE, _TITLE, _PAD, _GAP, _LANE = 7.3, 18, 24, 12, 16, 22
_STYLE = """<style>
text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #222 }
.title { font-weight: bold }
.state { fill: #f4f6f8; stroke: #555 }
path { fill: none }
</style>"""
_COLOURS = ("#2563a8", "#b3541e", "#2f7d4f", "#8a3f8f", "#a8323e", "#5f6b1f", "#1f7a80", "#6b5b95")


def picture(machine: Machine) -> str:
    """Draw a machine as SVG: its states from top to bottom, and to the right of them one lane to each state.

    An input leads from its line to the lane of the state that follows, and the lane to that state. Everything has its
    place by construction, so that no label covers another.
    """
    states = machine.states
    rows = {state: [arrow for arrow in machine.arrows if arrow.state == state] for state in states}
    texts = [*states, *(f"{arrow.input}  ↺" for arrow in machine.arrows)]
    left, width = 40.0, max(map(len, texts)) * _LETTER + 2 * _PAD
    right = left + width
    targets = [state for state in states if any(a.next == state != a.state for a in machine.arrows)]
    lane = {state: right + 26 + _LANE * number for number, state in enumerate(targets)}
    colour = {state: _COLOURS[number % len(_COLOURS)] for number, state in enumerate(targets)}
    joins: dict[str, list[float]] = {state: [] for state in targets}
    heads: dict[str, float] = {}
    shapes: list[str] = []
    top = float(_GAP)
    for state in states:
        height = _TITLE + _LINE * len(rows[state]) + (6 if rows[state] else 0)
        heads[state] = top + _TITLE / 2
        edge = ' stroke-width="2.5"' if state == machine.final else ""
        shapes.append(f'<rect class="state" x="{left}" y="{top}" width="{width:.1f}" height="{height}" rx="6"{edge}/>')
        shapes.append(_text(left + _PAD, top + 16, state, "title"))
        for number, arrow in enumerate(rows[state]):
            y = top + _TITLE + _LINE * number + 12
            shapes.append(_text(left + _PAD, y, f"{arrow.input}  ↺" if arrow.next == state else arrow.input))
            if arrow.next != state:
                joins[arrow.next].append(y - 4)
        top += height + _GAP
    for state in targets:
        ends = [*joins[state], heads[state]]
        x, paint = lane[state], colour[state]
        shapes += [f'<path d="M{right:.1f} {y} H{x:.1f}" stroke="{paint}"/>' for y in joins[state]]
        shapes += [f'<circle cx="{x:.1f}" cy="{y}" r="2.5" fill="{paint}"/>' for y in joins[state]]
        shapes.append(f'<path d="M{x:.1f} {min(ends)} V{max(ends)}" stroke="{paint}"/>')
        shapes.append(f'<path d="M{x:.1f} {heads[state]} H{right + 8:.1f}" stroke="{paint}"/>')
        shapes.append(_head(right, heads[state], paint, -1))
    first = heads[machine.initial]
    shapes.append(f'<circle cx="14" cy="{first}" r="5"/><path d="M19 {first} H{left - 8}" stroke="#333"/>')
    shapes.append(_head(left, first, "#333", 1))
    full = max([right, *lane.values()]) + _GAP
    size = f'width="{full:.0f}" height="{top:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full:.0f} {top:.0f}" {size} role="img">',
        f"<title>{escape(machine.name)}</title>",
        _STYLE,
        f'<rect {size} rx="8" fill="#fff"/>',
        *shapes,
        "</svg>",
        "",
    ]
    return "\n".join(lines)


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}"{name}>{escape(text)}</text>'


def _head(x: float, y: float, colour: str, way: int) -> str:
    return f'<path d="M{x:.1f} {y} l{-9 * way} -4 v8 z" style="fill: {colour}"/>'


MACHINES: Final = (
    Chapter(
        "SIP transactions",
        """The tables are in `wic/sip/transaction/tables.py`. Timers start after the actions. On leaving a state the timers end
that are no input of the new one. A reliable transport starts none of Timers A, E and G, and for it Timers D, I, J and K
last no time at all, so that the machine moves on at once. Timer C runs in proxies only; sending a CANCEL, for any
reason, starts "CANCEL unheeded".""",
        TABLES,
        _timers,
    ),
    Chapter(
        "SIP dialogs and proxied requests",
        "The tables are in `wic/sip/dialog.py` and `wic/sip/proxy/context.py`. More is in [Transactions, dialogs, proxy](sip-machines.md).",
        (DIALOG, CONTEXT),
    ),
    Chapter(
        "Subscriptions",
        "The tables are in `wic/sip/subscription/tables.py`. [Subscriptions and reg-event](subscriptions.md) says what starts and ends their timers.",
        (SUBSCRIBER, NOTIFIER),
    ),
    Chapter(
        "Registration of a WIC",
        """The tables are in `wic/registration/tables.py`, where an input without a row does not occur, and in
`wic/client/tables.py`. More is in [Registration](registration.md) and [A client's connection](connection.md).""",
        (REGISTRATION, CONNECTION),
        _recovery,
    ),
    Chapter(
        "Calls",
        "The tables are in `wic/call/state.py`. An input without a row does not occur in that state. More is in [Calls](calls.md).",
        (OUTGOING_CALL, INCOMING_CALL),
    ),
    Chapter(
        "Connections",
        "The tables are in `wic/transport/link.py` and `wic/media/transport.py`. More is in [Transport](transport.md) and [Media](media.md).",
        (LINK, MEDIA_TRANSPORT),
    ),
    Chapter(
        "Access tokens",
        """The tables are in `wic/network/waf/codes.py`, `wic/network/wwsf/store.py` and `wic/client/web/keeper.py`. More is in
[Web authentication](web-authentication.md).""",
        (DEVICE_GRANT, LEASE, KEEPER),
    ),
    Chapter(
        "Registration at the S-CSCF",
        """The tables are in `wic/network/scscf/location_service.py`, where an input without a row is an error, and in
`wic/network/scscf/authentication.py`. [The network](network.md) says what causes the inputs.""",
        (BINDING, AKA_ATTEMPT),
    ),
    Chapter(
        "eP-CSCF",
        "The tables are in `wic/network/epcscf/tables.py`. [The network](network.md) says what happens meanwhile.",
        (UE, LEG),
    ),
)
"""All machines; a new one is added to the chapter where a reader looks for it."""


def draw() -> dict[Path, str]:
    """Return the page and its pictures, by path."""
    parts = [_HEAD]
    files = {}
    for chapter in MACHINES:
        machines = [read(table) for table in chapter.tables]
        parts += [f"## {chapter.title}\n", f"{chapter.text}\n", *map(_section, machines)]
        files |= {FOLDER / machine.picture: picture(machine) for machine in machines}
        if chapter.more is not None:
            parts.append(chapter.more())
    return {FOLDER / "state-machines.md": "\n".join(parts), **files}


def main() -> None:
    """Write what `draw` returns, and remove pictures of machines that are gone."""
    files = draw()
    (FOLDER / "drawings").mkdir(exist_ok=True)
    for path in set((FOLDER / "drawings").glob("*.svg")) - files.keys():
        path.unlink()
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
