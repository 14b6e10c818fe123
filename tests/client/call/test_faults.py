from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest

from wic.client import CallOutcome
from wic.client.events import ConnectionLost, ConnectionRestored, Refreshed
from wic.errors import (
    CallFailed,
    CallRejected,
    ConsentLost,
    FingerprintMismatch,
    FlowLost,
    IceFailed,
    MediaFailed,
    NegotiationFailed,
    RegistrationFailed,
)
from wic.media import ConsentTimes, MediaTransport, MediaTransportOptions, Silence
from wic.media.metronome import Metronome
from wic.registration import BackoffOptions

IMPATIENT = MediaTransportOptions(ice_timeout=0.5)
FAST_CONSENT = MediaTransportOptions(consent=ConsentTimes(interval=0.1, expiry=0.6))


def unreleased(call):
    """Calls of the same client that are not released: each has something to send, or media to close."""
    return call._host.ending


def fake_fingerprint(message):
    """Let a message claim another certificate."""
    lines = message.body.split(b"\r\n")
    fake = b"a=fingerprint:sha-256 " + b":".join([b"00"] * 32)
    message.body = b"\r\n".join(fake if line.startswith(b"a=fingerprint") else line for line in lines)


@pytest.mark.parametrize("side", ["offer", "answer"])
async def test_a_wrong_fingerprint_ends_the_call_by_name(home, side):
    if side == "offer":
        home.tamper = lambda request: fake_fingerprint(request) if request.method == "INVITE" else None
    else:
        home.tamper_response = lambda response: fake_fingerprint(response) if response.body else None
    async with home.client("alice") as alice, home.client("bob") as bob:
        call = await alice.call("sip:bob@ims.example", audio=Silence())
        other = await home.take(bob)
        answering = asyncio.create_task(other.answer(audio=Silence()))
        with pytest.raises(CallFailed):
            await call.answered(timeout=10)
        await answering
        deceived = call if side == "answer" else other
        report = await deceived.ended()
        assert isinstance(deceived.error.__cause__, FingerprintMismatch)
        assert "FingerprintMismatch" in report.reason
        assert report.outcome is CallOutcome.FAILED
        assert not report.media
        assert "BYE" in [request.method for request in home.requests]


async def test_an_answer_that_fits_nothing_ends_the_call(home):
    def forget_setup(response):
        response.body = response.body.replace(b"a=setup:active", b"a=setup:actpass")

    home.tamper_response = forget_setup
    async with home.client("alice") as alice, home.client("bob") as bob:
        call = await alice.call("sip:bob@ims.example")
        other = await home.take(bob)
        answering = asyncio.create_task(other.answer())
        with pytest.raises(CallFailed, match="DTLS client"):
            await call.answered(timeout=10)
        await answering


async def test_an_unreadable_answer_ends_the_call(home):
    home.tamper_response = lambda response: setattr(response, "body", b"x" if response.body else b"")
    async with home.client("alice") as alice, home.client("bob") as bob:
        call = await alice.call("sip:bob@ims.example")
        other = await home.take(bob)
        answering = asyncio.create_task(other.answer())
        with pytest.raises(NegotiationFailed):
            await call.answered(timeout=10)
        await answering
        assert other.is_over


async def test_an_offer_without_ice_is_refused(home):
    home.tamper = lambda request: setattr(request, "body", request.body.replace(b"a=ice-", b"a=x-"))
    async with home.client("alice") as alice, home.client("bob"):
        call = await alice.call("sip:bob@ims.example")
        with pytest.raises(CallRejected) as caught:
            await call.answered(timeout=10)
        assert caught.value.response.status == 488
        assert "ICE" in caught.value.response.headers.get("Warning")


async def test_an_answer_without_ice_fails_the_call(home):
    home.tamper_response = lambda response: setattr(response, "body", response.body.replace(b"a=ice-", b"a=x-"))
    async with home.client("alice", media=IMPATIENT) as alice, home.client("bob", media=IMPATIENT) as bob:
        call = await alice.call("sip:bob@ims.example")
        other = await home.take(bob)
        answering = asyncio.create_task(other.answer())
        with pytest.raises(CallFailed, match="media failed") as caught:
            await call.answered(timeout=10)
        assert isinstance(caught.value.__cause__, IceFailed)
        await answering


async def test_an_unreadable_offer_is_refused(home):
    home.tamper = lambda request: setattr(request, "body", request.body.replace(b"a=setup:actpass", b"a=setup:x"))
    async with home.client("alice") as alice, home.client("bob"):
        call = await alice.call("sip:bob@ims.example")
        with pytest.raises(CallRejected) as caught:
            await call.answered(timeout=10)
        assert caught.value.response.status == 488


def vanish(call):
    """Let a side's media go silent without a word, as a lost network would."""
    for line in call._media._lines:
        for port in line.transport.ports:
            port.close()


