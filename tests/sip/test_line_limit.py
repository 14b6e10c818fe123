from __future__ import annotations

import logging

import pytest

from wic.sip.endpoint import Endpoint
from wic.sip.flow import Flow
from wic.sip.random_source import CountingSource
from wic.sip.timers import RFC3261
from wic.sip.transaction.layer import TransactionLayer

FLOW = Flow("UDP", ("10.0.0.1", 5060), ("192.0.2.4", 5060))


@pytest.fixture
def layer() -> TransactionLayer:
    return TransactionLayer(timers=RFC3261)


@pytest.fixture(autouse=True)
def warnings_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="wic")


def test_each_line_says_why_and_from_where(layer: TransactionLayer, caplog: pytest.LogCaptureFixture) -> None:
    layer.drop("response 200: To is missing", FLOW, now=0.0)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"dropped a message over {FLOW}: response 200: To is missing"


def test_a_flood_is_five_lines_in_ten_seconds(layer: TransactionLayer, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(100):
        layer.drop(f"number {number}", FLOW, now=number * 0.01)
    assert len(caplog.records) == 5
    layer.drop("later", FLOW, now=10.0)
    layer.drop("and again", FLOW, now=10.0)
    assert [record.getMessage().partition(str(FLOW))[2] for record in caplog.records[5:]] == [
        " (and 95 more messages, not logged): later",
        ": and again",
    ]


def test_secrets_and_line_breaks_of_the_peer_stay_out(
    layer: TransactionLayer, caplog: pytest.LogCaptureFixture
) -> None:
    layer.drop("malformed start line 'Authorization: Bearer abcdefgh'\r\nforged line", FLOW, now=0.0)
    (message,) = [record.getMessage() for record in caplog.records]
    assert "abcdefgh" not in message
    assert message.isprintable()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"rubbish\r\n\r\n", "malformed start line"),
        (b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\r\n", "response 200: From is missing"),
        (b"OPTIONS sip:a@x SIP/2.0\r\nTo: <sip:a@x>\r\n\r\n", "request without Via"),
        (
            b"ACK sip:a@x SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\r\n",
            "ACK that deserves 400 Bad Request: From",
        ),
    ],
)
def test_what_an_endpoint_drops_is_logged_and_counted(data: bytes, why: str, caplog: pytest.LogCaptureFixture) -> None:
    endpoint = Endpoint(random_source=CountingSource())
    endpoint.receive(data, FLOW, now=0.0)
    assert why in caplog.text
    assert endpoint.counters.dropped == 1


def test_an_endpoint_logs_no_flood(caplog: pytest.LogCaptureFixture) -> None:
    endpoint = Endpoint(random_source=CountingSource())
    for _ in range(50):
        endpoint.receive(b"rubbish\r\n\r\n", FLOW, now=0.0)
    assert (len(caplog.records), endpoint.counters.dropped) == (5, 50)
