"""Client of the token endpoint: one request for each grant, and the errors of refusals."""

from __future__ import annotations

import json

import pytest

from wic.auth import Secret
from wic.client.web.discovery import DiscoveredServices
from wic.client.web.token_client import TokenClient, refusal
from wic.errors import RemoteProtocolError, SignInFailed
from wic.oauth.http import JsonReply
from wic.oauth.tokens import AccessToken


@pytest.fixture
def open_client(server, json_client, settings):
    async def make(**changes: object):
        server.becomes_a_waf()
        return await TokenClient.open(
            json_client, DiscoveredServices(issuer=server.url, client_id="wic"), settings(**changes)
        )

    return make


async def test_the_request_of_each_grant(server, open_client) -> None:
    server.gives("one")
    client = await open_client()
    token = await client.redeem_code(Secret("c"), verifier="v", redirect_uri="http://127.0.0.1:1/callback")
    assert token.value == Secret("one")
    assert token.refresh == Secret("one-next")
    assert token.impus[0] == "sip:carol@ims.example"
    await client.poll_device_code(Secret("d"))
    await client.refresh(token, Secret("one-next"))
    assert server.forms("/token") == [
        {
            "grant_type": "authorization_code",
            "code": "c",
            "code_verifier": "v",
            "redirect_uri": "http://127.0.0.1:1/callback",
            "client_id": "wic",
        },
        {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": "d", "client_id": "wic"},
        {"grant_type": "refresh_token", "refresh_token": "one-next", "client_id": "wic"},
    ]


async def test_a_confidential_client_authenticates_with_its_secret(server, open_client) -> None:
    server.gives("one")
    client = await open_client(client_id="wic", client_secret=Secret("sesame"))
    await client.request_own_token()
    (asked,) = [each for each in server.asked if each.path == "/token"]
    assert asked.form == {"grant_type": "client_credentials", "scope": "ims"}
    assert asked.headers["Authorization"].startswith("Basic ")
    assert "sesame" not in repr(client)


async def test_members_that_a_refresh_omits_stay(server, open_client) -> None:
    server.gives("two", refresh_token=None, impi=None, impu=None)
    old = AccessToken(
        value=Secret("one"), refresh=Secret("again"), impi="c@x", impus=("sip:c@x",), server="wss://a/", scope="ims"
    )
    fresh = await (await open_client()).refresh(old, Secret("again"))
    assert (fresh.value, fresh.refresh) == (Secret("two"), Secret("again"))
    assert (fresh.impi, fresh.impus, fresh.server) == ("c@x", ("sip:c@x",), "wss://a/")


async def test_a_token_is_revoked(server, open_client) -> None:
    server.says("/revoke", {})
    await (await open_client()).revoke(Secret("r"))
    assert server.forms("/revoke") == [{"token": "r", "client_id": "wic"}]
    server.answers["/revoke"].clear()
    server.says("/revoke", {"error": "unsupported_token_type"}, status=400)
    with pytest.raises(SignInFailed, match="did not revoke the token: unsupported_token_type"):
        await (await open_client()).revoke(Secret("r"))


async def test_a_server_that_cannot_revoke(server, json_client, settings) -> None:
    server.becomes_a_waf()
    document = json.loads(server.answers["/.well-known/oauth-authorization-server"][0](None).body)
    del document["revocation_endpoint"]
    server.answers.clear()
    server.says("/.well-known/oauth-authorization-server", document)
    client = await TokenClient.open(json_client, DiscoveredServices(issuer=server.url, client_id="wic"), settings())
    await client.revoke(Secret("r"))
    assert server.forms("/revoke") == []


@pytest.mark.parametrize(
    ("reply", "sentence", "temporary"),
    [
        (
            JsonReply(400, {"error": "invalid_grant", "error_description": "It is used."}),
            "invalid_grant: It is used",
            False,
        ),
        (JsonReply(401, {"error": "invalid_client"}), "invalid_client; check client_id and client_secret", False),
        (JsonReply(400, {"error": "invalid_scope"}), "this client_id may not have this scope", False),
        (JsonReply(400, {"error": "temporarily_unavailable"}), "temporarily_unavailable", True),
        (JsonReply(503, {}, 7.0), "status 503", True),
        (JsonReply(500, {}), "status 500", True),
        (JsonReply(429, {"error": "slow_down"}), "slow_down", True),
        (JsonReply(400, {"error": "x" * 5000, "error_description": "y" * 5000}), "xxx", False),
        (JsonReply(400, {"error": "a", "error_description": "\x1b[2J"}), "no: a", False),
    ],
)
def test_refusals(reply: JsonReply, sentence: str, temporary: bool) -> None:
    error = refusal(reply, "no")
    assert isinstance(error, SignInFailed)
    assert sentence in str(error)
    assert error.temporary is temporary
    assert error.retry_after == reply.retry_after
    assert str(error).isprintable()
    assert len(str(error)) < 500


async def test_an_error_without_a_code_is_not_of_oauth(server, open_client) -> None:
    server.says("/token", {}, status=404)
    with pytest.raises(RemoteProtocolError, match="status 404 without a reason"):
        await (await open_client()).request_own_token()
