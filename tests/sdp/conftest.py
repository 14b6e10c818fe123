"""Values that several tests of SDP build on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wic.sdp.attributes import Fingerprint
from wic.sdp.candidate import Candidate
from wic.sdp.transport import TransportDescription

if TYPE_CHECKING:
    from collections.abc import Callable

VECTORS = Path(__file__).parent.parent / "vectors" / "sdp"


@pytest.fixture
def vector() -> Callable[[str], bytes]:
    """Read a recorded description, with the line ends of the wire."""

    def read(name: str) -> bytes:
        return (VECTORS / name).read_text(encoding="utf-8").replace("\n", "\r\n").encode()

    return read


@pytest.fixture
def transport() -> TransportDescription:
    """A transport with ICE and DTLS, as this side would offer it."""
    return TransportDescription(
        address="192.0.2.1",
        port=5000,
        ice_ufrag="abcd",
        ice_pwd="p" * 24,
        candidates=(Candidate.parse("1 1 udp 2130706431 192.0.2.1 5000 typ host"),),
        fingerprints=(Fingerprint("sha-256", ":".join(["AB"] * 32)),),
    )


@pytest.fixture
def data_transport(transport: TransportDescription) -> TransportDescription:
    """The same for data channels."""
    return replace(transport, port=5002, sctp_port=5000, max_message_size=262144, tls_id="a" * 20)
