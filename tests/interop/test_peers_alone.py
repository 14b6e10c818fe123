"""The peers against each other: when this fails, the other failures of this folder are not ours."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from .peers.browser import Browser, BrowserPage
from .peers.kamailio import Kamailio, KamailioOptions


async def _register(page: BrowserPage, kamailio: Kamailio, user: str) -> None:
    arguments = {"server": kamailio.ws_url, "uri": f"sip:{user}@ims.example", "user": user, "password": f"{user}-secret"}
    assert await page.run("register", **arguments) == 200


@pytest.mark.parametrize("algorithm", ["MD5"])
async def test_two_browser_pages_call_each_other(tmp_path: Path, algorithm: str) -> None:
    async with Kamailio(tmp_path, KamailioOptions(algorithm=algorithm)) as kamailio, Browser(tmp_path) as browser:
        alice, bob = await browser.open_page(), await browser.open_page()
        await _register(alice, kamailio, "alice")
        await _register(bob, kamailio, "bob")
        answering = asyncio.create_task(bob.run("answer"))
        await alice.run("call", target="sip:bob@ims.example")
        assert await answering == "sip:alice@ims.example"
        for i in range(4):
            await asyncio.sleep(1)
            print(await alice.run("stats"), await bob.run("stats"))
        await bob.run("hangup")
        print(await alice.run("ended"))
        await alice.run("unregister")
