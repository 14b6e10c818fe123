from __future__ import annotations

import asyncio
import datetime
import socket
import ssl

import pytest
import trustme

from wic.auth import Secret
from wic.client import Account, CallOutcome, Client
from wic.errors import (
    AuthenticationFailed,
    CallRejected,
    ConfigurationError,
    ConnectFailed,
    FlowLost,
    HandshakeRejected,
    LocalProtocolError,
    RegistrationFailed,
)
from wic.media import MediaTransportOptions, Silence
from wic.transport.driver import Direction
from wic.transport.websocket import serve_websocket


async def test_entering_registers_and_leaving_deregisters(home):
    client = home.client("alice")
    assert client.binding is None
    async with client:
        assert client.binding.expires == 3600
        assert str(client.binding.associated_uris[0].uri) == "sip:alice@ims.example"
        assert len(home.contacts["alice"]) == 1
        assert client.flow.remote[0] == "127.0.0.1"
        with pytest.raises(LocalProtocolError, match="once"):
            await client.__aenter__()
    assert home.contacts["alice"] == {}
    assert [request.method for request in home.requests] == ["REGISTER"] * 3
    with pytest.raises(FlowLost, match="closed"):
        await client.call("sip:bob@ims.example")
    assert [call async for call in client.incoming()] == []


async def test_a_client_that_is_not_open(home):
    client = home.client("alice")
    for use in (lambda: client.now, lambda: client.flow):
        with pytest.raises(LocalProtocolError, match="async with"):
            use()


async def test_messages_can_be_watched(home):
    seen, later = [], []
    client = home.client("alice")
    client.on_message(lambda now, direction, data, flow: seen.append((direction, data.split(b" ")[0])))
    async with client:
        registered = len(seen)
        client.on_message(lambda now, direction, data, flow: later.append((direction, data.split(b" ")[0])))
    assert seen[0] == (Direction.SENT, b"REGISTER")
    assert (Direction.RECEIVED, b"SIP/2.0") in seen
    assert later == seen[registered:] != []


async def test_packets_can_be_watched(home):
    seen = set()
    async with home.client("alice") as alice, home.client("bob") as bob:
        alice.on_packet(lambda at, protocol, source, target, data: seen.add((protocol, source[1], target[1])))
        call = await alice.call("sip:bob@ims.example", audio=Silence())
        other = await anext(bob.incoming())
        await asyncio.gather(call.answered(timeout=10), other.answer(audio=Silence()))
        for protocol in ("rtp", "sctp"):
            await home.until(lambda protocol=protocol: sum(each == protocol for each, *_ in seen) == 2)
        await call.hangup()
    rtp = {(source, target) for protocol, source, target in seen if protocol == "rtp"}
    assert {(target, source) for source, target in rtp} == rtp


async def test_an_observer_of_packets_that_raises_disturbs_no_call(home, caplog):
    def fail(*_):
        raise ValueError("the observer is faulty")

    seen = set()
    async with home.client("alice") as alice, home.client("bob") as bob:
        alice.on_packet(fail)
        alice.on_packet(lambda at, protocol, source, target, data: seen.add((protocol, source[1], target[1])))
        call, _ = await home.connect(alice, bob, audio=Silence(), answer=Silence())
        async with call.open_channel("chat") as channel:
            await channel.send("hello")
        for protocol in ("rtp", "sctp"):
            await home.until(lambda protocol=protocol: sum(each == protocol for each, *_ in seen) == 2)
        await call.hangup()
    assert call.error is None
    errors = {record.message for record in caplog.records if record.levelname == "ERROR"}
    assert errors == {"an observer of packets failed"}


@pytest.mark.virtual_time
async def test_the_registration_is_refreshed(memory_home):
    """TS 24.229 §5.1.1.4.1: 600 s before the end."""
    async with memory_home.client():
        assert 2999 < await memory_home.until(lambda: len(memory_home.home.requests) > 2) < 3001
        assert memory_home.home.requests[2].expires == 600000


async def test_a_server_in_capitals_is_trusted_by_the_same_ca(secure_home):
    """RFC 3986 §3.1: the scheme is case-insensitive."""
    async with Client(secure_home.account("alice", server=secure_home.url.upper())) as client:
        assert client.is_connected


async def test_over_tls(secure_home):
    async with secure_home.client("alice") as client:
        assert client.flow.transport == "WSS"
        assert client.flow.secure


# failures to register


async def test_a_wrong_password(home, nothing_left):
    before = nothing_left()
    with pytest.raises(AuthenticationFailed, match=r"password of alice@ims\.example"):
        await Client(home.account("alice", password=Secret("wrong"))).__aenter__()
    assert len(home.requests) == 2
    await home.until(lambda: nothing_left() == before)


async def test_a_refused_registration(home):
    home.register_status = 403
    with pytest.raises(RegistrationFailed, match="403"):
        async with home.client("alice"):
            pass


