"""Every row of every table, driven through the face that the endpoint uses."""

from typing import TYPE_CHECKING

import pytest

from wic.sip.events import (
    AckTimedOut,
    RequestReceived,
    ResponseReceived,
    TransactionTimedOut,
    TransportFailed,
)
from wic.sip.flow import Flow
from wic.sip.message import Request, Response
from wic.sip.parser import parse
from wic.sip.timers import RFC3261, Timer
from wic.sip.transaction.layer import TransactionLayer
from wic.sip.transaction.server import ServerTransaction
from wic.sip.transaction.tables import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    TABLES,
    Action,
    Row,
    TransactionInput,
    TransactionState,
    TransactionTable,
)

if TYPE_CHECKING:
    from wic.sip.transaction.base import Transaction

UDP = Flow("UDP", ("10.0.0.1", 5060), ("10.0.0.2", 5060))
TCP = Flow("TCP", ("10.0.0.1", 5060), ("10.0.0.2", 5060), "1")

STATUS = {
    TransactionInput.TRYING: 100,
    TransactionInput.PROVISIONAL: 180,
    TransactionInput.SUCCESS: 200,
    TransactionInput.FAILURE: 486,
    TransactionInput.SEND_PROVISIONAL: 183,
    TransactionInput.SEND_SUCCESS: 202,
    TransactionInput.SEND_FAILURE: 480,
}
EVENTS = {
    Action.PASS_REQUEST: RequestReceived,
    Action.PASS_RESPONSE: ResponseReceived,
    Action.TELL_TIMEOUT: TransactionTimedOut,
    Action.TELL_NO_ACK: AckTimedOut,
    Action.TELL_FLOW_LOST: TransportFailed,
}


class Bench:
    """One transaction and the levers to move it."""

    def __init__(self, table: TransactionTable, flow: Flow = UDP) -> None:
        self.layer = TransactionLayer(timers=RFC3261, uses_timer_c=True)
        self.method = "INVITE" if table in (INVITE_CLIENT, INVITE_SERVER) else "OPTIONS"
        self.flow = flow
        request = Request.build(
            self.method,
            "sip:bob@example.com",
            [
                ("Via", "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1"),
                ("Route", "<sip:p1.example.com;lr>"),
                ("From", "<sip:a@example.com>;tag=1"),
                ("To", "<sip:b@example.com>"),
                ("Call-ID", "c"),
                ("CSeq", f"7 {self.method}"),
            ],
        )
        self.transaction: Transaction
        if table in (INVITE_CLIENT, NON_INVITE_CLIENT):
            self.transaction = self.layer.start_client(request, flow, branch="z9hG4bK1", sent_by="10.0.0.1", now=0.0)
        else:
            self.transaction = self.layer.start_server(request, flow, reply_flow=flow, tag="us", now=0.0)
        self.last = 100

    def feed(self, given: TransactionInput | Timer) -> bool | None:
        transaction = self.transaction
        if isinstance(given, Timer):
            if given is Timer.CANCELLED:
                transaction.cancel(now=1.0)
                self.effects()
            transaction._running[given].fire(1.0)
        elif given in (TransactionInput.SEND_PROVISIONAL, TransactionInput.SEND_SUCCESS, TransactionInput.SEND_FAILURE):
            self.last = STATUS[given]
            response = Response.answer(transaction.request, self.last, to_tag="us")
            assert transaction.respond(response, now=1.0)
        elif given in STATUS:
            transaction.receive(Response.answer(transaction.request, STATUS[given], to_tag="them"), self.flow, now=1.0)
        elif given is TransactionInput.FLOW_LOST:
            transaction.flow_lost("cut", now=1.0)
        elif given is TransactionInput.ACK:
            return transaction.acknowledge(now=1.0)
        else:
            assert transaction.take(given, 1.0) is not None
        return None

    def effects(self) -> list[str]:
        """Return what came out since the last time."""
        found = []
        for transmit in self.layer.to_send():
            message = parse(transmit.data)
            found.append(f"send {message.method if isinstance(message, Request) else message.status}")
        while (event := self.layer.next_event()) is not None:
            found.append(type(event).__name__)
        return sorted(found)

    def expected(self, actions: tuple[Action, ...], answered: bool) -> list[str]:
        found = []
        for action in actions:
            if action in EVENTS:
                found.append(EVENTS[action].__name__)
            elif action is Action.SEND_REQUEST:
                found.append(f"send {self.method}")
            elif action in (Action.SEND_ACK, Action.SEND_CANCEL, Action.SEND_TRYING):
                found.append(action.value)
            elif action is Action.SEND_RESPONSE or (action is Action.SEND_LAST and answered):
                found.append(f"send {self.last}")
        return sorted(found)


