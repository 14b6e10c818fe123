from __future__ import annotations

import pytest

from wic.sip.masking import mask_secrets, mask_userinfo, masked


@pytest.mark.parametrize(
    ("text", "shown"),
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
def test_values_are_masked_and_names_kept(text: str, shown: str) -> None:
    assert mask_secrets(text.encode()).decode() == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("wss://u:p@x/, https://a:b:c@y", "wss://***@x/, https://***@y"),
        ("wss://u:p@q@x", "wss://***@x"),
        ("https://x/a@b, https://x?a@b", "https://x/a@b, https://x?a@b"),
        ("sip:a@b", "sip:a@b"),
        ("'u:p@x' is, u:p@q@x", "'***@x' is, ***@x"),
        ("--server=u:p@x, waf=u:p@x:9/y", "--server=***@x, waf=***@x:9/y"),
        ("wss:u:p@x wss:/u:p@x", "***@x ***@x"),
        ("wss://u:p/q#r?s@x/", "wss://***@x/"),
        ("y=sip:u:p@x sips:u:p@x", "y=sip:***@x sips:***@x"),
        ("https://x:80/a@b https://[::1]:80/a@b", "https://x:80/a@b https://[::1]:80/a@b"),
        ("a@b: no; line 3: a@b, tel:+1@x", "a@b: no; line 3: a@b, tel:+1@x"),
    ],
)
def test_users_and_passwords_of_urls_are_masked(text: str, shown: str) -> None:
    assert mask_userinfo(text) == shown


@pytest.mark.parametrize("piece", [b"sip:", b'response="', b"Bearer ", b"a=crypto:1 x inline:", b"ik=", b"sip:a:"])
def test_masking_takes_linear_time(piece: bytes) -> None:
    assert mask_secrets(piece * 200_000)
    assert mask_userinfo(piece.decode() * 20_000)


def test_a_text_for_a_log_is_one_line_without_secrets() -> None:
    assert masked("<sip:a:b@x>\r\nforged \x1b\ud800") == "<sip:a:***@x>\\r\\nforged \\x1b?"