async def test_a_network_that_does_not_answer(home):
    home.deaf_to = {"REGISTER"}
    with pytest.raises(RegistrationFailed, match=r"did not answer the registration within 0\.1 s"):
        async with home.client("alice", register_timeout=0.1, close_timeout=0.1):
            pass


@pytest.mark.virtual_time
async def test_a_lost_registration(memory_home):
    async with memory_home.client() as client:
        memory_home.home.register_status = 403
        with pytest.raises(RegistrationFailed, match="403"):
            await anext(client.incoming())
        with pytest.raises(RegistrationFailed, match="403"):
            await client.call("sip:bob@ims.example")


@pytest.mark.virtual_time
async def test_a_registration_that_has_to_wait(memory_home, caplog):
    memory_home.home.granted = 1000
    async with memory_home.client() as client:
        memory_home.home.register_status = 503
        memory_home.home.register_headers = [("Retry-After", "600")]
        await memory_home.until(lambda: client.binding is None)
        assert "trying again in 600 s" in caplog.text
        with pytest.raises(RegistrationFailed, match="told it to wait"):
            await client.call("sip:bob@ims.example")
        memory_home.home.register_status = 200
        await memory_home.until(lambda: client.binding is not None)


async def test_media_addresses_of_choice(home):
    client = home.client("alice", media=MediaTransportOptions(addresses=("127.0.0.2",)))
    async with client, home.client("bob") as bob:
        await client.call("sip:bob@ims.example")
        await home.take(bob)
    offer = next(request.body for request in home.requests if request.method == "INVITE")
    candidates = [line for line in offer.splitlines() if line.startswith(b"a=candidate:")]
    assert candidates
    assert all(b" 127.0.0.2 " in line for line in candidates)


async def test_a_refused_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    account = Account(server=f"ws://127.0.0.1:{port}/", impu="sip:a@b.example", impi="a@b.example", insecure=True)
    with pytest.raises(ConnectFailed, match="refuses connections"):
        await Client(account).__aenter__()


async def test_an_untrusted_certificate(secure_home):
    with pytest.raises(ConnectFailed, match="its certificate is not trusted; set 'ca' in the account"):
        await Client(secure_home.account("alice", ca=None)).__aenter__()


async def test_a_missing_ca_file(secure_home, tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        await Client(secure_home.account("alice", ca=tmp_path / "none.pem")).__aenter__()


async def test_an_expired_certificate(home, tmp_path):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    ca.issue_cert("127.0.0.1", not_before=past, not_after=past + datetime.timedelta(days=1)).configure_cert(context)
    listener = await serve_websocket("127.0.0.1", 0, handler=home.driver, ssl_context=context)
    try:
        account = home.account("alice", server=f"wss://127.0.0.1:{listener.address[1]}/", ca=tmp_path / "ca.pem")
        with pytest.raises(ConnectFailed, match="expired"):
            await Client(account).__aenter__()
    finally:
        await listener.close()


async def test_a_server_that_does_not_speak_sip():
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        account = Account(server=f"ws://127.0.0.1:{port}/", impu="sip:a@b.example", impi="a@b.example", insecure=True)
        with pytest.raises(HandshakeRejected, match="404"):
            await Client(account).__aenter__()


# leaving


async def test_leaving_ends_the_calls(home, nothing_left):
    """TS 24.371 §6A.2: dialogs are released before the registration."""
    async with home.client("bob") as bob:
        before = nothing_left()
        async with home.client("alice") as alice:
            ringing = await alice.call("sip:bob@ims.example")
            answered = await alice.call("sip:bob@ims.example", audio=Silence())
            calls = bob.incoming()
            first, second = await anext(calls), await anext(calls)
            await asyncio.gather(second.answer(audio=Silence()), answered.answered(timeout=10))
        assert (ringing.report().outcome, answered.report().outcome) == (CallOutcome.CANCELLED, CallOutcome.COMPLETED)
        last = [each.method for each in home.requests if each.method == "BYE" or each.expires == 0]
        assert last == ["BYE", "REGISTER"]
        assert (await first.ended()).outcome is CallOutcome.CANCELLED
        assert (await second.ended()).outcome is CallOutcome.COMPLETED
        await calls.aclose()
        await home.until(lambda: nothing_left()[0] <= before[0] and nothing_left()[1] <= before[1])


async def test_a_cancelled_program_deregisters(home):
    inside = asyncio.Event()

    async def program():
        async with home.client("alice") as client:
            await client.call("sip:bob@ims.example")
            inside.set()
            await asyncio.Event().wait()

    async with home.client("bob") as bob:
        task = asyncio.create_task(program())
        await inside.wait()
        other = await anext(bob.incoming())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert home.contacts["alice"] == {}
        assert (await other.ended()).outcome is CallOutcome.CANCELLED


async def test_calls_that_come_while_leaving_are_refused(home):
    async with home.client("alice") as alice, home.client("bob") as bob:
        bob._calls.closing = True
        call = await alice.call("sip:bob@ims.example")
        with pytest.raises(CallRejected, match="480"):
            await call.answered(timeout=10)
        bob._calls.closing = False
