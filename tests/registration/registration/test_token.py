"""Registration with an access token that the network does not take any more (RFC 8898 §2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.auth import BearerClient, Secret
from wic.errors import TokenRefused
from wic.registration import Backoff, BindingSuspended, Refreshed, RegisterFailed, RegistrationState
from wic.registration.recovery import Remedy

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World

    from wic.registration import RegistrationEvent

WAF = "https://waf.example"


@pytest.fixture
def bearer() -> BearerClient:
    return BearerClient(token=Secret("old"), trusted_servers=(WAF,))


@pytest.fixture
def world(make_world: Callable[..., World], bearer: BearerClient) -> World:
    world = make_world(bearer, backoff=Backoff(lambda: 0.5))
    world.registration.register(now=0)
    return world


def refuse(world: World) -> list[RegistrationEvent]:
    challenge = f'Bearer realm="ims.example", authz_server="{WAF}", error="invalid_token"'
    return world.answer(401, ("WWW-Authenticate", challenge))


def test_a_token_that_is_refused_needs_another_one(world: World, bearer: BearerClient) -> None:
    (event,) = refuse(world)
    assert isinstance(event, RegisterFailed)
    assert isinstance(event.error, TokenRefused)
    assert event.retry_after is None
    bearer.use(Secret("new"))
    world.registration.register(now=1)
    assert len(world.accept()) == 1
    assert world.sent[-1].headers.get("Authorization") == "Bearer new"


def test_the_binding_is_kept_until_there_is_another_token(world: World, bearer: BearerClient) -> None:
    world.accept()
    world.wait()
    (event,) = refuse(world)
    assert isinstance(event, BindingSuspended)
    assert isinstance(event.error, TokenRefused)
    assert (event.retry_after, world.registration.state) == (None, RegistrationState.SUSPENDED)
    bearer.use(Secret("new"))
    world.registration.register(now=world.now)
    (event,) = world.accept()
    assert isinstance(event, Refreshed)
    assert len({request.call_id for request in world.sent}) == 1


def test_a_try_of_its_own_with_the_same_token_is_not_the_last(world: World, bearer: BearerClient) -> None:
    """The network may end the registration while another token is looked for; RFC 3680 §5.3."""
    world.accept()
    world.wait()
    refuse(world)
    world.registration.lose("deactivated", now=world.now, again_after=0.0)
    world.told()
    world.wait()
    (event,) = refuse(world)
    assert isinstance(event, RegisterFailed)
    assert event.recovery.remedy is Remedy.RENEW_TOKEN
    bearer.use(Secret("new"))
    world.registration.register(now=world.now)
    (event,) = refuse(world)
    assert isinstance(event, RegisterFailed)
    assert event.recovery.remedy is Remedy.GIVE_UP
