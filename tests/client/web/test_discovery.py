"""What a WAF and a WWSF say of themselves, and what they may not say."""

from __future__ import annotations

import pytest

from wic.client.web.discovery import discover, find_place
from wic.errors import ConnectFailed, RemoteProtocolError

METADATA = "/.well-known/oauth-authorization-server"


async def test_the_metadata_of_an_authorization_server(server, web_client) -> None:
    server.becomes_a_waf()
    for written in (server.url, f"{server.url}/"):
        waf = await discover(web_client, written, insecure=True)
        assert waf.issuer == server.url
        assert waf.token == f"{server.url}/token"
        assert waf.authorization == f"{server.url}/authorize"
        assert waf.device_authorization == f"{server.url}/device_authorization"
        assert waf.revocation == f"{server.url}/revoke"
        assert waf.pkce
        assert waf.names_itself


async def test_a_server_need_not_have_everything(server, web_client) -> None:
    server.says(METADATA, {"issuer": server.url, "token_endpoint": f"{server.url}/token"})
    waf = await discover(web_client, server.url, insecure=True)
    assert (waf.authorization, waf.device_authorization, waf.revocation) == ("", "", "")
    assert not waf.pkce
    assert not waf.names_itself


async def test_the_well_known_name_stands_before_the_path(server, web_client) -> None:
    issuer = f"{server.url}/tenant/one"
    server.says(f"{METADATA}/tenant/one", {"issuer": issuer, "token_endpoint": f"{server.url}/token"})
    assert (await discover(web_client, issuer, insecure=True)).issuer == issuer


@pytest.mark.parametrize("named", ["https://other.example", "", None, 7, "http://127.0.0.1"])
async def test_no_other_server_is_believed(server, web_client, named: object) -> None:
    server.becomes_a_waf(issuer=named)
    with pytest.raises(RemoteProtocolError, match="says that it is another authorization server"):
        await discover(web_client, server.url, insecure=True)


@pytest.mark.parametrize(
    "url",
    ["", "/token", "http://waf.example/t", "file:///etc/passwd", "https://", "https://u@waf.example/", "https://[x",
     "https://waf.example:99999/", "https://waf.example/#f", "https://waf.example/\n", f"https://waf.example/{'x' * 3000}", 7],
    ids=lambda url: str(url)[:30],
)  # fmt: skip
async def test_endpoints_that_cannot_be_used(server, web_client, url: object) -> None:
    server.becomes_a_waf(token_endpoint=url)
    with pytest.raises(RemoteProtocolError, match="no usable 'token_endpoint'") as refused:
        await discover(web_client, server.url)
    assert str(refused.value).isprintable()


async def test_a_server_without_metadata(server, web_client) -> None:
    with pytest.raises(ConnectFailed, match=r"oauth-authorization-server cannot be had: status 404"):
        await discover(web_client, server.url)


async def test_an_account_with_a_waf_asks_nobody(web_client, settings) -> None:
    place = await find_place(web_client, settings(waf="https://waf.ims.example/"))
    assert (place.issuer, place.client_id, place.server, place.pool) == ("https://waf.ims.example", "wic", "", "")


async def test_a_wwsf_names_its_waf(server, web_client, settings) -> None:
    server.becomes_a_wwsf(issuer="https://waf.ims.example", client_id="native")
    place = await find_place(web_client, settings(waf="", wwsf=f"{server.url}/"))
    assert place.issuer == "https://waf.ims.example"
    assert place.client_id == "native"
    assert place.server == "wss://pcscf.ims.example/"
    assert place.pool == f"{server.url}/pool/lease"


async def test_what_the_account_says_counts_more(server, web_client, settings) -> None:
    server.becomes_a_wwsf(pool=None, client_id=7)
    place = await find_place(web_client, settings(waf="https://mine.example", wwsf=server.url, client_id="me"))
    assert (place.issuer, place.client_id, place.pool) == ("https://mine.example", "me", "")
    assert (await find_place(web_client, settings(wwsf=server.url))).client_id == "wic"


async def test_a_pool_at_another_server_gets_no_token(server, web_client, settings) -> None:
    server.becomes_a_wwsf(pool="https://evil.example/pool")
    with pytest.raises(RemoteProtocolError, match=r"names a pool at another server, https://evil\.example"):
        await find_place(web_client, settings(wwsf=server.url))


async def test_a_wwsf_names_a_protected_server(server, web_client, settings) -> None:
    server.becomes_a_wwsf(wss="ws://pcscf.ims.example/", issuer="https://waf.ims.example", pool=None)
    assert (await find_place(web_client, settings(wwsf=server.url))).server == "ws://pcscf.ims.example/"
    safe = settings(wwsf="https://wwsf.ims.example", waf="", insecure=False)
    object.__setattr__(safe, "wwsf", server.url)
    with pytest.raises(RemoteProtocolError, match="no usable 'wss'"):
        await find_place(web_client, safe)
