"""Device authorization grant, the side of the device (RFC 8628)."""

from __future__ import annotations

import asyncio

import pytest

from wic.auth import Secret
from wic.client.web.device import DeviceCode, UserCode, poll_until_approved, request_codes
from wic.client.web.discovery import DiscoveredServices
from wic.client.web.token_client import TokenClient
from wic.errors import ConnectFailed, RemoteProtocolError, SignInFailed
from wic.oauth.tokens import AccessToken

TOKEN = AccessToken(value=Secret("abc"))
ANSWER = {
    "device_code": "dev",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://waf.ims.example/device",
    "verification_uri_complete": "https://waf.ims.example/device?user_code=WDJB-MJHT",
    "expires_in": 1800,
    "interval": 7,
}


@pytest.fixture
def ask(server, json_client, settings):
    async def make(answer: object, **how: object) -> tuple[UserCode, DeviceCode]:
        server.becomes_a_waf()
        server.answers.pop("/device_authorization", None)
        server.says("/device_authorization", answer, **how)
        services = DiscoveredServices(issuer=server.url, client_id="wic")
        return await request_codes(await TokenClient.open(json_client, services, settings()))

    return make


async def test_a_pair_of_codes(server, ask) -> None:
    user, device = await ask(ANSWER)
    assert user == UserCode(
        code="WDJB-MJHT",
        url="https://waf.ims.example/device",
        url_with_code="https://waf.ims.example/device?user_code=WDJB-MJHT",
        expires_in=1800,
    )
    assert device == DeviceCode(secret=Secret("dev"), interval=7, expires_in=1800)
    assert server.forms("/device_authorization") == [{"scope": "ims", "client_id": "wic"}]


async def test_numbers_as_deployed_servers_write_them(ask) -> None:
    _, device = await ask(ANSWER | {"expires_in": "1800", "interval": 7.0})
    assert (device.expires_in, device.interval) == (1800, 7)


async def test_members_that_are_optional(ask) -> None:
    few = {name: value for name, value in ANSWER.items() if name not in ("interval", "verification_uri_complete")}
    user, device = await ask(few)
    assert user.url_with_code == ""
    assert device.interval == 5  # RFC 8628 §3.2


@pytest.mark.parametrize(
    "changes",
    [
        {"device_code": ""},
        {"device_code": "a b"},
        {"user_code": ""},
        {"user_code": "x" * 100},
        {"user_code": "a\x1b[2J"},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": "http://waf.ims.example/device"},
        {"verification_uri": "https://[x"},
        {"verification_uri": "https://waf.ims.example@evil.example/device"},
        {"verification_uri": f"https://waf.ims.example/{'x' * 3000}"},
        {"expires_in": None},
        {"expires_in": 0},
        {"expires_in": True},
        {"expires_in": "soon"},
    ],
)
async def test_codes_that_cannot_be_used(ask, changes: dict[str, object]) -> None:
    with pytest.raises(RemoteProtocolError, match="a code that cannot be used"):
        await ask(ANSWER | changes)


async def test_a_server_that_refuses(ask) -> None:
    with pytest.raises(SignInFailed, match="gave no code: unauthorized_client"):
        await ask({"error": "unauthorized_client"}, status=400)


async def test_a_bad_link_is_not_shown(ask) -> None:
    assert (await ask(ANSWER | {"verification_uri_complete": "file:///etc"}))[0].url_with_code == ""


# polling, in virtual time


class Answers:
    """Answers to polls, one after the other, with the times of the polls."""

    def __init__(self, *answers: Exception | AccessToken) -> None:
        self._answers = list(answers)
        self.times: list[float] = []

    async def __call__(self, secret: Secret) -> AccessToken:
        assert secret == Secret("dev")
        self.times.append(asyncio.get_running_loop().time())
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def says(error: str, **how: bool) -> SignInFailed:
    return SignInFailed(error, error=error, **how)


def device(interval: int = 5, expires_in: int = 100) -> DeviceCode:
    return DeviceCode(secret=Secret("dev"), interval=interval, expires_in=expires_in)


@pytest.mark.virtual_time
async def test_polls_keep_to_the_interval() -> None:
    answers = Answers(says("authorization_pending"), says("authorization_pending"), TOKEN)
    assert await poll_until_approved(answers, device()) is TOKEN
    assert answers.times == [5, 10, 15]


@pytest.mark.virtual_time
async def test_slow_down_makes_it_slower() -> None:
    answers = Answers(says("slow_down", temporary=True), says("authorization_pending"), says("slow_down"), TOKEN)
    assert await poll_until_approved(answers, device()) is TOKEN
    assert answers.times == [5, 15, 25, 40]  # RFC 8628 §3.5: five seconds more, for good


@pytest.mark.virtual_time
async def test_polls_back_off_while_the_server_fails() -> None:
    answers = Answers(ConnectFailed("x"), says("temporarily_unavailable", temporary=True), TOKEN)
    assert await poll_until_approved(answers, device()) is TOKEN
    assert answers.times == [5, 15, 35]


@pytest.mark.virtual_time
@pytest.mark.parametrize("error", ["access_denied", "expired_token", "invalid_grant"])
async def test_final_errors_end_the_polling(error: str) -> None:
    answers = Answers(says("authorization_pending"), says(error))
    with pytest.raises(SignInFailed) as refused:
        await poll_until_approved(answers, device())
    assert refused.value.error == error
    assert len(answers.times) == 2


@pytest.mark.virtual_time
async def test_polling_ends_when_the_codes_expire() -> None:
    answers = Answers(says("authorization_pending"))
    with pytest.raises(SignInFailed, match="the code expired before") as refused:
        await poll_until_approved(answers, device())
    assert refused.value.error == "expired_token"
    assert asyncio.get_running_loop().time() == 100


def test_no_device_code_is_shown() -> None:
    assert "dev'" not in repr(device())
