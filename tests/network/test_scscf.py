"""The S-CSCF by itself, spoken to over UDP in plain text."""

from __future__ import annotations

import asyncio
import re

import pytest

from wic.auth.secret import Secret
from wic.network.hss import Binding, Hss
from wic.network.scscf.options import RegistrarOptions
from wic.network.scscf.server import Scscf, ScscfOptions

ALICE, BOB = "sip:alice@ims.example", "sip:bob@ims.example"


class Peer(asyncio.DatagramProtocol):
    """Something on Mw."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[str] = asyncio.Queue()

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.address = transport.get_extra_info("sockname")

    def datagram_received(self, data, addr) -> None:
        self.got.put_nowait(data.decode())

    async def receive(self, start: str) -> str:
        async with asyncio.timeout(5):
            message = await self.got.get()
        assert message.startswith(start), message
        return message


class World:
    def __init__(self, hss: Hss, scscf: Scscf, peer: Peer) -> None:
        self.hss, self.scscf, self.peer = hss, scscf, peer
        self.number = 0

    def send(self, method: str, uri: str, *lines: str, to: str = f"<{BOB}>") -> None:
        self.number += 1
        host, port = self.peer.address
        text = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{self.number}",
            "Max-Forwards: 70",
            f"From: <{ALICE}>;tag=a",
            f"To: {to}",
            f"Call-ID: c{self.number}",
            f"CSeq: {self.number} {method}",
            *lines,
            "Content-Length: 0\r\n\r\n",
        ]
        mw = self.scscf.node.mw
        self.peer.transport.sendto("\r\n".join(text).encode(), (mw.host, mw.port))

    def reply(self, request: str, status: str) -> None:
        kept = re.findall(r"^(?:Via|From|To|Call-ID|CSeq): .*$", request.replace("\r", ""), re.MULTILINE)
        text = "\r\n".join([f"SIP/2.0 {status}", *kept, "Content-Length: 0\r\n\r\n"])
        mw = self.scscf.node.mw
        self.peer.transport.sendto(text.encode(), (mw.host, mw.port))

    @property
    def orig(self) -> str:
        mw = self.scscf.node.mw
        return f"Route: <sip:orig@{mw.host}:{mw.port};lr>"

    def bind(self, user: str, *, key: str = "k", q: str = "", expires_at: float = 2e9) -> None:
        host, port = self.peer.address
        binding = Binding(
            impi=f"{user}@ims.example",
            key=key,
            contact=f"<sip:{user}@{key}.invalid>{q}",
            path=(f"<sip:token-{key}@{host}:{port};lr;ob>",),
            call_id="c",
            cseq=1,
            expires_at=expires_at,
        )
        self.hss.change_bindings(binding.impi, store=[binding])


@pytest.fixture
async def world(tmp_path):
    with Hss(tmp_path / "hss.db", realm="ims.example") as hss:
        for user in ("alice", "bob"):
            hss.add_subscriber(f"{user}@ims.example", [f"sip:{user}@ims.example"], Secret("x"))
        loop = asyncio.get_running_loop()
        transport, peer = await loop.create_datagram_endpoint(Peer, ("127.0.0.1", 0))
        options = ScscfOptions(registrar=RegistrarOptions(min_expires=10, max_bindings=2))
        scscf = Scscf(hss, trust=lambda flow: flow.remote == peer.address, options=options, wall_clock=lambda: 1e9)
        await scscf.start()
        made = World(hss, scscf, peer)
        made.bind("alice")
        yield made
        await scscf.close()
        transport.close()


ASSERTED = f"P-Asserted-Identity: <{ALICE}>"


async def test_a_request_goes_along_the_path_of_the_binding(world):
    world.bind("bob")
    world.send("OPTIONS", BOB)
    got = await world.peer.receive("OPTIONS sip:bob@k.invalid ")
    assert f"Route: <sip:token-k@127.0.0.1:{world.peer.address[1]};lr;ob>" in got
    assert f"P-Called-Party-ID: <{BOB}>" in got
    world.reply(got, "200 OK")
    await world.peer.receive("SIP/2.0 200")


async def test_contacts_are_tried_by_preference(world):
    world.bind("bob", key="first", q=";q=1.0")
    world.bind("bob", key="second", q=";q=0.5")
    world.send("OPTIONS", BOB)
    first = await world.peer.receive("OPTIONS sip:bob@first.invalid ")
    world.reply(first, "486 Busy Here")
    second = await world.peer.receive("OPTIONS sip:bob@second.invalid ")
    world.reply(second, "200 OK")
    await world.peer.receive("SIP/2.0 200")


async def test_a_failed_flow_removes_its_binding(world):
    world.bind("bob")
    world.send("OPTIONS", BOB)
    world.reply(await world.peer.receive("OPTIONS"), "430 Flow Failed")
    await world.peer.receive("SIP/2.0 480")
    assert world.hss.bindings("bob@ims.example", now=0) == []


async def test_expired_bindings_are_removed_in_time(world):
    world.bind("bob", expires_at=1e9 - 1)
    world.scscf._expiry.handle_timeout(now=0)
    assert [binding.impi for binding in world.hss.bindings("bob@ims.example", now=0)] == []
    assert world.scscf._expiry.next_timeout() == 60.0


async def test_an_originating_request_needs_an_asserted_and_registered_identity(world):
    world.bind("bob")
    world.send("OPTIONS", BOB, world.orig)
    await world.peer.receive("SIP/2.0 403")
    world.send("OPTIONS", BOB, world.orig, f"P-Asserted-Identity: <{ALICE}>")
    world.reply(await world.peer.receive("OPTIONS sip:bob@k.invalid"), "200 OK")
    await world.peer.receive("SIP/2.0 200")
    world.hss.change_bindings("alice@ims.example", remove=["k"])
    world.send("OPTIONS", BOB, world.orig, f"P-Asserted-Identity: <{ALICE}>")
    await world.peer.receive("SIP/2.0 504")


async def test_nobody_untrusted_may_originate(world, monkeypatch):
    monkeypatch.setattr(world.scscf, "_trust", lambda flow: False)
    loop = asyncio.get_running_loop()
    transport, stranger = await loop.create_datagram_endpoint(Peer, ("127.0.0.1", 0))
    known, world.peer = world.peer, stranger
    world.send("OPTIONS", BOB, world.orig, f"P-Asserted-Identity: <{ALICE}>")
    await stranger.receive("SIP/2.0 403")
    world.peer = known
    transport.close()


async def test_a_registered_user_reaches_other_elements_by_address(world):
    host, port = world.peer.address
    world.send("OPTIONS", f"sip:phone@{host}:{port}", world.orig, ASSERTED)
    world.reply(await world.peer.receive(f"OPTIONS sip:phone@{host}:{port} "), "200 OK")
    await world.peer.receive("SIP/2.0 200")
    world.send("OPTIONS", f"sip:phone@{host}:{port};transport=tls", world.orig, ASSERTED)
    await world.peer.receive("SIP/2.0 404")


@pytest.mark.parametrize(
    ("uri", "lines", "to", "status"),
    [
        ("sip:x@elsewhere.example", (), f"<{BOB}>", 403),
        (BOB, ("Route: <sip:192.0.2.1;lr>",), f"<{BOB}>", 403),
        (BOB, (), f"<{BOB}>;tag=x", 403),
        ("sip:nobody@ims.example", (), f"<{BOB}>", 404),
        ("tel:+4912", (), f"<{BOB}>", 404),
        (BOB, (), f"<{BOB}>", 480),
        (BOB, ("Route: <<",), f"<{BOB}>", 400),
    ],
)
async def test_who_is_not_let_through(world, uri, lines, to, status):
    world.send("OPTIONS", uri, *lines, to=to)
    await world.peer.receive(f"SIP/2.0 {status}")


async def test_a_request_to_the_scscf_itself_within_a_dialog_belongs_to_none(world):
    mw = world.scscf.node.mw
    world.send("BYE", f"sip:{mw.host}:{mw.port}", f"Route: <sip:{mw.host}:{mw.port};lr>", to=f"<{BOB}>;tag=x")
    await world.peer.receive("SIP/2.0 481")


CONTACT = "Contact: <sip:bob@x.invalid>"
OUTBOUND = 'Contact: <sip:bob@x.invalid>;+sip.instance="<urn:uuid:1>";reg-id='
PROTECTED = (
    'Authorization: Digest username="bob@ims.example", realm="ims.example", nonce="", uri="sip:ims.example", '
    'response="", integrity-protected="tls-yes"'
)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("Contact: *",), 400),
        (("Contact: *", "Expires: 1"), 400),
        ((f"{OUTBOUND}0", "Supported: outbound"), 400),
        ((f"{OUTBOUND}x", "Supported: outbound"), 400),
        ((f"{OUTBOUND}1", "Supported: outbound", "Via: SIP/2.0/WSS a.invalid;branch=z9hG4bK-x"), 439),
        ((CONTACT, "Contact: <sip:bob@y.invalid>", "Contact: <sip:bob@z.invalid>"), 403),
        ((CONTACT, "Expires: 9"), 423),
        ((CONTACT,), 200),
        ((f"{OUTBOUND}1", "Supported: outbound"), 200),
        (("Contact: <<<",), 400),
    ],
)
async def test_what_a_registrar_grants(world, lines, status):
    """Within a TLS association, so that no proof stands between the request and its Contact."""
    world.bind("bob")
    world.send("REGISTER", "sip:ims.example", PROTECTED, *lines)
    await world.peer.receive(f"SIP/2.0 {status}")
    granted = len(world.hss.bindings("bob@ims.example", now=0))
    assert granted == (2 if status == 200 else 1)


async def test_register_for_another_domain_or_without_name(world):
    world.send("REGISTER", "sip:elsewhere.example", CONTACT)
    await world.peer.receive("SIP/2.0 403")
    world.send("REGISTER", "sip:ims.example", CONTACT)
    await world.peer.receive("SIP/2.0 401")
    malformed = PROTECTED.replace('response=""', 'response="0"')
    world.send("REGISTER", "sip:ims.example", malformed, CONTACT)
    await world.peer.receive("SIP/2.0 401")