def path_to(table: TransactionTable, state: TransactionState) -> list[TransactionInput | Timer]:
    """Return inputs that lead from the start to a state."""
    paths: dict[TransactionState, list[TransactionInput | Timer]] = {table.initial: []}
    while state not in paths:
        for row in table.rows:
            if row.state in paths and row.next not in paths:
                paths[row.next] = [*paths[row.state], row.input]
    return paths[state]


ROWS = [(table, row) for table in TABLES for row in table.rows]


@pytest.mark.parametrize(
    ("table", "row"), ROWS, ids=[f"{table.name}: {row.state.value} {row.input.value}" for table, row in ROWS]
)
def test_each_row(table: TransactionTable, row: Row) -> None:
    bench = Bench(table)
    assert bench.effects() == bench.expected(table.actions, answered=False)
    assert set(bench.transaction._running) == set(table.timers)
    for given in path_to(table, row.state):
        bench.feed(given)
    assert bench.transaction.state is row.state
    bench.effects()
    answered = isinstance(bench.transaction, ServerTransaction) and bench.transaction.response is not None
    passed = bench.feed(row.input)
    assert bench.transaction.state is row.next
    assert bench.effects() == bench.expected(row.actions, answered)
    assert passed in (None, Action.PASS_ACK in row.actions)
    running = set(bench.transaction._running)
    assert running <= table.live[row.next]
    assert set(row.timers) <= running
    assert len(bench.layer) == (row.next is not TransactionState.TERMINATED) + (row.input in (Timer.C, Timer.CANCELLED))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_an_input_without_a_row_changes_nothing(table: TransactionTable) -> None:
    states = set(table.live) - {TransactionState.TERMINATED}
    for state in states:
        for given in (*TransactionInput, *Timer):
            if (state, given) in table.by_input:
                continue
            bench = Bench(table)
            for step in path_to(table, state):
                bench.feed(step)
            bench.effects()
            assert bench.transaction.take(given, 1.0) is None
            assert (bench.transaction.state, bench.effects()) == (state, [])


@pytest.mark.parametrize(
    ("table", "inputs"),
    [
        (INVITE_CLIENT, [TransactionInput.FAILURE]),
        (NON_INVITE_CLIENT, [TransactionInput.SUCCESS]),
        (INVITE_SERVER, [TransactionInput.SEND_FAILURE, TransactionInput.ACK]),
        (NON_INVITE_SERVER, [TransactionInput.SEND_SUCCESS]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_reliable_transport_has_nothing_to_absorb(table: TransactionTable, inputs: list[TransactionInput]) -> None:
    bench = Bench(table, TCP)
    assert not {Timer.A, Timer.E, Timer.G} & set(bench.transaction._running)
    for given in inputs:
        bench.feed(given)
    assert bench.transaction.terminated
    assert len(bench.layer) == 0
    assert len(bench.layer.queue) == 0


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_abandoning_ends_silently_and_once(table: TransactionTable) -> None:
    bench = Bench(table)
    bench.effects()
    bench.transaction.abandon()
    bench.transaction.abandon()
    assert bench.transaction.terminated
    assert bench.effects() == []
    assert (len(bench.layer), len(bench.layer.queue)) == (0, 0)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_an_action_of_the_other_side_is_a_programming_error(table: TransactionTable) -> None:
    action = Action.SEND_TRYING if "client" in table.name else Action.SEND_REQUEST
    with pytest.raises(AssertionError):
        Bench(table).transaction._perform(action, 0.0)


def test_its_representation_names_it() -> None:
    assert repr(Bench(INVITE_CLIENT).transaction) == "<ClientTransaction INVITE z9hG4bK1 Calling>"
