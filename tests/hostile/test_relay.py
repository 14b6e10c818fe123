"""Detours that a registered WIC writes into in-dialog requests: these go to the peer of the dialog alone."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Text

pytestmark = pytest.mark.usefixtures("well_behaved")

METHODS = ["BYE", "INFO", "OPTIONS", "SUBSCRIBE", "REFER", "UPDATE"]
DETOURS = ["route", "route behind the others", "request-uri", "strict", "both"]


@pytest.fixture
def trap():
    """A UDP socket that is no party of any dialog."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        opened.setblocking(False)
        yield opened


def caught(trap) -> bytes:
    try:
        return trap.recv(65536)
    except BlockingIOError:
        return b""


class MadeDialog:
    """Dialog state as the caller reads it from the 2xx."""

    def __init__(self, wic, ok: Text) -> None:
        self.wic, self.ok = wic, ok
        self.target = re.search(r"<(.*)>", ok.one("Contact"))[1]
        self.routes = list(reversed([each.strip() for line in ok.all("Record-Route") for each in line.split(",")]))

    def write(self, method: str, uri: str, routes: list[str], *lines: str, to: str = "") -> str:
        contact = f"Contact: <sip:{self.wic.user}@{self.wic.user}.invalid;transport=ws>"
        head = [f"Route: {each}" for each in routes]
        return self.wic.write(
            method, uri, *head, contact, *lines, to=to or self.ok.one("To"), call_id=self.ok.one("Call-ID")
        )

    def detoured(self, method: str, detour: str, trap, *lines: str) -> str:
        """Write a request with a detour to the trap."""
        evil = f"sip:127.0.0.1:{trap.getsockname()[1]};lr"
        own = self.routes[0]
        uri, routes = {
            "route": (self.target, [own, f"<{evil}>"]),
            "route behind the others": (self.target, [*self.routes[:3], f"<{evil}>", *self.routes[3:]]),
            "request-uri": (evil, [own]),
            "strict": (own.strip("<>"), [f"<{evil}>"]),
            "both": (evil, [*self.routes, f"<{evil}>"]),
        }[detour]
        return self.write(method, uri, routes, *lines)


@pytest.fixture
async def call(intrude):
    """Return a call from alice to bob, and bob's connection."""
    alice, bob = await intrude("alice"), await intrude("bob")
    await alice.registered()
    await bob.registered()
    contact = "Contact: <sip:alice@alice.invalid;transport=ws>"
    await alice.send(alice.write("INVITE", "sip:bob@ims.example", contact, call_id="call"))
    invited = await bob.expect(0)
    await bob.send(invited.answer("200 OK", "Contact: <sip:bob@bob.invalid;transport=ws>"))
    made = MadeDialog(alice, await alice.expect(200))
    await alice.send(made.write("ACK", made.target, made.routes))
    assert (await bob.expect(0)).method == "ACK"
    return made, bob


@pytest.mark.parametrize("detour", DETOURS)
@pytest.mark.parametrize("method", METHODS)
async def test_a_detour_within_a_call(call, trap, method, detour):
    """The request reaches bob, with his contact as Request-URI."""
    made, bob = call
    await made.wic.send(made.detoured(method, detour, trap, "Event: presence", "Expires: 60"))
    came = await bob.expect(0)
    assert came.text.startswith(f"{method} sip:bob@bob.invalid;transport=ws SIP/2.0\r\n")
    assert came.all("Route") == []
    await bob.send(came.answer("200 OK", "Contact: <sip:bob@bob.invalid;transport=ws>"))
    await made.wic.expect(200)
    assert not caught(trap)


@pytest.mark.parametrize("detour", DETOURS)
async def test_a_detour_of_an_ack(call, trap, detour):
    made, bob = call
    await made.wic.send(made.detoured("ACK", detour, trap))
    assert (await bob.expect(0)).text.startswith("ACK sip:bob@bob.invalid;transport=ws ")
    assert not caught(trap)


