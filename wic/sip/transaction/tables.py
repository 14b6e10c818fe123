"""The four transaction machines of RFC 3261 §17, amended by RFC 6026, as tables.

A transaction has a state and takes inputs: what the network brought, what its user commands, or a timer. A
row says which state follows, what is done then, and which timers are started. An input that has no row in a
state changes nothing. On leaving a state the timers end for which the new state has no row.

`docs/design/state-machines.md` is drawn from these tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wic.sip.state_table import MachineEnum
from wic.sip.timers import Timer

if TYPE_CHECKING:
    from collections.abc import Mapping


class TransactionState(MachineEnum):
    """State of a transaction."""

    CALLING = "Calling"
    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    COMPLETED = "Completed"
    CONFIRMED = "Confirmed"
    ACCEPTED = "Accepted"
    TERMINATED = "Terminated"


class TransactionInput(MachineEnum):
    """Input of a transaction besides timers: received from the network, or sent by its user."""

    TRYING = "100"
    PROVISIONAL = "101-199"
    SUCCESS = "2xx"
    FAILURE = "300-699"
    REQUEST = "request again"
    ACK = "ACK"
    SEND_PROVISIONAL = "send 1xx"
    SEND_SUCCESS = "send 2xx"
    SEND_FAILURE = "send 300-699"
    FLOW_LOST = "flow lost"


class Action(MachineEnum):
    """Action of a transaction on a transition."""

    SEND_REQUEST = "send request"
    SEND_ACK = "send ACK"
    SEND_CANCEL = "send CANCEL"
    SEND_RESPONSE = "send response"
    SEND_TRYING = "send 100"
    SEND_LAST = "send last response again"
    PASS_REQUEST = "request to user"
    PASS_RESPONSE = "response to user"
    PASS_ACK = "ACK to user"
    TELL_TIMEOUT = "tell user: timed out"
    TELL_NO_ACK = "tell user: no ACK"
    TELL_FLOW_LOST = "tell user: flow lost"


REPORTS = frozenset(
    {Action.PASS_REQUEST, Action.PASS_RESPONSE, Action.TELL_TIMEOUT, Action.TELL_NO_ACK, Action.TELL_FLOW_LOST}
)
"""The actions that tell the user something. An ACK is passed on by `ServerTransaction.acknowledge`."""
_HEARD = REPORTS | {Action.PASS_ACK}
RESTING = frozenset(
    {TransactionState.COMPLETED, TransactionState.CONFIRMED, TransactionState.ACCEPTED, TransactionState.TERMINATED}
)
"""The states of a transaction that has had its final response: most of its life, and little left to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One arrow of the diagram."""

    state: TransactionState
    input: TransactionInput | Timer
    next: TransactionState
    actions: tuple[Action, ...] = ()
    timers: tuple[Timer, ...] = ()
    """Started after the actions; one that lasts 0 s fires at once."""


@dataclass(frozen=True)
class TransactionTable:
    """One machine: its initial state, and every arrow."""

    name: str
    clause: str
    initial: TransactionState
    actions: tuple[Action, ...]
    """Done on creation."""
    timers: tuple[Timer, ...]
    """Started on creation."""
    rows: tuple[Row, ...]
    by_input: Mapping[tuple[TransactionState, TransactionInput | Timer], Row] = field(init=False, repr=False)
    """The rows, found by state and input."""
    live: Mapping[TransactionState, frozenset[Timer]] = field(init=False, repr=False)
    """The timers that mean something in each state."""
    silent: frozenset[TransactionState] = field(init=False, repr=False)
    """The states after which the user is told nothing more."""

    def __post_init__(self) -> None:
        rows = {(row.state, row.input): row for row in self.rows}
        states = {self.initial} | {row.next for row in self.rows}
        live = {
            state: frozenset(row.input for row in self.rows if row.state is state and isinstance(row.input, Timer))
            for state in states
        }
        heard = {row.state for row in self.rows if not _HEARD.isdisjoint(row.actions)}
        object.__setattr__(self, "by_input", rows)
        object.__setattr__(self, "live", live)
        object.__setattr__(self, "silent", frozenset(states - heard - {self.initial}))


_S, _I, _T, _A = TransactionState, TransactionInput, Timer, Action

INVITE_CLIENT = TransactionTable(
    name="INVITE client transaction",
    clause="RFC 3261 §17.1.1, RFC 6026 §8.4",
    initial=_S.CALLING,
    actions=(_A.SEND_REQUEST,),
    timers=(_T.A, _T.B),
    rows=(
        Row(_S.CALLING, _T.A, _S.CALLING, (_A.SEND_REQUEST,), (_T.A,)),  # RFC 3261 §17.1.1.2
        Row(_S.CALLING, _T.B, _S.TERMINATED, (_A.TELL_TIMEOUT,)),  # §17.1.1.2
        Row(_S.CALLING, _I.TRYING, _S.PROCEEDING, (_A.PASS_RESPONSE,), (_T.C,)),
        Row(_S.CALLING, _I.PROVISIONAL, _S.PROCEEDING, (_A.PASS_RESPONSE,), (_T.C,)),
        Row(_S.CALLING, _I.SUCCESS, _S.ACCEPTED, (_A.PASS_RESPONSE,), (_T.M,)),  # RFC 6026 §8.4
        Row(_S.CALLING, _I.FAILURE, _S.COMPLETED, (_A.SEND_ACK, _A.PASS_RESPONSE), (_T.D,)),  # §17.1.1.3
        Row(_S.CALLING, _I.FLOW_LOST, _S.TERMINATED, (_A.TELL_FLOW_LOST,)),  # §17.1.4
        Row(_S.PROCEEDING, _I.TRYING, _S.PROCEEDING, (_A.PASS_RESPONSE,)),  # §16.7 step 2: 100 does not
        # RFC 3261 §16.7 step 2: every provisional response but 100 gives Timer C a new start.
        Row(_S.PROCEEDING, _I.PROVISIONAL, _S.PROCEEDING, (_A.PASS_RESPONSE,), (_T.C,)),
        Row(_S.PROCEEDING, _I.SUCCESS, _S.ACCEPTED, (_A.PASS_RESPONSE,), (_T.M,)),  # RFC 6026 §8.4
        Row(_S.PROCEEDING, _I.FAILURE, _S.COMPLETED, (_A.SEND_ACK, _A.PASS_RESPONSE), (_T.D,)),  # §17.1.1.3
        # RFC 3261 §16.8: Timer C cancels; §9.1: a CANCEL that brings no final response is waited for 64*T1.
        Row(_S.PROCEEDING, _T.C, _S.PROCEEDING, (_A.SEND_CANCEL,)),
        Row(_S.PROCEEDING, _T.CANCELLED, _S.TERMINATED, (_A.TELL_TIMEOUT,)),
        Row(_S.PROCEEDING, _I.FLOW_LOST, _S.TERMINATED, (_A.TELL_FLOW_LOST,)),  # §17.1.4
        Row(_S.COMPLETED, _I.FAILURE, _S.COMPLETED, (_A.SEND_ACK,)),  # §17.1.1.2: the ACK again
        Row(_S.COMPLETED, _T.D, _S.TERMINATED),  # §17.1.1.2
        Row(_S.COMPLETED, _I.FLOW_LOST, _S.TERMINATED),
        Row(_S.ACCEPTED, _I.SUCCESS, _S.ACCEPTED, (_A.PASS_RESPONSE,)),  # RFC 6026 §8.4: forks
        Row(_S.ACCEPTED, _T.M, _S.TERMINATED),  # RFC 6026 §8.4
    ),
)

NON_INVITE_CLIENT = TransactionTable(
    name="Non-INVITE client transaction",
    clause="RFC 3261 §17.1.2",
    initial=_S.TRYING,
    actions=(_A.SEND_REQUEST,),
    timers=(_T.E, _T.F),
    rows=(
        Row(_S.TRYING, _T.E, _S.TRYING, (_A.SEND_REQUEST,), (_T.E,)),  # §17.1.2.2
        Row(_S.TRYING, _T.F, _S.TERMINATED, (_A.TELL_TIMEOUT,)),  # §17.1.2.2
        Row(_S.TRYING, _I.TRYING, _S.PROCEEDING, (_A.PASS_RESPONSE,)),
        Row(_S.TRYING, _I.PROVISIONAL, _S.PROCEEDING, (_A.PASS_RESPONSE,)),
        Row(_S.TRYING, _I.SUCCESS, _S.COMPLETED, (_A.PASS_RESPONSE,), (_T.K,)),
        Row(_S.TRYING, _I.FAILURE, _S.COMPLETED, (_A.PASS_RESPONSE,), (_T.K,)),
        Row(_S.TRYING, _I.FLOW_LOST, _S.TERMINATED, (_A.TELL_FLOW_LOST,)),  # §17.1.4
        Row(_S.PROCEEDING, _T.E, _S.PROCEEDING, (_A.SEND_REQUEST,), (_T.E,)),  # §17.1.2.2: at T2 now
        Row(_S.PROCEEDING, _T.F, _S.TERMINATED, (_A.TELL_TIMEOUT,)),  # §17.1.2.2
        Row(_S.PROCEEDING, _I.TRYING, _S.PROCEEDING, (_A.PASS_RESPONSE,)),
        Row(_S.PROCEEDING, _I.PROVISIONAL, _S.PROCEEDING, (_A.PASS_RESPONSE,)),
        Row(_S.PROCEEDING, _I.SUCCESS, _S.COMPLETED, (_A.PASS_RESPONSE,), (_T.K,)),
        Row(_S.PROCEEDING, _I.FAILURE, _S.COMPLETED, (_A.PASS_RESPONSE,), (_T.K,)),
        Row(_S.PROCEEDING, _I.FLOW_LOST, _S.TERMINATED, (_A.TELL_FLOW_LOST,)),  # §17.1.4
        Row(_S.COMPLETED, _T.K, _S.TERMINATED),  # §17.1.2.2
        Row(_S.COMPLETED, _I.FLOW_LOST, _S.TERMINATED),
    ),
)

INVITE_SERVER = TransactionTable(
    name="INVITE server transaction",
    clause="RFC 3261 §17.2.1, RFC 6026 §8.5 to §8.7",
    initial=_S.PROCEEDING,
    actions=(_A.PASS_REQUEST,),
    timers=(_T.TRYING,),
    rows=(
        Row(_S.PROCEEDING, _T.TRYING, _S.PROCEEDING, (_A.SEND_TRYING,)),  # RFC 3261 §17.2.1: after 200 ms
        Row(_S.PROCEEDING, _I.REQUEST, _S.PROCEEDING, (_A.SEND_LAST,)),  # §17.2.1
        Row(_S.PROCEEDING, _I.SEND_PROVISIONAL, _S.PROCEEDING, (_A.SEND_RESPONSE,)),
        Row(_S.PROCEEDING, _I.SEND_SUCCESS, _S.ACCEPTED, (_A.SEND_RESPONSE,), (_T.L,)),  # RFC 6026 §8.7
        Row(_S.PROCEEDING, _I.SEND_FAILURE, _S.COMPLETED, (_A.SEND_RESPONSE,), (_T.G, _T.H)),
        Row(_S.PROCEEDING, _I.FLOW_LOST, _S.TERMINATED, (_A.TELL_FLOW_LOST,)),  # §17.2.4
        Row(_S.ACCEPTED, _I.REQUEST, _S.ACCEPTED),  # RFC 6026 §8.7: absorbed
        Row(_S.ACCEPTED, _I.SEND_SUCCESS, _S.ACCEPTED, (_A.SEND_RESPONSE,)),  # RFC 3261 §13.3.1.4
        Row(_S.ACCEPTED, _I.ACK, _S.ACCEPTED, (_A.PASS_ACK,)),  # RFC 6026 §8.7
        Row(_S.ACCEPTED, _T.L, _S.TERMINATED),  # RFC 6026 §8.7
        Row(_S.COMPLETED, _I.REQUEST, _S.COMPLETED, (_A.SEND_LAST,)),  # §17.2.1
        Row(_S.COMPLETED, _T.G, _S.COMPLETED, (_A.SEND_LAST,), (_T.G,)),  # §17.2.1
        Row(_S.COMPLETED, _T.H, _S.TERMINATED, (_A.TELL_NO_ACK,)),  # §17.2.1
        Row(_S.COMPLETED, _I.ACK, _S.CONFIRMED, (), (_T.I,)),  # §17.2.1
        Row(_S.COMPLETED, _I.FLOW_LOST, _S.TERMINATED),
        Row(_S.CONFIRMED, _I.ACK, _S.CONFIRMED),  # §17.2.1: absorbed
        Row(_S.CONFIRMED, _I.REQUEST, _S.CONFIRMED),
        Row(_S.CONFIRMED, _T.I, _S.TERMINATED),  # §17.2.1
    ),
)

NON_INVITE_SERVER = TransactionTable(
    name="Non-INVITE server transaction",
    clause="RFC 3261 §17.2.2, RFC 4320 §4.2",
    initial=_S.TRYING,
    actions=(_A.PASS_REQUEST,),
    timers=(_T.F,),
    rows=(
        Row(_S.TRYING, _I.REQUEST, _S.TRYING),  # §17.2.2: absorbed
        Row(_S.TRYING, _I.SEND_PROVISIONAL, _S.PROCEEDING, (_A.SEND_RESPONSE,)),
        Row(_S.TRYING, _I.SEND_SUCCESS, _S.COMPLETED, (_A.SEND_RESPONSE,), (_T.J,)),
        Row(_S.TRYING, _I.SEND_FAILURE, _S.COMPLETED, (_A.SEND_RESPONSE,), (_T.J,)),
        # RFC 4320 §4.2: the client waits for no answer after its Timer F.
        Row(_S.TRYING, _T.F, _S.TERMINATED),
        Row(_S.TRYING, _I.FLOW_LOST, _S.TERMINATED, (_A.TELL_FLOW_LOST,)),  # §17.2.4
        Row(_S.PROCEEDING, _I.REQUEST, _S.PROCEEDING, (_A.SEND_LAST,)),  # §17.2.2
        Row(_S.PROCEEDING, _I.SEND_PROVISIONAL, _S.PROCEEDING, (_A.SEND_RESPONSE,)),
        Row(_S.PROCEEDING, _I.SEND_SUCCESS, _S.COMPLETED, (_A.SEND_RESPONSE,), (_T.J,)),
        Row(_S.PROCEEDING, _I.SEND_FAILURE, _S.COMPLETED, (_A.SEND_RESPONSE,), (_T.J,)),
        Row(_S.PROCEEDING, _T.F, _S.TERMINATED),  # RFC 4320 §4.2
        Row(_S.PROCEEDING, _I.FLOW_LOST, _S.TERMINATED, (_A.TELL_FLOW_LOST,)),  # §17.2.4
        Row(_S.COMPLETED, _I.REQUEST, _S.COMPLETED, (_A.SEND_LAST,)),  # §17.2.2
        Row(_S.COMPLETED, _T.J, _S.TERMINATED),  # §17.2.2
        Row(_S.COMPLETED, _I.FLOW_LOST, _S.TERMINATED),
    ),
)

TABLES = (INVITE_CLIENT, NON_INVITE_CLIENT, INVITE_SERVER, NON_INVITE_SERVER)
