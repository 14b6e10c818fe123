"""Kamailio as the IMS core behind our eP-CSCF: Path, Service-Route, and plain phones beside it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from wic.auth.secret import Secret
from wic.client import Account, CallOutcome, Client
from wic.errors import AuthenticationFailed, CallCancelled, ChallengeUnsupported, RegistrationFailed
from wic.media import Tone, WavRecorder
from wic.network import ImsNetwork, NetworkOptions

from .peers import probe, tone
from .peers.baresip import Baresip, BaresipOptions
from .peers.kamailio import Kamailio, KamailioOptions
from .peers.wics import Command, run
from .peers.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from .conftest import Peers

OURS = 440.0
THEIRS = 600.0
TALK_SECONDS = 2.0


@asynccontextmanager
async def _network(kamailio: Kamailio) -> AsyncIterator[ImsNetwork]:
    async with ImsNetwork(NetworkOptions(core=f"sip:{kamailio.address}")) as network:
        yield network


def _account(network: ImsNetwork, user: str, *, password: str = "") -> Account:
    return Account(
        server=network.wss_url,
        ca=network.ca_path,
        impu=f"sip:{user}@ims.example",
        impi=f"{user}@ims.example",
        password=Secret(password or f"{user}-secret"),
    )


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_registers_along_our_path(peers: Peers, algorithm: str) -> None:
    kamailio = await peers.start(Kamailio(peers.directory, KamailioOptions(algorithm=algorithm)))
    wire = Wire()
    async with _network(kamailio) as network:
        async with Client(_account(network, "alice")) as client:
            assert client.binding is not None
            assert await probe.options(kamailio.address, "alice") == 200
            client.on_message(wire.record)
        assert wire.answers("REGISTER")[-1] == 200
        assert await probe.options(kamailio.address, "alice") == 480
        with pytest.raises(AuthenticationFailed):
            await Client(_account(network, "alice", password="guessed")).__aenter__()


async def test_a_core_that_ignores_tokens(peers: Peers) -> None:
    """The eP-CSCF asserts carol, but Kamailio asks for a password, which she does not have."""
    kamailio = await peers.start(Kamailio(peers.directory, KamailioOptions(subscribers={"carol": "carol-secret"})))
    wire = Wire()
    async with _network(kamailio) as network:
        client = Client(Account.load("carol", network.accounts_path))
        client.on_message(wire.record)
        with pytest.raises(RegistrationFailed, match="403"):
            await client.__aenter__()
    assert wire.answers("REGISTER") == [403]


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_a_core_without_aka(peers: Peers, algorithm: str) -> None:
    """A client with a USIM does not answer a challenge for a password: that would be a downgrade."""
    kamailio = await peers.start(Kamailio(peers.directory, KamailioOptions(algorithm=algorithm)))
    wire = Wire()
    async with _network(kamailio) as network:
        settings = {"server": network.wss_url, "ca": str(network.ca_path), "impu": "sip:alice@ims.example"}
        keys = {"auth": "aka", "impi": "alice@ims.example", "k": "465b5ce8b199b49faa5f0a2ee238a6bc", "opc": 32 * "0"}
        client = Client(Account.from_settings("alice", settings | keys, folder=peers.directory))
        client.on_message(wire.record)
        with pytest.raises(ChallengeUnsupported, match=algorithm):
            await client.__aenter__()
    (asked,) = wire.requests("REGISTER")
    assert "algorithm=AKAv2-SHA-256" in asked.header("Authorization")
    assert wire.answers("REGISTER") == [401]


async def test_the_command_runs_in_front_of_kamailio(peers: Peers) -> None:
    kamailio = await peers.start(Kamailio(peers.directory))
    arguments = ("up", "--core", f"sip:{kamailio.address}", "--json")
    network = await peers.start(Command(peers.directory, "network", *arguments, ready='"ready"'))
    (ready,) = network.documents()
    password = peers.directory / "password"
    password.write_text("alice-secret\n")
    password.chmod(0o600)
    finished = await run(
        "register", "--once", "--json", "--server", ready["wss"], "--ca", ready["ca"],
        "--impu", "sip:alice@ims.example", "--password-file", str(password),
    )  # fmt: skip
    assert finished.status == 0, finished.err
    registered = json.loads(finished.out)
    assert registered["state"] == "registered"

    assert registered["service_route"] == [f"sip:{kamailio.address};transport=udp;lr"]


async def test_two_wics_call_each_other(peers: Peers) -> None:
    kamailio = await peers.start(Kamailio(peers.directory))
    heard = {name: peers.directory / f"{name}.wav" for name in ("alice", "bob")}
    async with (
        _network(kamailio) as network,
        Client(_account(network, "alice")) as alice,
        Client(_account(network, "bob")) as bob,
    ):
        call = await alice.call("sip:bob@ims.example", audio=Tone(OURS), sinks=[WavRecorder(heard["alice"])])
        async with asyncio.timeout(15):
            answered = await anext(bob.incoming())
            await answered.answer(audio=Tone(THEIRS), sinks=[WavRecorder(heard["bob"])])
        await call.answered(timeout=15)
        await asyncio.sleep(TALK_SECONDS)
        await call.hangup()
        await answered.ended()
    assert call.report().outcome is answered.report().outcome is CallOutcome.COMPLETED
    assert tone.listen(heard["alice"]).frequency == THEIRS
    assert tone.listen(heard["bob"]).frequency == OURS


async def test_gives_up_while_a_plain_phone_of_the_core_rings(peers: Peers) -> None:
    """The INVITE is too long for UDP: the CANCEL follows it over TCP."""
    kamailio = await peers.start(Kamailio(peers.directory))
    phone = BaresipOptions(server=kamailio.address, transport="tcp", answers=False)
    baresip = await peers.start(Baresip(peers.directory, phone))
    async with _network(kamailio) as network, Client(_account(network, "alice")) as client:
        call = await client.call("sip:bob@ims.example", data=False)
        with pytest.raises(CallCancelled):
            await call.answered(timeout=1)
        await baresip.event("CALL_CLOSED")
        assert network.epcscf.calls == 0


async def test_calls_a_plain_phone_of_the_core(peers: Peers) -> None:
    kamailio = await peers.start(Kamailio(peers.directory))
    baresip = await peers.start(Baresip(peers.directory, BaresipOptions(server=kamailio.address, echo=True)))
    wire, heard = Wire(), peers.directory / "heard.wav"
    async with _network(kamailio) as network, Client(_account(network, "alice")) as client:
        client.on_message(wire.record)
        call = await client.call(
            "sip:bob@ims.example", audio=Tone(OURS, level=-10), sinks=[WavRecorder(heard)], data=False
        )
        await call.answered(timeout=15)
        await baresip.event("CALL_ESTABLISHED")
        await asyncio.sleep(TALK_SECONDS)
        await call.hangup()
        await baresip.event("CALL_CLOSED")
    assert call.report().outcome is CallOutcome.COMPLETED
    answer = wire.bodies("application/sdp", sent=False)[0]
    assert " UDP/TLS/RTP/SAVPF " in answer
    assert "a=fingerprint:" in answer
    _check_media(heard, OURS, baresip)


async def test_is_called_by_a_plain_phone_of_the_core(peers: Peers) -> None:
    kamailio = await peers.start(Kamailio(peers.directory))
    phone = BaresipOptions(server=kamailio.address, frequency=THEIRS)
    baresip = await peers.start(Baresip(peers.directory, phone))
    wire, heard = Wire(), peers.directory / "heard.wav"
    async with _network(kamailio) as network, Client(_account(network, "alice")) as client:
        client.on_message(wire.record)
        baresip.order("dial", "sip:alice@ims.example")
        async with asyncio.timeout(15):
            call = await anext(client.incoming())
            await call.answer(audio=Tone(OURS, level=-10), sinks=[WavRecorder(heard)])
        await asyncio.sleep(TALK_SECONDS)
        baresip.order("hangup")
        async with asyncio.timeout(15):
            await call.ended()
    assert call.report().outcome is CallOutcome.COMPLETED
    offer = wire.bodies("application/sdp", sent=False)[0]
    assert " UDP/TLS/RTP/SAVPF " in offer
    assert "a=3ge2ae:applied" in offer  # TS 24.371 §7.4.3: the media are protected up to our eIMS-AGW
    _check_media(heard, THEIRS, baresip)


def _check_media(heard: Path, frequency: float, baresip: Baresip) -> None:
    here = tone.listen(heard)
    assert here.frequency == frequency
    assert here.level == pytest.approx(-10, abs=0.5)
    received, errors = baresip.packets()
    assert received > 50
    assert errors == 0
