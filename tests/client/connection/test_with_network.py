"""Reconnections against the embedded network: its eP-CSCF carries the calls on."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from wic.client import Account, CallOutcome, Client, ClientOptions
from wic.client.events import ConnectionLost, ConnectionRestored, RegistrationLost
from wic.media import MediaTransportOptions, Silence
from wic.network import ImsNetwork, NetworkOptions
from wic.registration import BackoffOptions

OPTIONS = ClientOptions(
    close_timeout=3.0,
    backoff=BackoffOptions(first_time=0.05),
    media=MediaTransportOptions(ice_timeout=5.0, dtls_timeout=5.0),
)


async def test_a_call_outlives_a_cut_and_is_ended_over_the_new_connection(tmp_path):
    async with ImsNetwork(NetworkOptions(directory=tmp_path, web=False)) as ims:
        alice, bob = (Client(Account.load(name, ims.accounts_path), replace(OPTIONS)) for name in ("alice", "bob"))
        async with alice, bob:
            restored = asyncio.Event()
            alice.on_event(lambda event: restored.set() if isinstance(event, ConnectionRestored) else None)
            call = await alice.call("sip:bob@ims.example", audio=Silence())
            other = await anext(bob.incoming())
            await asyncio.gather(call.answered(timeout=10), other.answer(audio=Silence()))
            before = alice.flow
            for connection in ims.epcscf.node.driver.connections:
                if connection.flow.remote == before.local:
                    connection.abort("cut")
            await asyncio.wait_for(restored.wait(), 10)
            assert alice.flow != before
            assert not call.is_over
            await call.hangup()
            report = await asyncio.wait_for(other.ended(), 10)
            assert report.outcome is CallOutcome.COMPLETED


async def test_a_client_that_was_replaced_says_so_and_does_not_fight(tmp_path):
    """Two clients with one instance, as on a copied machine (RFC 5626 §6)."""
    async with ImsNetwork(NetworkOptions(directory=tmp_path, web=False)) as ims:
        instance = "urn:uuid:6f7f2f3c-5a0e-4d0b-9c0e-2d8f7c1f3a22"
        account = replace(Account.load("alice", ims.accounts_path), instance=instance)
        first, second = Client(account, OPTIONS), Client(account, OPTIONS)
        told, later = [], []
        first.on_event(told.append)
        over = asyncio.Event()
        first.on_event(lambda event: over.set() if isinstance(event, RegistrationLost) else None)
        async with first:
            second.on_event(later.append)
            async with second:
                await asyncio.wait_for(over.wait(), 10)
                assert first.is_over
                assert "another client has registered as the same device" in str(first.ended_by)
                assert first.bindings == ()
                await first.__aexit__(None, None, None)
                assert [type(event) for event in told[1:]] == [RegistrationLost, ConnectionLost]
                assert told[-1].next_try is None
                assert second.is_connected
                call = await second.call("sip:bob@ims.example")  # the network knows its registration
                await call.hangup()
        assert ConnectionLost not in map(type, later)
