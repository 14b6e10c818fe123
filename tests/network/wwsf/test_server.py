"""WWSF as a server, alone and with the WAF."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.web_servers import begin_sign_in, sign_in_at_waf
from wic.auth.secret import Secret
from wic.errors import ConfigurationError, StorageFailed
from wic.network.waf import Waf, WafOptions, WafStore
from wic.network.wwsf import Wwsf, WwsfOptions
from wic.oauth.http import JsonClient

if TYPE_CHECKING:
    from pathlib import Path


async def test_both_on_one_port(tmp_path: Path, server_tls, authority, open_browser, clock) -> None:
    waf = WafOptions(database=tmp_path / "waf.sqlite", ssl_context=server_tls, clock=clock)
    with WafStore(waf.database, password_cost=16) as store:
        store.users.add("carol", Secret("correct horse"), "carol@ims.example", ["sip:carol@ims.example"])
    options = WwsfOptions(
        database=tmp_path / "wwsf.sqlite",
        ssl_context=server_tls,
        wss="wss://127.0.0.1:8443/",
        client_id="wwsf",
        client_secret=Secret("secret of the WWSF"),
        ca=authority.certificate_path,
        clock=clock,
    )
    async with await Wwsf.open(options, waf=waf) as wwsf:
        assert wwsf.waf is not None
        assert (wwsf.waf.url, wwsf.waf.port) == (wwsf.url, wwsf.port)
        page = open_browser(wwsf.url)
        configuration = (await page.get("/.well-known/wic-configuration")).json
        assert configuration["issuer"] == wwsf.url
        assert configuration["pool"] is None
        answer = await page.get(await sign_in_at_waf(page, wwsf.waf, await begin_sign_in(page)))
        assert answer.status == 303
        assert (await page.get("/token")).json["impi"] == "carol@ims.example"
        assert (await page.post("/pool/lease")).status in (404, 405)
        assert "without signing in" not in (await open_browser(wwsf.url).get("/")).text


async def test_the_configuration_for_wics(waf: Waf, wwsf: Wwsf, open_browser) -> None:
    answer = await open_browser(wwsf.url).get("/.well-known/wic-configuration")
    assert answer.json == {
        "wss": "wss://127.0.0.1:8443/",
        "issuer": waf.url,
        "client_id": "wic",
        "pool": f"{wwsf.url}/pool/lease",
        "anonymous": True,
    }


async def test_a_close_that_is_cancelled_ends_all(wwsf: Wwsf, open_browser, monkeypatch) -> None:
    """The client of the WAF has connections of its own."""
    ended = []
    close = JsonClient.close

    async def closed(client: JsonClient) -> None:
        ended.append(client)
        await close(client)

    monkeypatch.setattr(JsonClient, "close", closed)
    assert (await open_browser(wwsf.url).get("/")).status == 200  # a connection, whose end is waited for
    closing = asyncio.create_task(wwsf.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled()
    assert ended
    with pytest.raises((sqlite3.ProgrammingError, StorageFailed)):
        wwsf.store.pairs()


@pytest.mark.parametrize("issuer", [None, "https://a.example"])
async def test_a_wwsf_has_one_waf(waf: Waf, tmp_path: Path, server_tls, issuer: str | None) -> None:
    settings = {"database": tmp_path / "x", "ssl_context": server_tls, "wss": "wss://a", "client_id": "a"}
    options = WwsfOptions(**settings, client_secret=Secret("x" * 16), issuer=issuer)
    with pytest.raises(ConfigurationError, match="one WAF"):
        await Wwsf.open(options, waf=None if issuer is None else waf.options)


async def test_no_file_is_opened_for_a_waf_that_cannot_be_trusted(tmp_path: Path, server_tls) -> None:
    settings = {"database": tmp_path / "x", "ssl_context": server_tls, "wss": "wss://a", "client_id": "a"}
    options = WwsfOptions(**settings, client_secret=Secret("x" * 16), issuer="http://a.example")
    with pytest.raises(ConfigurationError, match="write https://HOST"):
        await Wwsf.open(options)
    assert not options.database.exists()


async def test_a_port_that_is_taken(waf: Waf, wwsf: Wwsf, tmp_path: Path) -> None:
    options = replace(wwsf.options, database=tmp_path / "other.sqlite", port=waf.port)
    with pytest.raises(ConfigurationError, match="is taken; choose another one"):
        await Wwsf.open(options)
