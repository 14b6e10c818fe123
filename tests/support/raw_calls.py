"""Calls between WICs whose messages are written and read as text, and the session descriptions of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wic.network.epcscf.leg import Leg

FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
SECURITY = f"a=ice-ufrag:abcd\r\na=ice-pwd:{'p' * 24}\r\na=fingerprint:{FINGERPRINT}\r\n"
AUDIO = (
    "m=audio 40000 UDP/TLS/RTP/SAVPF 0 101\r\nc=IN IP4 127.0.0.1\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
)
DATA = "m=application 40002 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 127.0.0.1\r\na=sctp-port:5000\r\n"
HEAD = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n"
OFFER = (
    f"{HEAD}a=group:BUNDLE 0 1 2\r\nt=0 0\r\n{AUDIO}a=mid:0\r\n{SECURITY}a=setup:actpass\r\na=rtcp-mux\r\n"
    "a=3ge2ae:requested\r\na=candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host\r\na=x-unknown:kept\r\n"
    f"m=video 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=bundle-only\r\na=rtpmap:96 VP8/90000\r\n{SECURITY}"
    f"a=setup:actpass\r\n{DATA}a=mid:2\r\n{SECURITY}a=setup:actpass\r\n"
)
ANSWER = (
    f"{HEAD}t=0 0\r\n{AUDIO}{SECURITY}a=setup:active\r\na=rtcp-mux\r\n"
    "a=candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host\r\n"
    f"{DATA}{SECURITY}a=setup:active\r\n"
)
ALICE, BOB = "sip:alice@ims.example", "sip:bob@ims.example"
SECRETS = (
    "fingerprint",
    "ice-",
    "candidate",
    "3ge2ae",
    "BUNDLE",
    "bundle-only",
    "a=setup",
    "rtcp-mux",
    "SAVPF",
    "SCTP",
)


def sdp(message: bytes) -> str:
    return message.decode().partition("\r\n\r\n")[2]


def m_lines(message: bytes) -> list[str]:
    return re.findall(r"^m=.*?(?=\r$)", sdp(message), re.MULTILINE)


def uri_of(value: str) -> str:
    found = re.search("<(.*?)>", value)
    assert found is not None
    return found[1]


def legs(ims) -> Iterator[Leg]:
    """Return the legs of all calls at the eP-CSCF."""
    return (leg for ue in ims.epcscf.ues for leg in ue.legs.values())


class Call:
    """An answered call between two raw WICs."""

    def __init__(self, alice, bob, ok: bytes, invited: bytes) -> None:
        self.alice, self.bob, self.ok, self.invited = alice, bob, ok, invited

    def within(self, method: str, *lines: str, body: str = "", cseq: int | None = None) -> str:
        """Write a request of the caller within the dialog (RFC 3261 §12.2.1.1)."""
        routes = [f"Route: {value}" for value in reversed(self.alice.headers(self.ok, "Record-Route"))]
        target = uri_of(self.alice.header(self.ok, "Contact"))
        to = self.alice.header(self.ok, "To")
        return self.alice.request(method, target, *routes, *lines, to=to, call_id="call-1", body=body, cseq=cseq)

    def within_by_bob(self, method: str, *lines: str, body: str = "") -> str:
        """Write a request of the called one within the dialog."""
        routes = [f"Route: {value}" for value in self.bob.headers(self.invited, "Record-Route")]
        target = uri_of(self.bob.header(self.invited, "Contact"))
        own = f"{self.bob.header(self.ok, 'To')}"
        to = self.bob.header(self.invited, "From")
        return self.bob.request(method, target, *routes, *lines, to=to, from_=own, call_id="call-1", body=body)