@pytest.mark.parametrize("method", ["ACK", *METHODS])
async def test_an_unknown_dialog(call, trap, method):
    """The Record-Route value of this connection leads nowhere without a dialog."""
    made, bob = call
    evil = f"<sip:127.0.0.1:{trap.getsockname()[1]};lr>"
    text = made.write(method, evil.strip("<>"), [made.routes[0], evil], to="<sip:bob@ims.example>;tag=invented")
    await made.wic.send(text)
    if method != "ACK":
        await made.wic.expect(481)
    await made.wic.expect_nothing()
    await bob.expect_nothing()
    assert not caught(trap)


@pytest.mark.parametrize("detour", DETOURS)
async def test_a_detour_of_a_subscription_refresh(intrude, trap, detour):
    """Behind the eP-CSCF this dialog has no further Route, so that only the Request-URI would decide."""
    alice = await intrude("alice")
    await alice.registered()
    lines = ["Event: reg", "Expires: 3600"]
    contact = "Contact: <sip:alice@alice.invalid;transport=ws>"
    await alice.send(alice.write("SUBSCRIBE", "sip:alice@ims.example", *lines, contact, call_id="reg-event"))
    made = MadeDialog(alice, await alice.expect(200))
    await alice.send((await alice.expect(0)).answer("200 OK"))
    for expires in (1800, 0):
        await alice.send(made.detoured("SUBSCRIBE", detour, trap, "Event: reg", f"Expires: {expires}"))
        await alice.expect(200)
        notify = await alice.expect(0)
        assert notify.method == "NOTIFY"
        await alice.send(notify.answer("200 OK"))
    assert not caught(trap)


@pytest.mark.parametrize(
    ("status", "header"),
    [("401 Unauthorized", "WWW-Authenticate"), ("407 Proxy Authentication Required", "Proxy-Authenticate")],
)
async def test_challenges_of_the_called_side(call, status, header):
    """They are removed: the caller could take them for those of the network, and a password can be guessed offline."""
    made, bob = call
    alice = made.wic
    await alice.send(alice.write("INVITE", "sip:bob@ims.example", "Contact: <sip:a@a.invalid>", call_id="second"))
    invited = await bob.expect(0)
    await bob.send(invited.answer(status, f'{header}: Digest realm="ims.example", nonce="n", qop="auth"'))
    assert not (await alice.expect(int(status[:3]))).all(header)


async def test_detours_of_the_called_side(call, trap):
    """The Record-Route of the answer is ignored: requests of the called side go back to the caller."""
    made, bob = call
    evil = f"<sip:127.0.0.1:{trap.getsockname()[1]};lr>"
    contact = f"Contact: <sip:alice@127.0.0.1:{trap.getsockname()[1]}>"
    alice = made.wic
    await alice.send(alice.write("INVITE", "sip:bob@ims.example", contact, f"Record-Route: {evil}", call_id="second"))
    invited = await bob.expect(0)
    assert evil not in str(invited)
    answer = invited.answer("200 OK", f"Record-Route: {evil}", "Contact: <sip:bob@bob.invalid;transport=ws>")
    await bob.send(answer)
    ok = await alice.expect(200)
    assert evil not in str(ok)
    again = MadeDialog(alice, ok)
    await alice.send(again.write("ACK", again.target, again.routes))
    assert (await bob.expect(0)).method == "ACK"
    uri = re.search(r"<(.*)>", invited.one("Contact"))[1]
    routes = [f"Route: {each}" for each in [*invited.all("Record-Route")[:1], evil]]
    to, own = invited.one("From"), invited.one("To")
    text = bob.write("INFO", uri, *routes, to=to, from_=own, call_id="second").replace("tag=bob", "tag=far")
    await bob.send(text)
    info = await alice.expect(0)
    assert info.method == "INFO"
    await alice.send(info.answer("200 OK"))
    await bob.expect(200)
    assert not caught(trap)
