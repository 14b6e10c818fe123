"""The fuzz target of `tests/fuzz`, driven by hypothesis: from rubbish to nearly right."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

TESTS = Path(__file__).parent.parent
VECTORS = sorted((TESTS / "vectors").glob("rfc*/*.dat"))
check: Callable[[bytes], None] = runpy.run_path(str(TESTS / "fuzz" / "fuzz_sip_parser.py"))["check"]

STARTS = [b"OPTIONS sip:bob@example.com SIP/2.0\r\n", b"SIP/2.0 200 OK\r\n", b"INVITE tel:+1 SIP/2.0\r\n", b"\r\n", b""]
NAMES = [
    b"Via",
    b"v",
    b"From",
    b"t",
    b"Call-ID",
    b"CSeq",
    b"Contact",
    b"Route",
    b"l",
    b"Content-Type",
    b"Authorization",
    b"X",
]
PIECES = [
    b"SIP/2.0/UDP ", b"<sip:a@b>", b"sip:", b"[2001:db8::1]", b":5060", b'"', b"\\", b";", b",", b"=", b"<", b">", b"?", b"&",
    b"%41", b"%", b"tag=1", b"branch=z9hG4bK", b" ", b"\t", b"\r\n ", b"\r\n", b"\0", b"\xc3\xa9", b"\xff", b"\x1b", b"1", b"INVITE",
    b"Digest ", b"multipart/mixed;boundary=b", b"--b", b"*", b"a",
]  # fmt: skip

values = st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)
fields = st.tuples(st.sampled_from(NAMES), values).map(lambda pair: pair[0] + b": " + pair[1] + b"\r\n")
messages = st.tuples(st.sampled_from(STARTS), st.lists(fields, max_size=10).map(b"".join), values).map(
    lambda parts: parts[0] + parts[1] + b"\r\n" + parts[2]
)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_torture_messages(path: Path) -> None:
    check(path.read_bytes())


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_rubbish(data: bytes) -> None:
    check(data)


@given(messages)
@settings(max_examples=400, deadline=None)
def test_nearly_right_messages(data: bytes) -> None:
    check(data)


@given(st.sampled_from(VECTORS), st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_torture_messages(path: Path, data: st.DataObject) -> None:
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw)))
        length = data.draw(st.integers(0, 3))
        raw[place : place + length] = data.draw(st.sampled_from(PIECES) | st.binary(max_size=3))
    check(bytes(raw))
