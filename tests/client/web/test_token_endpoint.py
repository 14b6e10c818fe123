"""The token endpoint: what is asked, grant by grant, and what refusals become."""

from __future__ import annotations

import json

import pytest

from wic.auth import Secret
from wic.client.web.discovery import Place
from wic.client.web.http import Reply
from wic.client.web.token import AccessToken
from wic.client.web.token_endpoint import DEVICE_GRANT, open_endpoint, refusal
from wic.errors import RemoteProtocolError, SignInFailed


@pytest.fixture
def endpoint(server, web_client, settings):
    async def make(**changes: object):
        server.becomes_a_waf()
        return await open_endpoint(web_client, Place(issuer=server.url, client_id="wic"), settings(**changes))

    return make


async def test_what_each_grant_asks(server, endpoint) -> None:
    server.gives("one")
    asks = await endpoint()
    token = await asks.with_code(Secret("c"), verifier=Secret("v"), redirect_uri="http://127.0.0.1:1/callback")
    assert token.value == Secret("one")
    assert token.refresh == Secret("one-next")
    assert token.impus[0] == "sip:carol@ims.example"
    await asks.with_device_code(Secret("d"))
    await asks.refreshed(token)
    assert server.forms("/token") == [
        {
            "grant_type": "authorization_code",
            "code": "c",
            "code_verifier": "v",
            "redirect_uri": "http://127.0.0.1:1/callback",
            "client_id": "wic",
        },
        {"grant_type": DEVICE_GRANT, "device_code": "d", "client_id": "wic"},
        {"grant_type": "refresh_token", "refresh_token": "one-next", "client_id": "wic"},
    ]


async def test_a_bot_proves_itself_with_its_password(server, endpoint) -> None:
    server.gives("one")
    asks = await endpoint(client_id="wic", client_secret=Secret("sesame"))
    await asks.with_client_credentials()
    (asked,) = [each for each in server.asked if each.path == "/token"]
    assert asked.form == {"grant_type": "client_credentials", "scope": "ims"}
    assert asked.headers["Authorization"].startswith("Basic ")
    assert "sesame" not in repr(asks)


async def test_what_a_refresh_does_not_say_stays(server, endpoint) -> None:
    server.gives("two", refresh_token=None, impi=None, impu=None)
    old = AccessToken(
        value=Secret("one"), refresh=Secret("again"), impi="c@x", impus=("sip:c@x",), server="wss://a/", scope="ims"
    )
    fresh = await (await endpoint()).refreshed(old)
    assert (fresh.value, fresh.refresh) == (Secret("two"), Secret("again"))
    assert (fresh.impi, fresh.impus, fresh.server) == ("c@x", ("sip:c@x",), "wss://a/")


async def test_a_token_is_revoked(server, endpoint) -> None:
    server.says("/revoke", {})
    await (await endpoint()).revoke(Secret("r"))
    assert server.forms("/revoke") == [{"token": "r", "client_id": "wic"}]
    server.answers["/revoke"].clear()
    server.says("/revoke", {"error": "unsupported_token_type"}, status=400)
    with pytest.raises(SignInFailed, match="did not revoke the token: unsupported_token_type"):
        await (await endpoint()).revoke(Secret("r"))


async def test_a_server_that_cannot_revoke(server, web_client, settings) -> None:
    server.becomes_a_waf()
    document = json.loads(server.answers["/.well-known/oauth-authorization-server"][0](None).body)
    del document["revocation_endpoint"]
    server.answers.clear()
    server.says("/.well-known/oauth-authorization-server", document)
    asks = await open_endpoint(web_client, Place(issuer=server.url, client_id="wic"), settings())
    await asks.revoke(Secret("r"))
    assert server.forms("/revoke") == []


@pytest.mark.parametrize(
    ("reply", "sentence", "temporary"),
    [
        (
            Reply(400, {"error": "invalid_grant", "error_description": "It is used."}),
            "invalid_grant: It is used",
            False,
        ),
        (Reply(401, {"error": "invalid_client"}), "invalid_client; check client_id and client_secret", False),
        (Reply(400, {"error": "invalid_scope"}), "this client_id may not have this scope", False),
        (Reply(400, {"error": "temporarily_unavailable"}), "temporarily_unavailable", True),
        (Reply(503, {}, 7.0), "status 503", True),
        (Reply(500, {}), "status 500", True),
        (Reply(429, {"error": "slow_down"}), "slow_down", True),
        (Reply(400, {"error": "x" * 5000, "error_description": "y" * 5000}), "xxx", False),
        (Reply(400, {"error": "a", "error_description": "\x1b[2J"}), "no: a", False),
    ],
)
def test_refusals(reply: Reply, sentence: str, temporary: bool) -> None:
    error = refusal(reply, "no")
    assert isinstance(error, SignInFailed)
    assert sentence in str(error)
    assert error.temporary is temporary
    assert error.retry_after == reply.retry_after
    assert str(error).isprintable()
    assert len(str(error)) < 500


async def test_a_refusal_without_words_is_no_oauth(server, endpoint) -> None:
    server.says("/token", {}, status=404)
    with pytest.raises(RemoteProtocolError, match="status 404 without a reason"):
        await (await endpoint()).with_client_credentials()
