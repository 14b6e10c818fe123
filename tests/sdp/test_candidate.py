from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.sdp.candidate import Candidate
from wic.sdp.errors import SdpRefused

WORD = st.from_regex(r"[!-~]{1,20}", fullmatch=True)
EXTENSIONS = st.tuples(WORD.filter(lambda word: word not in ("raddr", "rport", "tcptype")), WORD)

CANDIDATES = st.builds(
    Candidate,
    foundation=st.from_regex(r"[A-Za-z0-9+/]{1,32}", fullmatch=True),
    component=st.integers(1, 256),
    transport=st.sampled_from(["udp", "tcp"]),
    priority=st.integers(1, 2**31 - 1),
    address=st.one_of(st.ip_addresses().map(str), st.just("a1b2.local")),
    port=st.integers(0, 65535),
    type=st.sampled_from(["host", "srflx", "prflx", "relay"]),
    related_address=st.one_of(st.none(), st.ip_addresses().map(str)),
    related_port=st.one_of(st.none(), st.integers(0, 65535)),
    tcp_type=st.one_of(st.none(), st.sampled_from(["active", "passive", "so"])),
    extensions=st.lists(EXTENSIONS, max_size=3).map(tuple),
)


@given(CANDIDATES)
def test_round_trip(candidate: Candidate) -> None:
    assert Candidate.parse(str(candidate)) == candidate


def test_rfc_6544_example() -> None:
    candidate = Candidate.parse("candidate:1 1 TCP 2128609279 10.0.1.1 9 typ host tcptype active")
    assert (candidate.transport, candidate.port, candidate.tcp_type) == ("tcp", 9, "active")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 1 udp 1 192.0.2.1 5000 type host",
        "1 1 udp 1 192.0.2.1 5000 typ",
        "1 1 udp 1 192.0.2.1 5000 typ host generation",
        "1 0 udp 1 192.0.2.1 5000 typ host",
        "1 1 udp 0 192.0.2.1 5000 typ host",
        "1 1 udp 4294967295 192.0.2.1 5000 typ host",
        "1 1 udp 1 192.0.2.1 70000 typ host",
        "1 1 udp 1 192.0.2.1 5000 typ srflx raddr 10.0.0.1 rport x",
        "! 1 udp 1 192.0.2.1 5000 typ host",
        "1 1 udp 1 192.0.2.1\x07 5000 typ host",
        "1 1 udp 1 " + "a" * 300 + " 5000 typ host",
    ],
)
def test_a_malformed_candidate_is_refused(text: str) -> None:
    with pytest.raises(SdpRefused):
        Candidate.parse(text)
