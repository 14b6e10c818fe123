from __future__ import annotations

import time

import pytest

from wic.sip.flow import Flow
from wic.sip.message import Request
from wic.sip.parser import parse
from wic.sip.trace import Direction, format_message, mask_secrets, mask_userinfo, time_text

FLOW = Flow("WSS", ("192.0.2.1", 49152), ("192.0.2.2", 443), "7")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (
            'Authorization: Digest username="a", response = "6629", cnonce="x\\"y", auts="z", uri="sip:b"',
            'Authorization: Digest username="a", response = ***, cnonce=***, auts=***, uri="sip:b"',
        ),
        ('Authentication-Info: rspauth="1234", nextnonce="n"', 'Authentication-Info: rspauth=***, nextnonce="n"'),
        ('WWW-Authenticate: Digest nonce="n",ik="00",ck="11"', 'WWW-Authenticate: Digest nonce="n",ik=***,ck=***'),
        ("Authorization: Bearer eyJ.x-y_z==", "Authorization: Bearer ***"),
        ("authorization: bearer eyJ=", "authorization: bearer ***"),
        ('Authorization: Bearer access_token="eyJ"', "Authorization: Bearer access_token=***"),
        ("Proxy-Authorization: Basic YWxhZGRpbg==", "Proxy-Authorization: Basic ***"),
        ('WWW-Authenticate: Bearer realm="x", scope="y"', 'WWW-Authenticate: Bearer realm="x", scope="y"'),
        ("GET /?access_token=abc&x=1", "GET /?access_token=***&x=1"),
        ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZ|2^20", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***|2^20"),
        ("v=0\r\na=key-mgmt:mikey AQAF\r\nk=clear:secret\r\na=ice-pwd:asd88\r\n", "v=0\r\na=key-mgmt:mikey ***\r\nk=clear:***\r\na=ice-pwd:***\r\n"),
        ("To: <sip:alice:secret@x>", "To: <sip:alice:***@x>"),
        ("Contact: <sip:alice@x:5060>", "Contact: <sip:alice@x:5060>"),
        ('Response-Source: x; fe="y"; acktau=1', 'Response-Source: x; fe="y"; acktau=1'),
        ('response="open', "response=***"),
        ('Authorization: Digest nonce="", response="", auts="z"', 'Authorization: Digest nonce="", response="", auts=***'),
    ],
)  # fmt: skip
def test_values_are_masked_and_names_kept(text: str, masked: str) -> None:
    assert mask_secrets(text.encode()).decode() == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("wss://u:p@x/, https://a:b:c@y", "wss://***@x/, https://***@y"),
        ("wss://u:p@q@x", "wss://***@x"),
        ("https://x/a@b, https://x?a@b", "https://x/a@b, https://x?a@b"),
        ("sip:a@b", "sip:a@b"),
    ],
)
def test_users_and_passwords_of_urls_are_masked(text: str, masked: str) -> None:
    assert mask_userinfo(text) == masked


@pytest.mark.parametrize("piece", [b"sip:", b'response="', b"Bearer ", b"a=crypto:1 x inline:", b"ik=", b"sip:a:"])
def test_masking_takes_linear_time(piece: bytes) -> None:
    assert mask_secrets(piece * 200_000)


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
