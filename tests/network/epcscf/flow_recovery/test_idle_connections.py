"""Connections without a registration: not yet, not any more, or not for as long as they stand."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.waiting import until
from wic.sip.flow import Flow

EMPTY = (
    'Authorization: Digest username="alice@ims.example", realm="ims.example", nonce="", '
    'uri="sip:ims.example", response=""'
)


async def registered(edge, wic, *, expires: int = 600, **more) -> None:
    wic.send(wic.register(EMPTY, **more))
    edge.core.grant(await edge.core.expect("REGISTER"), expires=expires)
    await wic.expect("SIP/2.0 200")


async def test_a_connection_without_registration_is_closed(edge, time_passes):
    alice = await edge.wic("alice")
    alice.send(alice.register(EMPTY))
    refused = await edge.core.expect("REGISTER")
    edge.core.answer(refused, "401 Unauthorized", 'WWW-Authenticate: Digest realm="ims.example", nonce="n"')
    await alice.expect("SIP/2.0 401")
    time_passes(edge.epcscf, 31)
    assert not alice.ended.is_set()
    time_passes(edge.epcscf, 33)
    await alice.ended.wait()


@pytest.mark.parametrize(("asked", "kept"), [("120", 120), ("86400", 600), ("soon", 0), ("5", 5)])
async def test_a_wic_that_is_told_to_wait_keeps_its_connection(edge, time_passes, asked, kept):
    """TS 24.229 §5.1.1.2.1: the UE tries again after Retry-After."""
    alice = await edge.wic("alice")
    alice.send(alice.register(EMPTY))
    edge.core.answer(await edge.core.expect("REGISTER"), "480 Temporarily Unavailable", f"Retry-After: {asked}")
    await alice.expect("SIP/2.0 480")
    time_passes(edge.epcscf, kept + 31)
    assert not alice.ended.is_set()
    time_passes(edge.epcscf, kept + 33)
    await alice.ended.wait()


async def test_a_retry_after_does_not_end_a_registration(edge, time_passes):
    alice = await edge.wic("alice")
    await registered(edge, alice)
    alice.send(alice.register(EMPTY))
    edge.core.answer(await edge.core.expect("REGISTER"), "480 Temporarily Unavailable", "Retry-After: 60")
    await alice.expect("SIP/2.0 480")
    time_passes(edge.epcscf, 100)
    assert edge.epcscf.registrations == 1
    time_passes(edge.epcscf, 601)
    assert edge.epcscf.registrations == 0
    time_passes(edge.epcscf, 634)
    await alice.ended.wait()


async def test_the_wait_is_a_timer_of_the_driver(make_edge):
    edge = await make_edge(linger=0.05)
    alice = await edge.wic("alice")
    async with asyncio.timeout(10):
        await alice.ended.wait()
    assert edge.epcscf.recovery.timers.next_timeout() is None


async def test_a_registration_expires_without_a_request(make_edge, time_passes):
    edge = await make_edge(reg_event=True)
    alice = await edge.wic("alice")
    await registered(edge, alice)
    edge.core.answer(await edge.core.expect("SUBSCRIBE"), "489 Bad Event")
    time_passes(edge.epcscf, 599)
    assert edge.epcscf.registrations == len(edge.epcscf.watcher) == 1
    time_passes(edge.epcscf, 601)
    assert edge.epcscf.registrations == len(edge.epcscf.watcher) == 0
    assert not alice.ended.is_set()
    time_passes(edge.epcscf, 634)
    await alice.ended.wait()


async def test_a_refresh_puts_the_expiry_off(edge, time_passes):
    alice = await edge.wic("alice")
    await registered(edge, alice, expires=60)
    await registered(edge, alice, expires=600)
    time_passes(edge.epcscf, 100)
    assert edge.epcscf.registrations == 1
    time_passes(edge.epcscf, 601)
    assert edge.epcscf.registrations == 0


@pytest.mark.parametrize("first", [60, 600])
async def test_one_registration_may_outlive_another(edge, time_passes, first):
    alice = await edge.wic("alice")
    await registered(edge, alice, expires=first)
    await registered(edge, alice, expires=660 - first, to="<sip:office@ims.example>")
    time_passes(edge.epcscf, 61)
    assert edge.epcscf.registrations == 1
    time_passes(edge.epcscf, 100)
    assert not alice.ended.is_set()
    time_passes(edge.epcscf, 601)
    time_passes(edge.epcscf, 634)
    await alice.ended.wait()


async def test_a_connection_that_broke_unnoticed_is_forgotten(edge, time_passes):
    """Its end was told before the eP-CSCF took events."""
    flow = Flow("WSS", ("127.0.0.1", 1), ("127.0.0.1", 2), "unnoticed")
    edge.epcscf.recovery.opened(flow, now=edge.epcscf.node.driver.now)
    assert edge.epcscf.ues.connection(flow) is not None
    time_passes(edge.epcscf, 33)
    assert edge.epcscf.ues.connection(flow) is None
    assert edge.epcscf.recovery.timers.next_timeout() is None


async def test_a_connection_that_goes_leaves_no_timer(edge):
    alice = await edge.wic("alice")
    assert edge.epcscf.recovery.timers.next_timeout() is not None
    await alice.close()
    await until(lambda: edge.epcscf.recovery.timers.next_timeout() is None)
