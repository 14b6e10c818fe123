"""REGISTER and SUBSCRIBE as a WIC and the eP-CSCF send them: whole messages, on W2 and on Mw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .transcript import expect_recorded

if TYPE_CHECKING:
    from .conftest import Scene


async def test_with_a_usim(scene: Scene) -> None:
    alice = await scene.registered("alice")
    await scene.deregister(alice)
    expect_recorded("register_aka", scene.said.of("REGISTER "), scene.names())
    expect_recorded("subscribe", scene.said.of("SUBSCRIBE "), scene.names())


async def test_with_a_password(scene: Scene) -> None:
    bob = await scene.registered("bob")
    await scene.deregister(bob)
    expect_recorded("register_digest", scene.said.of("REGISTER "), scene.names())


async def test_with_a_token(scene: Scene) -> None:
    carol = await scene.registered("carol")
    await scene.deregister(carol)
    expect_recorded("register_bearer", scene.said.of("REGISTER "), scene.names())
    subscribe = [each for each in scene.said.of("SUBSCRIBE ") if each.title.endswith("-> SUBSCRIBE 1")]
    expect_recorded("subscribe_bearer", subscribe, scene.names())


async def test_the_subscription_of_the_epcscf(scene: Scene) -> None:
    alice = await scene.registered("alice")
    await scene.deregister(alice)
    of_the_wic = scene.said.of("SUBSCRIBE ")[0].header("Call-ID")
    own = [each for each in scene.said if each.header("CSeq").split()[1] in ("SUBSCRIBE", "NOTIFY")]
    expect_recorded("subscribe_epcscf", [each for each in own if each.header("Call-ID") != of_the_wic], scene.names())
