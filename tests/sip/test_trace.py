from __future__ import annotations

import time

import pytest

from wic.sip.flow import Flow
from wic.sip.message import Request
from wic.sip.parser import parse
from wic.sip.trace import Direction, format_message, time_text

FLOW = Flow("WSS", ("192.0.2.1", 49152), ("192.0.2.2", 443), "7")


def test_a_message_for_people() -> None:
    raw = b"OPTIONS sip:x SIP/2.0\r\nAuthorization: Bearer abc\r\nl: 2\r\n\r\n\x1b\xff"
    text = format_message(parse(raw), direction=Direction.RECEIVED, flow=FLOW, at=12.5)
    assert text == (
        f"{time_text(12.5)} <<< WSS 192.0.2.1:49152 -> 192.0.2.2:443\n"
        "OPTIONS sip:x SIP/2.0\nAuthorization: Bearer ***\nl: 2\n\n\\x1b\\xff\n"
    )


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("UTC", "2026-11-29 23:59:59.987"),
        ("CET-1", "2026-11-30 00:59:59.987"),
        ("NST3:30", "2026-11-29 20:29:59.987"),
    ],
)
def test_a_time_is_local(monkeypatch, zone, text) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert time_text(1_795_996_799.9876) == text
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_was_changed_is_shown_as_it_goes_out() -> None:
    message = parse(b"OPTIONS sip:x SIP/2.0\r\nl: 0\r\n\r\n").copy()
    message.headers.add("Subject", "new")
    assert "Subject: new" in format_message(message, direction=Direction.SENT, flow=FLOW, at=0)
    assert "Subject: new" not in format_message(message, direction=Direction.RECEIVED, flow=FLOW, at=0)


def test_bytes_and_messages_of_our_own() -> None:
    named = format_message(b"x", direction=Direction.SENT, flow=FLOW, at=0, owner="alice [7]")
    assert named.startswith(f"{time_text(0)} alice [7] >>> WSS ")
    assert "\nrubbish\\x00\n" in format_message(b"rubbish\0", direction=Direction.RECEIVED, flow=FLOW, at=0)
    assert "OPTIONS sip:x" in format_message(
        Request.build("OPTIONS", "sip:x"), direction=Direction.RECEIVED, flow=FLOW, at=0
    )
