import pytest

from wic.errors import LocalProtocolError
from wic.sip.events import AckTimedOut, RequestReceived
from wic.sip.message import Response
from wic.sip.transaction.tables import TransactionState


@pytest.fixture
def received(net, make_request):
    """Make a peer receive a request; return network and server transaction."""

    def receive(method, *, transport="UDP", **options):
        a, b = net.host("a", transport=transport), net.host("b", transport=transport, **options)
        a.endpoint.send_request(make_request(method), a.flow_to(b), now=0.0)
        net.run()
        return net, b, b.take(RequestReceived)[0].transaction

    return receive


def test_100_is_sent_after_200_ms_unless_the_user_is_quicker(received) -> None:
    net, _b, transaction = received("INVITE")
    net.run(0.19)
    assert net.lines() == ["a INVITE"]
    net.run(0.2)
    assert net.lines() == ["a INVITE", "b 100 INVITE"]
    assert (transaction.response.status, transaction.to_tag, transaction.answered) == (100, None, False)


def test_no_100_after_the_users_own_answer(received) -> None:
    net, b, transaction = received("INVITE")
    b.endpoint.reply(transaction, 180, now=0.1)
    net.run(5)
    assert net.lines() == ["a INVITE", "b 180 INVITE"]
    assert transaction.to_tag == transaction.tag


def test_another_request_gets_no_100_by_itself(received) -> None:
    net, _, transaction = received("OPTIONS", transport="TCP")
    net.run(20)
    assert net.lines() == ["a OPTIONS"]
    assert transaction.state is TransactionState.TRYING


def test_an_unanswered_request_is_forgotten_when_no_peer_waits_any_more(received) -> None:
    net, b, transaction = received("OPTIONS")
    net.run(32)
    assert transaction.terminated
    assert not b.endpoint.reply(transaction, 200, now=33)
    net.run()
    assert "b 200 OPTIONS" not in net.lines()
    assert transaction.response is None


def test_a_repeated_request_gets_the_last_response_again(received) -> None:
    net, b, transaction = received("OPTIONS")
    net.run(0.6)
    assert net.lines() == ["a OPTIONS", "a OPTIONS"]
    net.filter = lambda data: not data.startswith(b"SIP/2.0")
    b.endpoint.reply(transaction, 200, now=1.0)
    net.run(2)
    assert net.lines() == ["a OPTIONS", "a OPTIONS", "b 200 OPTIONS", "a OPTIONS", "b 200 OPTIONS"]
    assert b.endpoint.counters.absorbed == 2
    assert b.take(RequestReceived) == []


def test_a_failure_is_repeated_by_timer_g_until_timer_h(received) -> None:
    net, b, transaction = received("INVITE")
    net.filter = lambda data: False
    b.endpoint.reply(transaction, 486, now=0.0)
    net.run(100)
    # RFC 3261 §17.2.1
    times = [when for when, who, _ in net.sent if who == "b"]
    assert times == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert b.events == [AckTimedOut(transaction, None)]
    assert transaction.terminated


def test_a_failure_is_not_repeated_on_a_reliable_transport(received) -> None:
    net, b, transaction = received("INVITE", transport="WSS")
    net.filter = lambda data: False
    b.endpoint.reply(transaction, 486, now=0.0)
    net.run(100)
    assert net.lines() == ["a INVITE", "b 486 INVITE"]
    assert b.events == [AckTimedOut(transaction, None)]


def test_only_the_first_final_response_is_sent(received) -> None:
    _net, b, transaction = received("INVITE")
    assert b.endpoint.reply(transaction, 486, now=0.0)
    assert not b.endpoint.reply(transaction, 200, now=0.0)
    assert transaction.response.status == 486
    assert transaction.answered


def test_a_response_that_cannot_be_written_leaves_the_state(received) -> None:
    _net, b, transaction = received("INVITE")
    response = Response.answer(transaction.request, 200, headers=[("Subject", "a\r\nVia: b")])
    with pytest.raises(LocalProtocolError):
        b.endpoint.respond(transaction, response, now=0.0)
    assert transaction.state is TransactionState.PROCEEDING
    assert b.endpoint.reply(transaction, 500, now=0.0)
