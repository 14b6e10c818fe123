"""Discovery of WAF and WWSF: what their documents say, and what is not accepted of them."""

from __future__ import annotations

import pytest

from wic.client.web.discovery import discover_authorization_server, discover_services
from wic.errors import ConnectFailed, RemoteProtocolError
from wic.oauth.metadata import OAuthEndpoint

METADATA = "/.well-known/oauth-authorization-server"


async def test_the_metadata_of_an_authorization_server(server, json_client) -> None:
    server.becomes_a_waf()
    for written in (server.url, f"{server.url}/"):
        waf = await discover_authorization_server(json_client, written, insecure=True)
        assert waf.issuer == server.url
        assert waf.url_of(OAuthEndpoint.TOKEN) == f"{server.url}/token"
        assert waf.url_of(OAuthEndpoint.AUTHORIZATION) == f"{server.url}/authorize"
        assert waf.url_of(OAuthEndpoint.DEVICE_AUTHORIZATION) == f"{server.url}/device_authorization"
        assert waf.url_of(OAuthEndpoint.REVOCATION) == f"{server.url}/revoke"
        assert waf.pkce
        assert waf.sends_issuer


async def test_a_server_need_not_have_everything(server, json_client) -> None:
    server.says(METADATA, {"issuer": server.url, "token_endpoint": f"{server.url}/token"})
    waf = await discover_authorization_server(json_client, server.url, insecure=True)
    others = (OAuthEndpoint.AUTHORIZATION, OAuthEndpoint.DEVICE_AUTHORIZATION, OAuthEndpoint.REVOCATION)
    assert not any(waf.has(endpoint) for endpoint in others)
    assert not waf.pkce
    assert not waf.sends_issuer


async def test_an_issuer_with_a_path(server, json_client) -> None:
    issuer = f"{server.url}/tenant/one"
    server.says(f"{METADATA}/tenant/one", {"issuer": issuer, "token_endpoint": f"{server.url}/token"})
    assert (await discover_authorization_server(json_client, issuer, insecure=True)).issuer == issuer


@pytest.mark.parametrize("named", ["https://other.example", "", None, 7, "http://127.0.0.1"])
async def test_the_metadata_of_another_server(server, json_client, named: object) -> None:
    server.becomes_a_waf(issuer=named)
    with pytest.raises(RemoteProtocolError, match="are those of another issuer"):
        await discover_authorization_server(json_client, server.url, insecure=True)


@pytest.mark.parametrize(
    "url",
    ["", "/token", "http://waf.example/t", "file:///etc/passwd", "https://", "https://u@waf.example/", "https://[x",
     "https://waf.example:99999/", "https://waf.example/#f", "https://waf.example/\n", f"https://waf.example/{'x' * 3000}", 7],
    ids=lambda url: str(url)[:30],
)  # fmt: skip
async def test_endpoints_that_cannot_be_used(server, json_client, url: object) -> None:
    server.becomes_a_waf(token_endpoint=url)
    with pytest.raises(RemoteProtocolError, match="no usable 'token_endpoint'") as refused:
        await discover_authorization_server(json_client, server.url)
    assert str(refused.value).isprintable()


async def test_a_server_without_metadata(server, json_client) -> None:
    with pytest.raises(ConnectFailed, match=r"oauth-authorization-server cannot be fetched: status 404"):
        await discover_authorization_server(json_client, server.url)


async def test_an_account_with_a_waf_alone_sends_no_request(json_client, settings) -> None:
    services = await discover_services(json_client, settings(waf="https://waf.ims.example/"))
    assert (services.issuer, services.client_id, services.server, services.pool) == (
        "https://waf.ims.example",
        "wic",
        "",
        "",
    )


async def test_a_wwsf_names_its_waf(server, json_client, settings) -> None:
    server.becomes_a_wwsf(issuer="https://waf.ims.example", client_id="native")
    services = await discover_services(json_client, settings(waf="", wwsf=f"{server.url}/"))
    assert services.issuer == "https://waf.ims.example"
    assert services.client_id == "native"
    assert services.server == "wss://pcscf.ims.example/"
    assert services.pool == f"{server.url}/pool/lease"


async def test_the_settings_of_the_account_have_precedence(server, json_client, settings) -> None:
    server.becomes_a_wwsf(pool=None, client_id=7)
    services = await discover_services(
        json_client, settings(waf="https://mine.example", wwsf=server.url, client_id="me")
    )
    assert (services.issuer, services.client_id, services.pool) == ("https://mine.example", "me", "")
    assert (await discover_services(json_client, settings(wwsf=server.url))).client_id == "wic"


async def test_a_pool_at_another_server_gets_no_token(server, json_client, settings) -> None:
    server.becomes_a_wwsf(pool="https://evil.example/pool")
    with pytest.raises(RemoteProtocolError, match=r"names a pool at another server, https://evil\.example"):
        await discover_services(json_client, settings(wwsf=server.url))


async def test_a_wwsf_names_a_protected_server(server, json_client, settings) -> None:
    server.becomes_a_wwsf(wss="ws://pcscf.ims.example/", issuer="https://waf.ims.example", pool=None)
    assert (await discover_services(json_client, settings(wwsf=server.url))).server == "ws://pcscf.ims.example/"
    safe = settings(wwsf="https://wwsf.ims.example", waf="", insecure=False)
    object.__setattr__(safe, "wwsf", server.url)
    with pytest.raises(RemoteProtocolError, match="no usable 'wss'"):
        await discover_services(json_client, safe)
