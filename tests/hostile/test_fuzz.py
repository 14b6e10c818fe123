"""Damaged and large inputs for all readers of foreign bytes: each returns a value or raises its documented error.

Large inputs repeat what makes parsers slow; a reader of more than linear time would exceed the time limit of the test.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wic.auth import Secret
from wic.auth.aka import MalformedNonce, parse_auts, parse_nonce
from wic.auth.bearer import read_bearer, read_bearer_challenges
from wic.auth.usim import UsimState
from wic.client import Account
from wic.errors import ConfigurationError, ProtocolError, RemoteProtocolError, WicError
from wic.network.tokens import TokenInvalid
from wic.network.tokens.claims import ALGORITHMS, read_unverified
from wic.oauth.tokens import read_token_response
from wic.registration.reg_event.reginfo import parse_reginfo
from wic.sip.ims3gpp import AlternativeService, read_alternative_service
from wic.sip.masking import mask_secrets
from wic.sip.parser import parse

if TYPE_CHECKING:
    from wic.sip.message import Request, Response

EXAMPLES = settings(max_examples=settings.default.max_examples // 2)
"""Few in `make test`, as every reader has hostile tests of its own; a thousand in `make soak`."""

REGINFO = b"""<?xml version="1.0"?><reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="1" state="full">
<registration aor="sip:a@ims.example" id="r" state="active"><contact id="c" state="active" event="shortened" expires="9"
retry-after="1" q="0.5" callid="x" cseq="1"><uri>sip:a@x.invalid</uri><unknown-param name="reg-id">1</unknown-param>
<gr:pub-gruu xmlns:gr="urn:ietf:params:xml:ns:gruuinfo" uri="sip:a@ims.example;gr=x"/></contact></registration></reginfo>"""
SERVICE = b"""<?xml version="1.0"?><ims-3gpp version="1"><alternative-service><type>restoration</type><reason>x</reason>
<action>initial-registration</action></alternative-service></ims-3gpp>"""
ACCOUNT = b"""[accounts.x]
server = "wss://x.example/"
impu = "sip:x@x.example"
impi = "x@x.example"
auth = "aka"
k = "465b5ce8b199b49faa5f0a2ee238a6bc"
opc = "cd63cb71954a9f4e48a5994e37a02baf"
amf = "8000"
accept = ["AKAv2-SHA-256"]
expires = 600
"""
STATE = UsimState().to_json().encode()
TOKEN = b'{"access_token": "abc", "token_type": "Bearer", "expires_in": 60, "impi": "a@b", "impu": ["sip:a@b"]}'
NONCE = b"I1U+kmEUr9qjsJg+xNVpMEjtgQmo4qqrBYa2yaKPTrg="


def damaged(sample: bytes) -> st.SearchStrategy[bytes]:
    """Make a strategy of samples with octets replaced, removed and inserted."""

    def apply(edits: list[tuple[int, int, bytes]]) -> bytes:
        data = bytearray(sample)
        for at, length, new in edits:
            at %= len(data) + 1
            data[at : at + length] = new
        return bytes(data)

    piece = st.binary(max_size=4) | st.sampled_from(
        [b"\0", b"<", b"&", b'"', b"=", b",", b"\xff", b"9" * 40, b"]]>", b"{["]
    )
    edit = st.tuples(st.integers(0, 2000), st.integers(0, 30), piece)
    return st.lists(edit, min_size=1, max_size=6).map(apply)


def message(kind: str, *lines: bytes, body: bytes = b"") -> Request | Response:
    start = b"REGISTER sip:b SIP/2.0" if kind == "request" else b"SIP/2.0 401 Unauthorized"
    head = [start, b"Via: SIP/2.0/WSS a.invalid;branch=z9hG4bK1", b"From: <sip:a@b>;tag=1", b"To: <sip:a@b>;tag=2"]
    head += [b"Call-ID: x", b"CSeq: 1 REGISTER", b"Max-Forwards: 70", *lines, b"Content-Length: %d" % len(body)]
    return parse(b"\r\n".join([*head, b"", body]))  # type: ignore[return-value]


@EXAMPLES
@given(damaged(REGINFO))
def test_reginfo(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        again = parse_reginfo(data)
        assert parse_reginfo(again.to_xml()) == again


@EXAMPLES
@given(damaged(SERVICE))
def test_ims_3gpp(data: bytes) -> None:
    with suppress(ProtocolError):
        found = read_alternative_service(message("response", b"Content-Type: application/3gpp-ims+xml", body=data))
        assert found is None or isinstance(found, AlternativeService)


@EXAMPLES
@given(damaged(b"Authorization: Bearer abc.def_-~+/=") | damaged(b'Authorization: Bearer access_token="abc", x=y'))
def test_credentials(line: bytes) -> None:
    with suppress(ProtocolError):
        found = read_bearer(message("request", line))
        assert found is None or isinstance(found, Secret)


@EXAMPLES
@given(
    damaged(
        b'WWW-Authenticate: Bearer realm="x", scope="ims", authz_server="https://waf.example", error="invalid_token"'
    )
)
def test_bearer_challenges(line: bytes) -> None:
    with suppress(ProtocolError):
        found = read_bearer_challenges(message("response", line))
        assert len(found) <= line.lower().count(b"bearer")


@EXAMPLES
@given(damaged(NONCE))
def test_nonces(data: bytes) -> None:
    text = data.decode("latin-1")
    with suppress(MalformedNonce):
        rand, autn = parse_nonce(text)
        assert (len(rand), len(autn)) == (16, 16)
    found = parse_auts(text)
    assert found is None or isinstance(found, bytes)


@EXAMPLES
@given(damaged(STATE))
def test_states_of_a_usim(data: bytes) -> None:
    with suppress(ConfigurationError):
        state = UsimState.from_json(data.decode("latin-1"))
        assert UsimState.from_json(state.to_json()) == state


@EXAMPLES
@given(damaged(ACCOUNT))
def test_accounts(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        with suppress(ConfigurationError):
            assert isinstance(Account.load("x", path=Path(file.name)), Account)


@EXAMPLES
@given(damaged(TOKEN))
def test_answers_with_tokens(data: bytes) -> None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(document, dict):
        with suppress(WicError):
            shown = repr(read_token_response(document, issuer="https://waf.example", scope="ims", now=0.0))
            assert "access_token" not in shown


@EXAMPLES
@given(damaged(b"eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJ4In0.AAAA"))
def test_tokens(data: bytes) -> None:
    with suppress(TokenInvalid):
        assert read_unverified(data.decode("latin-1")).algorithm in ALGORITHMS


MANY = 60_000
LARGE = {
    "brackets": b"[" * MANY,
    "braces": b'{"a":' * (MANY // 5),
    "elements": b"<a>" * (MANY // 3),
    "attributes": b"<a " + b" ".join(b'a%d=""' % n for n in range(MANY // 9)) + b"/>",
    "namespaces": b"<a " + b" ".join(b'xmlns:a%d="b"' % n for n in range(MANY // 16)) + b"/>",
    "references": b"<a>" + b"&#65;" * (MANY // 5) + b"</a>",
    "quotes": b'"\\' * (MANY // 2),
    "commas": b"," * MANY,
    "equals": b"=" * MANY,
    "blanks": b" " * MANY,
    "digits": b"9" * MANY,
    "Bearer": b"Bearer " * (MANY // 7),
    "response": b"response=" * (MANY // 9),
    "response with blanks": b"response" + b" \t" * (MANY // 2),
    "sip": b"sip:" * (MANY // 4),
    "dots": b"." * MANY,
    "letters": b"A" * MANY,
    "crypto": b"a=crypto:1 X inline:" * (MANY // 20),
}


@pytest.mark.parametrize("data", LARGE.values(), ids=LARGE.keys())
def test_large_inputs(data: bytes, tmp_path: Path) -> None:
    text = data.decode("latin-1")
    for read in (parse_reginfo, lambda data: parse_reginfo(b"<reginfo>" + data)):
        with pytest.raises(RemoteProtocolError):
            read(data)
    with pytest.raises(MalformedNonce):
        parse_nonce(text)
    with pytest.raises(TokenInvalid):
        read_unverified(text)
    with pytest.raises(ConfigurationError):
        UsimState.from_json(text)
    file = tmp_path / "accounts.toml"
    for start in (b"", b"[accounts.x]\npassword = "):
        file.write_bytes(start + data)
        file.chmod(0o600)
        with pytest.raises(ConfigurationError):
            Account.load("x", path=file)
    assert parse_auts(text) is None
    for header in (b"Authorization: Bearer ", b"Authorization: ", b"Content-Type: application/3gpp-ims+xml\r\nX: "):
        with suppress(ProtocolError):
            read_bearer(message("request", header + data[:16_000]))
    with suppress(ProtocolError):
        read_alternative_service(message("response", b"Content-Type: application/3gpp-ims+xml", body=data))
    mask_secrets(data * 10)