async def test_a_peer_that_vanishes_ends_the_call_by_consent(home):
    async with home.client("alice", media=FAST_CONSENT, close_timeout=0.2) as alice, home.client("bob") as bob:
        call, other = await home.connect(alice, bob, audio=Silence(), answer=Silence())
        home.deaf_to = {"BYE"}
        vanish(other)
        report = await call.ended()
        assert report.outcome is CallOutcome.FAILED
        assert isinstance(call.error.__cause__, ConsentLost)
        assert home.requests[-1].method == "BYE"
        home.deaf_to = set()


async def test_media_closed_without_a_bye_fail_the_call(home):
    async with home.client("alice", close_timeout=0.2) as alice, home.client("bob", close_timeout=0.2) as bob:
        call, other = await home.connect(alice, bob, audio=Silence(), answer=Silence())
        home.deaf_to = {"BYE"}
        await other.hangup()
        report = await call.ended()
        assert report.outcome is CallOutcome.FAILED
        assert "DTLS" in report.reason


async def test_a_connection_that_does_not_come_back_ends_the_calls(home):
    async with home.client("alice", call_grace=0.2) as alice, home.client("bob", call_grace=0.2) as bob:
        call, other = await home.connect(alice, bob, audio=Silence(), answer=Silence())
        home.deaf_to = {"REGISTER"}
        for connection in home.driver.connections:
            connection.abort("cut")
        report = await call.ended()
        assert report.outcome is CallOutcome.FAILED
        assert "it could not be re-established within 0.2 s" in report.reason
        assert isinstance(call.error.__cause__, FlowLost)
        await other.ended()
        with pytest.raises(FlowLost, match="not restored yet"):
            await alice.call("sip:bob@ims.example")


async def test_calls_outlive_a_cut_connection(home):
    quick = BackoffOptions(first_time=0.01)
    async with home.client("alice", backoff=quick) as alice, home.client("bob", backoff=quick) as bob:
        call, other = await home.connect(alice, bob, audio=Silence(), answer=Silence())
        told = []
        alice.on_event(told.append)
        for connection in home.driver.connections:
            connection.abort("cut")
        await home.until(lambda: any(isinstance(event, ConnectionRestored) for event in told))
        await home.until(lambda: bob.is_connected)
        sent = call.report().media[0].sent
        await home.until(lambda: call.report().media[0].sent > sent)
        await call.hangup()
        assert (await other.ended()).outcome is CallOutcome.COMPLETED
        assert call.report().outcome is CallOutcome.COMPLETED
    assert [type(event) for event in told][:3] == [ConnectionLost, Refreshed, ConnectionRestored]


@pytest.mark.parametrize("detected", [True, False])
async def test_a_call_that_is_hung_up_without_a_connection_ends_for_both(home, detected):
    """Its BYE goes out as soon as there is a connection again."""
    soon = {"backoff": BackoffOptions(first_time=0.5), "chance": lambda: 1.0}
    async with home.client("alice", **soon) as alice, home.client("bob", goodbye_grace=10.0) as bob:
        call, other = await home.connect(alice, bob, audio=Silence(), answer=Silence())
        if not detected:
            home.deaf_to = {"BYE"}
            leaving = asyncio.create_task(call.hangup())
            await home.until(lambda: home.requests[-1].method == "BYE")
            home.deaf_to = set()
        ((_, flow),) = home.contacts["alice"].values()
        next(each for each in home.driver.connections if each.flow == flow).abort("cut")
        await home.until(lambda: not alice.is_connected)
        if detected:
            leaving = asyncio.create_task(call.hangup())
            await leaving
        assert call.report().outcome is CallOutcome.COMPLETED
        assert not other.is_over
        assert (await other.ended()).outcome is CallOutcome.COMPLETED
        await leaving
        await home.until(lambda: not unreleased(call))


async def test_a_bye_is_given_up_with_the_search_for_a_connection(home):
    patient = {"goodbye_grace": 10.0, "close_timeout": 0.2}
    async with home.client("alice", call_grace=0.2) as alice, home.client("bob", **patient) as bob:
        call, other = await home.connect(alice, bob, audio=Silence(), answer=Silence())
        home.deaf_to = {"REGISTER"}
        ((_, flow),) = home.contacts["alice"].values()
        next(each for each in home.driver.connections if each.flow == flow).abort("cut")
        await home.until(lambda: not alice.is_connected)
        await call.hangup()
        await home.until(lambda: not unreleased(call))
        assert call.error is None
        assert not other.is_over


