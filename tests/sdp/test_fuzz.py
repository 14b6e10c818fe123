"""The fuzz target of `tests/fuzz`, driven by hypothesis: recorded descriptions with wounds."""

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
VECTORS = [path.read_bytes() for path in sorted((TESTS / "vectors" / "sdp").glob("*.sdp"))]
check: Callable[[bytes], None] = runpy.run_path(str(TESTS / "fuzz" / "fuzz_sdp.py"))["check"]

PIECES = [b"a=", b"m=", b"0", b"-1", b"99999999999999999999", b" ", b":", b"/", b"\r", b"\0", b"\xff", b"UDP/DTLS/SCTP"]
WOUNDS = st.tuples(st.integers(0, 4000), st.integers(0, 40), st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)))


@pytest.mark.parametrize("vector", VECTORS)
def test_recorded_descriptions(vector: bytes) -> None:
    check(vector)


@settings(max_examples=300)
@given(st.sampled_from(VECTORS), st.lists(WOUNDS, max_size=6))
def test_wounded_descriptions(vector: bytes, wounds: list[tuple[int, int, bytes]]) -> None:
    data = vector
    for position, length, piece in wounds:
        place = position % (len(data) + 1)
        data = data[:place] + piece + data[place + length :]
    check(data)


@given(st.permutations(VECTORS[0].splitlines(keepends=True)))
def test_lines_in_any_order(lines: list[bytes]) -> None:
    check(b"".join(lines))
    check(b"v=0\no=- 1 1 IN IP4 192.0.2.1\n" + b"".join(lines))


def test_many_lines_take_little_work() -> None:
    """Every line is read a bounded number of times, for any other lines."""
    head = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"
    check(head + b"a=fingerprint:sha-256 AB\r\n" * 1900 + b"m=audio 9 RTP/AVP 0\r\n" * 60)
