"""The eP-CSCF before another core: a registrar that knows no IMS, and a phone with plain RTP behind it."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack

import pytest

from tests.support.rtp import pack_rtp
from wic.media.certificate import Certificate
from wic.media.plain import PlainRtp
from wic.media.transport import MediaTransport, MediaTransportOptions
from wic.media.udp import PortRange
from wic.network import ImsNetwork, NetworkOptions
from wic.sdp.description import SessionDescription
from wic.sdp.transport import TransportDescription, read_transport, transport_lines

PHONE = "sip:phone@ims.example"


class RawCore(asyncio.DatagramProtocol):
    """Registrar, proxy and phone in one, on UDP and TCP, made of strings."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[tuple[str, asyncio.StreamWriter | tuple[str, int]]] = asyncio.Queue()
        self.port = 0

    async def start(self, stack: AsyncExitStack) -> None:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        stack.callback(server.close)
        self.port = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        self.udp, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", self.port))
        stack.callback(self.udp.close)

    def datagram_received(self, data, addr) -> None:
        self.messages.put_nowait((data.decode(), addr))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"Content-Length: *(\d+)", head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                self.messages.put_nowait((head + body.decode(), writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def expect(self, start: str):
        async with asyncio.timeout(10):
            message, where = await self.messages.get()
        assert message.startswith(start), message
        return message, where

    def send(self, text: str, where) -> None:
        if isinstance(where, asyncio.StreamWriter):
            where.write(text.encode())
        else:
            self.udp.sendto(text.encode(), where)

    def answer(self, request: str, status: str, *lines: str, body: str = "", record_route: bool = True) -> str:
        kept = re.findall(r"^(?:Via|From|Call-ID|CSeq|Record-Route): .*$", request.replace("\r", ""), re.MULTILINE)
        if not record_route:
            kept = [line for line in kept if not line.startswith("Record-Route")]
        to = re.search(r"^To: (.*)$", request.replace("\r", ""), re.MULTILINE)
        own = [f"To: {to[1]}" + ("" if "tag=" in to[1] else ";tag=core")] if to else []
        kind = ["Content-Type: application/sdp"] if body else []
        return "\r\n".join([f"SIP/2.0 {status}", *kept, *own, *lines, *kind, f"Content-Length: {len(body)}", "", body])


@pytest.fixture
async def behind_core(make_raw):
    async with AsyncExitStack() as stack:
        core = RawCore()
        await core.start(stack)
        options = NetworkOptions(core=f"sip:127.0.0.1:{core.port}", subscribers=())
        ims = await stack.enter_async_context(ImsNetwork(options))
        alice = await make_raw("alice", ims.ready())
        yield ims, core, alice


async def register(core: RawCore, alice) -> str:
    alice.send(alice.register())
    request, where = await core.expect("REGISTER")
    contact = alice.header(request.encode(), "Contact")
    core.send(core.answer(request, "200 OK", f"Contact: {contact};expires=600", record_route=False), where)
    await alice.expect("SIP/2.0 200")
    subscribe, where = await core.expect("SUBSCRIBE")  # the eP-CSCF's own; this core tells of no registrations
    core.send(core.answer(subscribe, "489 Bad Event"), where)
    return request


def place(sdp: str, index: int) -> TransportDescription:
    return read_transport(SessionDescription.parse(sdp), index)


def wic_sdp(own: TransportDescription, *, setup: str) -> str:
    lines = "".join(f"{line}\r\n" for line in transport_lines(own) if not line.value.startswith("setup"))
    return (
        f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio {own.port} UDP/TLS/RTP/SAVPF 0\r\n"
        f"c=IN IP4 {own.address}\r\na=rtpmap:0 PCMU/8000\r\n{lines}a=setup:{setup}\r\na=3ge2ae:requested\r\n"
    )


def phone_sdp(phone: PlainRtp) -> str:
    own = phone.description
    return (
        f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio {own.port} RTP/AVP 0\r\n"
        f"c=IN IP4 {own.address}\r\na=rtpmap:0 PCMU/8000\r\n"
    )


async def packets_flow(wic: MediaTransport, phone: PlainRtp, *, sequence: int = 1) -> None:
    """See that RTP and RTCP pass both ways; SRTP lets no sequence number pass twice."""
    at_phone: set[bytes] = set()
    at_wic: set[bytes] = set()
    phone.on_rtp = phone.on_rtcp = at_phone.add
    wic.on_rtp = wic.on_rtcp = at_wic.add
    up, down, report = (
        pack_rtp(0, sequence, 2, 3, b"up"),
        pack_rtp(0, sequence, 5, 6, b"down"),
        bytes.fromhex("80c90001000000ff"),
    )
    async with asyncio.timeout(10):
        while len(at_phone) < 2 or len(at_wic) < 2:
            wic.send_rtp(up)
            wic.send_rtcp(report)
            phone.send_rtp(down)
            phone.send_rtcp(report)
            await asyncio.sleep(0.01)
    assert at_phone == {up, report}
    assert at_wic == {down, report}


async def test_registration_with_a_plain_registrar(behind_core):
    ims, core, alice = behind_core
    request = await register(core, alice)
    assert f"@127.0.0.1:{ims.epcscf.node.mw.port};lr;ob>" in request
    assert ims.sip_uri is None
    assert ims.epcscf.registrations == 1


async def test_a_call_to_a_phone_with_media(behind_core):
    """No Service-Route: the call goes to the core; the phone gets RTP/AVP, and packets pass both ways."""
    ims, core, alice = behind_core
    await register(core, alice)
    wic = MediaTransport(Certificate.generate(), MediaTransportOptions(addresses=("127.0.0.1",)))
    phone = PlainRtp("127.0.0.1", ports=PortRange(42000, 42099))
    own = await wic.gather()
    body = wic_sdp(own, setup="actpass")
    alice.send(alice.request("INVITE", PHONE, f"Contact: {alice.contact}", cseq=50, body=body))
    invite, where = await core.expect("INVITE sip:phone@ims.example ")
    offered = invite.partition("\r\n\r\n")[2]
    assert "RTP/AVP" in offered
    phone.connect(place(offered, 0))
    core.send(core.answer(invite, "100 Trying"), where)
    core.send(
        core.answer(invite, "183 Session Progress", "Contact: <sip:phone@127.0.0.1:9>", body=phone_sdp(phone)), where
    )
    early = await alice.expect("SIP/2.0 183")
    answer = place(early.decode().partition("\r\n\r\n")[2], 0)
    await wic.connect(answer, controlling=True, dtls_role="passive")
    await packets_flow(wic, phone)
    contact = f"Contact: <sip:phone@127.0.0.1:{core.port}>"
    core.send(core.answer(invite, "200 OK", contact, body=phone_sdp(phone)), where)
    ok = await alice.expect("SIP/2.0 200")
    assert ok.partition(b"\r\n\r\n")[2] == early.partition(b"\r\n\r\n")[2]
    routes = [f"Route: {value}" for value in reversed(alice.headers(ok, "Record-Route"))]
    target, to = f"sip:phone@127.0.0.1:{core.port}", alice.header(ok, "To")
    alice.send(alice.request("ACK", target, *routes, to=to, cseq=50))
    await core.expect("ACK")
    await packets_flow(wic, phone, sequence=2)
    # The WIC vanishes: the phone is told, with a BYE in the WIC's name.
    await wic.close()
    bye, where = await core.expect(f"BYE sip:phone@127.0.0.1:{core.port} ")
    assert "CSeq: 51 BYE" in bye
    assert "Route:" not in bye
    core.send(core.answer(bye, "200 OK"), where)
    alice.send(alice.respond(await alice.expect("BYE"), "200 OK"))
    async with asyncio.timeout(10):
        while ims.agw.contexts:  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)
    await phone.close()


async def test_a_call_from_a_phone_with_media(behind_core):
    """The core knows the Path only; the WIC answers, and packets pass both ways."""
    ims, core, alice = behind_core
    registered = await register(core, alice)
    path = alice.header(registered.encode(), "Path")
    phone = PlainRtp("127.0.0.1", ports=PortRange(42000, 42099))
    wic = MediaTransport(Certificate.generate(), MediaTransportOptions(addresses=("127.0.0.1",)))
    own = await wic.gather()
    body = phone_sdp(phone)
    invite = "\r\n".join(
        [
            "INVITE sip:alice@alice-host.invalid;transport=ws SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{core.port};branch=z9hG4bKp",
            f"Record-Route: <sip:127.0.0.1:{core.port};lr>",
            f"Route: {path}",
            "Max-Forwards: 70",
            f"From: <{PHONE}>;tag=p",
            "To: <sip:alice@ims.example>",
            "Call-ID: from-phone",
            "CSeq: 1 INVITE",
            f"Contact: <sip:phone@127.0.0.1:{core.port}>",
            "Content-Type: application/sdp",
            f"Content-Length: {len(body)}",
            "",
            body,
        ]
    )
    core.send(invite, ("127.0.0.1", ims.epcscf.node.mw.port))
    invited = await alice.expect("INVITE")
    offer = place(invited.decode().partition("\r\n\r\n")[2], 0)
    connecting = asyncio.create_task(wic.connect(offer, controlling=False, dtls_role="active"))
    alice.send(alice.respond(invited, "200 OK", body=wic_sdp(own, setup="active")))
    ok, _ = await core.expect("SIP/2.0 200")
    assert "P-Asserted-Identity: <sip:alice@ims.example>" in ok
    phone.connect(place(ok.partition("\r\n\r\n")[2], 0))
    await connecting
    await packets_flow(wic, phone)
    # No ACK has been sent when the WIC's connection is lost: the gateway ends the call in its name.
    alice.cut()
    bye, where = await core.expect(f"BYE sip:phone@127.0.0.1:{core.port} ")
    assert f"Route: <sip:127.0.0.1:{core.port};lr>" in bye
    core.send(core.answer(bye, "200 OK"), where)
    await wic.close()
    await phone.close()


async def test_a_terminating_request_for_a_lost_connection_gets_430(behind_core):
    ims, core, alice = behind_core
    registered = await register(core, alice)
    path = alice.header(registered.encode(), "Path")
    await alice.close()
    core.send(
        f"OPTIONS sip:alice@alice-host.invalid;transport=ws SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{core.port};branch=z9hG4bKo\r\n"
        f"Route: {path}\r\nMax-Forwards: 70\r\nFrom: <{PHONE}>;tag=p\r\nTo: <sip:alice@ims.example>\r\nCall-ID: o\r\n"
        "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        ("127.0.0.1", ims.epcscf.node.mw.port),
    )
    await core.expect("SIP/2.0 430")


@pytest.mark.parametrize(("tag", "status"), [("", "404"), (";tag=x", "481")])
async def test_a_request_from_the_core_without_a_flow_is_refused(behind_core, tag, status):
    ims, core, _ = behind_core
    core.send(
        f"OPTIONS sip:alice@ims.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{core.port};branch=z9hG4bKo\r\n"
        f"Max-Forwards: 70\r\nFrom: <{PHONE}>;tag=p\r\nTo: <sip:alice@ims.example>{tag}\r\nCall-ID: o\r\n"
        "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        ("127.0.0.1", ims.epcscf.node.mw.port),
    )
    await core.expect(f"SIP/2.0 {status}")


async def test_an_answer_that_fits_no_offer_ends_the_call(behind_core):
    _, core, alice = behind_core
    await register(core, alice)
    wic = MediaTransport(Certificate.generate(), MediaTransportOptions(addresses=("127.0.0.1",)))
    own = await wic.gather()
    await wic.close()
    alice.send(alice.request("INVITE", PHONE, f"Contact: {alice.contact}", cseq=50, body=wic_sdp(own, setup="actpass")))
    invite, where = await core.expect("INVITE")
    contact = f"Contact: <sip:phone@127.0.0.1:{core.port}>"
    core.send(core.answer(invite, "200 OK", contact, body="v=0\r\nnonsense\r\n"), where)
    ok = await alice.expect("SIP/2.0 200")
    assert ok.endswith(b"\r\n\r\n")
    routes = [f"Route: {value}" for value in reversed(alice.headers(ok, "Record-Route"))]
    alice.send(alice.request("ACK", f"sip:phone@127.0.0.1:{core.port}", *routes, to=alice.header(ok, "To"), cseq=50))
    await core.expect("ACK")
    await core.expect("BYE")
    await alice.expect("BYE")


async def test_a_success_that_cannot_be_read_makes_no_registration(behind_core):
    ims, core, alice = behind_core
    alice.send(alice.register())
    request, where = await core.expect("REGISTER")
    contact = alice.header(request.encode(), "Contact")
    core.send(core.answer(request, "200 OK", f"Contact: <sip:, {contact};expires=600", record_route=False), where)
    await alice.expect("SIP/2.0 200")
    assert ims.epcscf.registrations == 0


async def test_what_a_success_says_besides_the_binding_may_be_unreadable(behind_core):
    ims, core, alice = behind_core
    alice.send(alice.register())
    request, where = await core.expect("REGISTER")
    contact = alice.header(request.encode(), "Contact")
    odd = ("Contact: <sip:", "P-Associated-URI: <<<", "Service-Route: <>", "Require: ?", "Expires: x", "Expires: y")
    core.send(core.answer(request, "200 OK", f"Contact: {contact};expires=600", *odd, record_route=False), where)
    answer = await alice.expect("SIP/2.0 200")
    assert ims.epcscf.registrations == 1
    for line in odd:
        assert line.encode() in answer


async def test_an_offer_from_the_core_that_cannot_be_carried(behind_core):
    ims, core, alice = behind_core
    registered = await register(core, alice)
    body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=image 9 udptl t38\r\nc=IN IP4 127.0.0.1\r\n"
    core.send(
        f"INVITE sip:alice@alice-host.invalid;transport=ws SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{core.port};branch=z9hG4bKo\r\n"
        f"Route: {alice.header(registered.encode(), 'Path')}\r\nMax-Forwards: 70\r\nFrom: <{PHONE}>;tag=p\r\n"
        f"To: <sip:alice@ims.example>\r\nCall-ID: o\r\nCSeq: 1 INVITE\r\nContact: <sip:phone@127.0.0.1:{core.port}>\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}",
        ("127.0.0.1", ims.epcscf.node.mw.port),
    )
    refused, _ = await core.expect("SIP/2.0 488")
    assert 'Warning: 399 127.0.0.1 "no m-line' in refused
    assert alice.nothing_came()


async def test_a_core_by_name_and_elsewhere_is_found():
    async with ImsNetwork(NetworkOptions(core="sip:localhost:5999")) as ims:
        assert ims.epcscf.node.mw.host in ("127.0.0.1", "::1")
