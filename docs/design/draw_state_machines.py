"""Draw the state machines: write `state-machines.md` from the tables that the code moves by.

Run it after the tables have changed: `python docs/design/draw_state_machines.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from wic.sip.subscription.tables import NOTIFIER, SUBSCRIBER
from wic.sip.timers import RETRANSMISSION, RFC3261, TS24229_UE, Timer
from wic.sip.transaction.tables import TABLES, Action, Row, TransactionTable
from wic.transport.link import LINK

if TYPE_CHECKING:
    from wic.sip.state_table import StateTable

PAGE = Path(__file__).with_name("state-machines.md")

_HEAD = """# State machines

Drawn from `wic/sip/transaction/tables.py` by `docs/design/draw_state_machines.py`; a test compares them. An arrow reads
*input / actions; timers started*. An input without an arrow changes nothing. On leaving a state the timers end that
have no arrow in the new one. A reliable transport starts none of Timers A, E and G, and for it Timers D, I, J and K
last no time at all, so that the machine moves on at once. Timer C runs in proxies only; sending a CANCEL, whoever asked
for it, starts "CANCEL unheeded".
"""


def _effects(actions: tuple[Action, ...], timers: tuple[Timer, ...]) -> str:
    parts = [action.value for action in actions] + [f"start {timer.value}" for timer in timers]
    return ", ".join(parts).replace(":", " -")


def _arrow(row: Row) -> str:
    effects = _effects(row.actions, row.timers)
    label = f"{row.input.value} / {effects}" if effects else row.input.value
    return f"    {row.state.value} --> {row.next.value} : {label}"


def _machine(table: TransactionTable) -> str:
    lines = [
        f"## {table.name}",
        "",
        table.clause,
        "",
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {table.initial.value} : {_effects(table.actions, table.timers)}",
        *map(_arrow, table.rows),
        "    Terminated --> [*]",
        "```",
        "",
    ]
    return "\n".join(lines)


def _timers() -> str:
    lines = [
        "## Timers",
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


_SUBSCRIPTIONS = """## Subscriptions

Drawn from `wic/sip/subscription/tables.py`. An input without an arrow changes nothing. What starts and ends their timers is
told in [](subscriptions).
"""


_SCSCF = """## Registration at the S-CSCF

Drawn from `wic/network/scscf/location_service.py`, where an event without an arrow is an error, and from
`wic/network/scscf/authentication.py`. Who causes the events is told in [](network).
"""

_EPCSCF = """## eP-CSCF

Drawn from `wic/network/epcscf/tables.py`. An input without an arrow changes nothing. [](network) tells what happens meanwhile.
"""


def _plain(head: str, *tables: StateTable[Any, Any]) -> str:
    """Draw machines whose rows have no actions and timers."""
    lines = [head]
    for table in tables:
        arrows = [
            f"    {state.value} --> {following.value} : {given.value}"
            for (state, given), following in table.rows.items()
        ]
        lines += [f"### {table.name}", "", table.clause, "", "```mermaid", "stateDiagram-v2"]
        lines += [f"    [*] --> {table.initial.value}", *arrows, f"    {table.final.value} --> [*]", "```", ""]
    return "\n".join(lines)


_TOKENS = """## Access tokens

Drawn from the tables of [web authentication](web-authentication.md). An input without an arrow changes nothing.
"""

_CALLS = """## Calls

Drawn from `wic/call/state.py`. An input without an arrow does not occur in that state. More is in [](calls.md).
"""

_CONNECTIONS = """## Connections

Drawn from `wic/transport/link.py` and `wic/media/transport.py`. An input without an arrow changes nothing. More is in
[](transport.md) and [](media.md).
"""

_REGISTRATIONS = """## Registration of a WIC

Drawn from `wic/registration/tables.py`, where an input without an arrow does not occur, and from `wic/client/tables.py`,
where it changes nothing. More is in [](registration) and [](connection).
"""

_RECOVERY = """### Recovery

Drawn from `wic/registration/recovery.py`: the remedy for each cause of a failure, by the purpose of the REGISTER. Remedies:
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
    lines += [_TERMINATIONS, "| reason (RFC 3680 §5.3) | seconds, unless the network names them |", "|---|---|"]
    lines += [
        f"| {reason.value} | {'never' if wait is None else f'{wait:g}'} |" for reason, wait in TERMINATIONS.items()
    ]
    return "\n".join([*lines, ""])


def _name(remedy: Remedy) -> str:
    return remedy.name.replace("_", " ").lower()


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


def draw() -> str:
    """Return the page."""
    return "\n".join(
        [
            _HEAD,
            *map(_machine, TABLES),
            _timers(),
            _plain(_SUBSCRIPTIONS, SUBSCRIBER, NOTIFIER),
            _plain(_REGISTRATIONS, REGISTRATION, CONNECTION),
            _recovery(),
            _plain(_CALLS, OUTGOING_CALL, INCOMING_CALL),
            _plain(_CONNECTIONS, LINK, MEDIA_TRANSPORT),
            _plain(_TOKENS, DEVICE_GRANT, LEASE, KEEPER),
            _plain(_SCSCF, BINDING, AKA_ATTEMPT),
            _plain(_EPCSCF, UE, LEG),
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(draw(), encoding="utf-8")
