"""Kamailio as the registrar, over plain WebSocket: register, refresh, deregister, wrong password."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from wic.client import Client
from wic.client.events import ClientEvent, RegistrationLost
from wic.errors import AuthenticationFailed

from .peers import probe, wics
from .peers.kamailio import Kamailio, KamailioOptions
from .peers.wire import Wire

if TYPE_CHECKING:
    from .conftest import Peers

both_algorithms = pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])


async def _kamailio(peers: Peers, algorithm: str) -> Kamailio:
    return await peers.start(Kamailio(peers.directory, KamailioOptions(algorithm=algorithm)))


@both_algorithms
async def test_registers_and_deregisters(peers: Peers, algorithm: str) -> None:
    kamailio = await _kamailio(peers, algorithm)
    wire = Wire()
    client = Client(wics.account(kamailio))
    client.on_message(wire.record)
    assert await probe.options(kamailio.address, "alice") == 480
    async with client:
        assert await probe.options(kamailio.address, "alice") == 200
        assert client.binding is not None
        assert client.binding.expires == 300
        assert [str(uri.uri) for uri in client.binding.service_route] == [
            f"sip:127.0.0.1:{kamailio.port};transport=ws;lr"
        ]
    assert await probe.options(kamailio.address, "alice") == 480
    assert wire.answers("REGISTER") == [401, 200, 200]
    first, second, last = wire.requests("REGISTER")
    assert not _parameter(first.header("Authorization"), "response")  # TS 24.229 §5.1.1.2.3
    assert f"algorithm={algorithm}" in second.header("Authorization")
    assert len(_parameter(second.header("Authorization"), "response")) == {"MD5": 32, "SHA-256": 64}[algorithm]
    assert last.header("Expires") == "0"


@both_algorithms
async def test_refreshes_before_the_binding_ends(peers: Peers, algorithm: str) -> None:
    kamailio = await _kamailio(peers, algorithm)
    wire = Wire()
    client = Client(wics.account(kamailio, expires=2))
    client.on_message(wire.record)
    async with client:
        assert client.binding is not None
        assert client.binding.expires == 2
        await wire.until(lambda: wire.answers("REGISTER").count(200) == 4, seconds=12)
        assert await probe.options(kamailio.address, "alice") == 200  # the first binding ended a second ago
    assert wire.answers("REGISTER") == [401, 200, 200, 200, 200, 200]


@both_algorithms
async def test_gives_up_on_a_wrong_password(peers: Peers, algorithm: str) -> None:
    kamailio = await _kamailio(peers, algorithm)
    wire = Wire()
    client = Client(wics.account(kamailio, password="guessed"))
    client.on_message(wire.record)
    with pytest.raises(AuthenticationFailed):
        await client.__aenter__()
    assert wire.answers("REGISTER") == [401, 401]
    assert await probe.options(kamailio.address, "alice") == 480


@both_algorithms
async def test_gives_up_when_the_password_is_another_one_at_a_refresh(peers: Peers, algorithm: str) -> None:
    """Within one second, Kamailio gives out the nonce again that has been accepted."""
    kamailio = await _kamailio(peers, algorithm)
    wire = Wire()
    told: list[ClientEvent] = []
    client = Client(wics.account(kamailio))
    client.on_message(wire.record)
    client.on_event(told.append)
    async with client:
        await kamailio.operate("htable.sets", "users", "alice", "another")
        client.refresh()
        await wire.until(lambda: wire.answers("REGISTER").count(401) == 3, seconds=5)
    assert wire.answers("REGISTER") == [401, 200, 401, 401]
    (lost,) = [event for event in told if isinstance(event, RegistrationLost)]
    assert isinstance(lost.error, AuthenticationFailed)
    assert lost.final
    assert "does not accept the password" in str(lost.error)


@both_algorithms
async def test_the_command_registers_once(peers: Peers, algorithm: str) -> None:
    kamailio = await _kamailio(peers, algorithm)
    accounts = wics.write_accounts(kamailio, peers.directory, password="alice-secret")
    finished = await wics.run("register", "alice", "--accounts", str(accounts), "--once", "--json")
    assert finished.status == 0, finished.err
    document = json.loads(finished.out)
    assert document["impu"] == "sip:alice@ims.example"
    assert document["scheme"] == "digest"
    assert document["service_route"] == [f"sip:127.0.0.1:{kamailio.port};transport=ws;lr"]
    assert await probe.options(kamailio.address, "alice") == 480


@both_algorithms
async def test_the_command_ends_with_1_and_a_sentence_on_a_wrong_password(peers: Peers, algorithm: str) -> None:
    kamailio = await _kamailio(peers, algorithm)
    accounts = wics.write_accounts(kamailio, peers.directory, password="guessed")
    finished = await wics.run("register", "alice", "--accounts", str(accounts), "--once")
    assert finished.status == 1
    assert finished.out == ""
    (sentence,) = finished.err.splitlines()
    assert "password" in sentence
    assert "guessed" not in sentence


def _parameter(header: str, name: str) -> str:
    return header.split(f'{name}="', 1)[1].split('"', 1)[0]
