"""Chromium signs in at the WWSF's page; a WIC registers with the token that its script was given."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from wic.client import Account, Client
from wic.network import ImsNetwork

from .peers.browser import Browser, BrowserPage, pin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .conftest import Peers


@pytest.fixture
async def network() -> AsyncIterator[ImsNetwork]:
    async with ImsNetwork() as network:
        yield network


async def _open(peers: Peers, network: ImsNetwork) -> BrowserPage:
    """Open a browser that trusts the web servers of the network alone."""
    ready = network.ready()
    ports = [urlsplit(str(ready[name])).port for name in ("waf", "wwsf")]  # type: ignore[literal-required]
    pins = [await asyncio.to_thread(pin, "127.0.0.1", int(port or 0)) for port in ports]
    browser = await peers.start(Browser(peers.directory, pins=pins))
    page = await browser.open_page()
    await page.go(str(ready["wwsf"]))
    await page.until("document.getElementById('status') !== null")
    return page


async def _sign_in(page: BrowserPage, password: str) -> None:
    await page.until("document.querySelector('a.button, #username') !== null")
    if await page.evaluate("document.getElementById('username') === null"):
        await page.evaluate("document.querySelector('a.button').click()")
    await page.until("document.getElementById('username') !== null")
    await page.evaluate(
        f"username.value = 'carol'; document.getElementById('password').value = {password!r};"
        "document.querySelector('button').click()"
    )


async def test_a_user_signs_in_and_the_page_gets_a_token(peers: Peers, network: ImsNetwork) -> None:
    page = await _open(peers, network)
    password = network.accounts.web_password("carol")
    assert password is not None
    await _sign_in(page, "wrong")
    await page.until("document.querySelector('[role=alert]') !== null")
    await _sign_in(page, password)
    await page.until(
        "document.getElementById('impu') !== null && document.getElementById('status').textContent.startsWith('Ready')"
    )
    assert await page.evaluate("document.getElementById('impu').textContent") == "sip:carol@ims.example"
    given = await page.evaluate("fetch('/token').then((answer) => answer.json())")
    assert given["wss"] == network.wss_url
    settings = {
        "server": given["wss"],
        "impu": given["impu"][0],
        "impi": given["impi"],
        "auth": "bearer",
        "token": given["access_token"],
        "ca": str(network.ca_path),
    }
    account = Account.from_settings("page", settings, folder=peers.directory)
    async with Client(account) as client:
        assert client.binding is not None


async def test_a_user_stays_anonymous(peers: Peers, network: ImsNetwork) -> None:
    page = await _open(peers, network)
    await page.evaluate(
        "window.authorized = new Promise((given) => addEventListener('wic-authorized', (event) => given(event.detail)));"
        "document.getElementById('anonymous').click()"
    )
    given = await page.evaluate("window.authorized")
    assert given["impu"].startswith("sip:guest")
    assert given["lease"]
