"""Requests and responses of a client in virtual time, before a server made of strings: whole messages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.impostor import Impostor
from wic.media import MediaTransportOptions

from .transcript import Names, Transcript, expect_recorded

if TYPE_CHECKING:
    from tests.support.impostor import Text

pytestmark = pytest.mark.virtual_time

CHALLENGE = 'WWW-Authenticate: Digest realm="ims.example", nonce="{}", algorithm=SHA-256, qop="auth"'
OFFER = """v=0
o=- 7 1 IN IP4 192.0.2.7
s=-
t=0 0
m=audio 5000 UDP/TLS/RTP/SAVPF 0
c=IN IP4 192.0.2.7
a=mid:audio
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuvwx
a=fingerprint:sha-256 {}
a=setup:actpass
a=rtcp-mux
a=candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host
""".format(":".join(["0A"] * 32)).replace("\n", "\r\n")


@pytest.fixture
async def server() -> Impostor:
    return Impostor()


async def test_refreshes(server: Impostor) -> None:
    nonces = ["one", "two"]

    def answer(request: Text) -> list[str]:
        """Ask for a proof of the first nonce, and at the refresh for one of the second."""
        wanted = nonces[len(server.requests) > 2]
        if request.parameter("Authorization", "nonce") != wanted:
            return [request.answer("401 Unauthorized", CHALLENGE.format(wanted))]
        return [server.grant(request, expires=600)]

    server.answer = answer
    said = Transcript()
    client = server.client()
    client.on_message(said.at("W2 alice"))
    async with client:
        while len(server.requests) < 4:  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(1)
    # RFC 3261 §10.2.4; TS 24.229 §5.1.1.4.1: at half of 600 s.
    assert round(server.times[2] - server.times[1]) == 300
    expect_recorded("refresh", [each for each in said if each.sent], Names())


def write(method: str, uri: str, number: int, *lines: str, to: str = "<sip:alice@ims.example>", body: str = "") -> str:
    """Write a request of the caller."""
    head = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/WS impostor.invalid;branch=z9hG4bK{method}{number}",
        "Max-Forwards: 70",
        "From: <sip:bob@ims.example>;tag=caller",
        f"To: {to}",
        "Call-ID: call",
        f"CSeq: {number} {method}",
        "Contact: <sip:bob@impostor.invalid>",
        *lines,
        *(["Content-Type: application/sdp"] if body else []),
    ]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", body])


async def test_answers_requests_within_a_call(server: Impostor) -> None:
    said = Transcript()
    media = MediaTransportOptions(addresses=("127.0.0.1",))
    async with server.client(options={"media": media}) as client:
        client.on_message(said.at("W2 alice"))
        contact = server.registers()[-1].one("Contact").partition(">")[0].strip("<")
        server.send(write("INVITE", contact, 1, body=OFFER))
        call = await anext(client.incoming())
        answering = asyncio.create_task(call.answer())
        while not server.responses or server.responses[-1].status != 200:  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.01)
        accepted = server.responses[-1]
        later = OFFER.replace("o=- 7 1", "o=- 7 2").replace("a=rtcp-mux", "a=rtcp-mux\r\na=sendonly")
        uri, to = accepted.one("Contact").strip("<>"), accepted.one("To")
        for number, (method, lines, body) in enumerate(
            [
                ("ACK", [], ""),
                ("OPTIONS", [], ""),
                ("INFO", [], ""),
                ("INFO", ["Info-Package: none"], ""),
                ("MESSAGE", [], ""),
                ("UPDATE", [], later),
                ("INVITE", [], later.replace("o=- 7 2", "o=- 7 3")),
                ("BYE", [], ""),
            ],
            start=1,
        ):
            server.send(write(method, uri, number, *lines, to=to, body=body))
            if method == "INVITE":
                server.send(write("ACK", uri, number, to=to))
        await call.ended()
        await answering
    expect_recorded("answers", [each for each in said if each.sent and each.header("Call-ID") == "call"], Names())