async def test_calls_end_with_the_registration(home):
    """TS 24.229 §5.1.1.7; TS 24.371 §6A.2: then the connection is closed."""
    home.granted = 2
    async with home.client("alice") as alice, home.client("bob") as bob:
        call, other = await home.connect(alice, bob, audio=Silence(), answer=Silence())
        asking = await alice.call("sip:bob@ims.example")
        await asking.ringing()
        home.forbids = {"alice"}
        report = await call.ended()
        assert report.outcome is CallOutcome.FAILED
        assert "the registration ended" in report.reason
        assert isinstance(call.error.__cause__, RegistrationFailed)
        with pytest.raises(CallFailed, match="the registration ended"):
            await asking.answered()
        assert (await other.ended()).outcome is CallOutcome.COMPLETED
        await home.until(lambda: len(home.driver.connections) == 1)


async def test_calls_end_at_once_when_no_connection_is_looked_for_any_more(home):
    async with home.client("alice", backoff=BackoffOptions(first_time=0.01)) as alice, home.client("bob") as bob:
        call, _ = await home.connect(alice, bob, audio=Silence(), answer=Silence())
        home.forbids = {"alice"}
        ((_, flow),) = home.contacts["alice"].values()
        next(each for each in home.driver.connections if each.flow == flow).abort("cut")
        await call.ended()
        assert isinstance(call.error.__cause__, RegistrationFailed)
        await home.until(lambda: not unreleased(call))


async def test_a_call_that_is_being_made_does_not_outlive_its_connection(home):
    async with home.client("alice") as alice, home.client("bob") as bob:
        call = await alice.call("sip:bob@ims.example", audio=Silence())
        await home.take(bob)
        ((_, flow),) = home.contacts["alice"].values()
        next(each for each in home.driver.connections if each.flow == flow).abort("cut")
        with pytest.raises(CallFailed, match="connection") as caught:
            await call.answered(timeout=10)
        assert isinstance(caught.value.__cause__, FlowLost)
        assert "during INVITE" in str(caught.value.__cause__)


async def test_leaving_when_the_connection_was_lost_leaves_nothing(home, nothing_left):
    """The media of a call that ended by itself are closed before the client is."""
    before = nothing_left()
    async with home.client("bob") as bob:
        async with home.client("alice") as alice:
            call = await alice.call("sip:bob@ims.example", audio=Silence())
            other = await home.take(bob)
            ((_, flow),) = home.contacts["alice"].values()
            next(each for each in home.driver.connections if each.flow == flow).abort("cut")
            with pytest.raises(CallFailed, match="connection"):
                await call.answered(timeout=10)
        await other.ended()
    await home.until(lambda: not home.driver.connections)
    await home.until(lambda: nothing_left() == before)


async def test_no_address_for_media(home, monkeypatch, caplog):
    async def gather(self):
        raise MediaFailed("no local address can be used for media")

    async with home.client("alice") as alice, home.client("bob") as bob:
        call = await alice.call("sip:bob@ims.example")
        other = await home.take(bob)
        with monkeypatch.context() as patch:
            patch.setattr("wic.media.MediaTransport.gather", gather)
            with caplog.at_level(logging.WARNING):
                await other.answer()
            with pytest.raises(MediaFailed):
                await bob.call("sip:alice@ims.example")
        with pytest.raises(CallRejected) as caught:
            await call.answered(timeout=10)
        assert caught.value.response.status == 500
        assert "cannot be answered" in caplog.text


async def test_a_caller_that_gives_up_while_the_callee_answers(home, monkeypatch):
    genuine = MediaTransport.gather
    go_on = asyncio.Event()

    async def slow(self):
        await go_on.wait()
        return await genuine(self)

    async with home.client("alice") as alice, home.client("bob") as bob:
        call = await alice.call("sip:bob@ims.example")
        other = await home.take(bob)
        await call.ringing()
        with monkeypatch.context() as patch:
            patch.setattr("wic.media.MediaTransport.gather", slow)
            answering = asyncio.create_task(other.answer())
            await asyncio.sleep(0)
            await call.hangup()
            await home.until(lambda: other.is_over)
            go_on.set()
            await answering
        assert other.report().outcome is CallOutcome.CANCELLED


async def test_media_end_although_a_cancellation_was_lost(home, monkeypatch):
    """Python 3.11's `wait_for`, which the handshake uses, loses a cancellation that meets a packet."""
    closed = asyncio.Event()

    async def deaf(self, remote, **how):
        with contextlib.suppress(asyncio.CancelledError):
            await closed.wait()
        await closed.wait()

    async def close(self):
        await genuine(self)
        closed.set()

    genuine = MediaTransport.close
    async with home.client("alice") as alice, home.client("bob") as bob:
        with monkeypatch.context() as patch:
            patch.setattr(MediaTransport, "connect", deaf)
            patch.setattr(MediaTransport, "close", close)
            call = await alice.call("sip:bob@ims.example", audio=Silence())
            other = await home.take(bob)
            answering = asyncio.create_task(other.answer(audio=Silence()))
            await home.until(lambda: call._progress.accepted and other._progress.accepted)
            await call.hangup()
            assert (await other.ended()).outcome is CallOutcome.COMPLETED
            await answering
        assert len(Metronome.running()) == 0
