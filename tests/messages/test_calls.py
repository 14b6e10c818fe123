"""Requests and responses of calls as WICs and the eP-CSCF send them: whole messages, on W2 and on Mw."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from wic.errors import CallRejected
from wic.media import Silence

from .transcript import expect_recorded

if TYPE_CHECKING:
    from .conftest import Scene


async def test_a_call_with_audio_and_a_channel(scene: Scene) -> None:
    alice, bob = await scene.registered("alice"), await scene.registered("bob")
    call = await alice.call("sip:bob@ims.example", audio=Silence())
    incoming = await anext(bob.incoming())
    await asyncio.gather(incoming.answer(audio=Silence()), call.answered(timeout=10))
    await call.hangup()
    await scene.until(lambda: scene.said.answered("BYE") == 3)
    expect_recorded("call", scene.said.of("INVITE "), scene.names())


async def test_a_call_that_the_caller_gives_up(scene: Scene) -> None:
    alice, bob = await scene.registered("alice"), await scene.registered("bob")
    call = await alice.call("sip:bob@ims.example", audio=Silence(), data=False)
    incoming = await anext(bob.incoming())
    await call.ringing()
    await call.hangup()
    await incoming.ended()
    await scene.until(lambda: scene.said.answered("INVITE") == 3)
    seen = scene.said.of("INVITE ")
    expect_recorded(
        "cancel", [each for each in seen if not each.title.endswith("INVITE 1") or each.status > 180], scene.names()
    )


async def test_a_call_that_is_declined(scene: Scene) -> None:
    alice, bob = await scene.registered("alice"), await scene.registered("bob")
    call = await alice.call("sip:bob@ims.example", audio=Silence(), data=False)
    await (await anext(bob.incoming())).reject(603)
    with pytest.raises(CallRejected):
        await call.answered(timeout=10)
    seen = scene.said.of("INVITE ")
    expect_recorded("decline", [each for each in seen if each.status > 180 or "ACK" in each.title], scene.names())


async def test_a_call_with_a_token(scene: Scene) -> None:
    carol = await scene.registered("carol")
    call = await carol.call("sip:bob@ims.example", audio=Silence(), data=False)
    with pytest.raises(CallRejected):
        await call.answered(timeout=10)
    expect_recorded("call_bearer", scene.said.of("INVITE "), scene.names())
