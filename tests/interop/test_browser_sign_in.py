"""Chromium signs in at the WWSF's page and is a WIC there, and signs in for `wic login`."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from wic.client import Account, CallOutcome, Client
from wic.network import ImsNetwork

from .peers import wics
from .peers.browser import Browser, BrowserPage, pin
from .peers.wics import Command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from .conftest import Peers

SCREENS = {"desk": (1280, 800), "phone": (360, 720)}
AUTHORIZED = """
window.authorized = new Promise((given) => addEventListener("wic-authorized", ({ detail }) => given(detail)));
document.getElementById("anonymous").click();
window.authorized
"""


@pytest.fixture
async def network() -> AsyncIterator[ImsNetwork]:
    async with ImsNetwork() as network:
        yield network


class Person:
    """Carol at a browser that trusts only the servers of the network."""

    def __init__(self, network: ImsNetwork, page: BrowserPage, album: Path) -> None:
        self.page = page
        self._password = network.accounts.web_password("carol") or ""
        self._album = album

    async def screenshot(self, name: str) -> None:
        """Take screenshots of a page; it has to fit on every screen."""
        for screen, (width, height) in SCREENS.items():
            path = self._album / f"{name}-{screen}.png"
            assert await self.page.look(path, width=width, height=height), path

    async def sign_in(self) -> None:
        """Fill in the WAF's form, with a wrong password first."""
        await self.page.fill(username="carol", password="guessed")
        await self.page.press("form button")
        assert "password" in await self.page.text("[role=alert]")
        await self.screenshot("wrong-password")
        assert await self.page.evaluate("username.value") == "carol"
        await self.page.fill(password=self._password)
        await self.page.press("form button")


async def _person(peers: Peers, network: ImsNetwork) -> Person:
    ready = network.ready()
    servers = [str(server).rstrip("/").rpartition(":") for server in (ready["wss"], ready["waf"], ready["wwsf"])]
    pins = {await asyncio.to_thread(pin, "127.0.0.1", int(port)) for *_, port in servers}
    browser = await peers.start(Browser(peers.directory, pins=sorted(pins)))
    return Person(network, await browser.open_page(), peers.directory)


async def _at_the_wwsf(peers: Peers, network: ImsNetwork) -> Person:
    person = await _person(peers, network)
    await person.page.go(str(network.ready()["wwsf"]))
    await person.page.shows("#status")
    await person.page.until("document.readyState === 'complete'")  # its script runs then
    return person


async def _signed_in(peers: Peers, network: ImsNetwork) -> Person:
    person = await _at_the_wwsf(peers, network)
    await person.screenshot("wwsf")
    await person.page.press("a.button")
    await person.page.shows("#username")
    await person.screenshot("sign-in")
    await person.sign_in()
    await person.page.until("document.getElementById('status')?.textContent.startsWith('Ready')")
    await person.screenshot("admitted")
    return person


async def _be_a_wic(page: BrowserPage, given: dict[str, Any], impu: str) -> None:
    """Register the page itself, over a WebSocket whose Origin is the WWSF."""
    await page.bring_phone()
    status = await page.run("register", server=given["wss"], uri=impu, user=given["impi"], token=given["access_token"])
    assert status == 200


async def test_the_page_is_a_wic_with_a_token(peers: Peers, network: ImsNetwork) -> None:
    carol = await _signed_in(peers, network)
    assert await carol.page.text("#impu") == "sip:carol@ims.example"
    given = await carol.page.evaluate("fetch('/token').then((answer) => answer.json())")
    await _be_a_wic(carol.page, given, "sip:carol@ims.example")
    async with Client(Account.load("bob", network.accounts_path)) as bob:
        calling = asyncio.create_task(carol.page.run("call", target="sip:bob@ims.example"))
        async with asyncio.timeout(15):
            call = await anext(bob.incoming())
        assert str(call.peer.uri) == "sip:carol@ims.example"
        await call.answer()
        await calling
        await carol.page.run("hangup")
        async with asyncio.timeout(10):
            await call.ended()
    assert call.report().outcome is CallOutcome.COMPLETED


async def test_a_client_of_ours_takes_the_token_of_the_page(peers: Peers, network: ImsNetwork) -> None:
    carol = await _signed_in(peers, network)
    given = await carol.page.evaluate("fetch('/token').then((answer) => answer.json())")
    settings = {
        "server": given["wss"],
        "impu": given["impu"][0],
        "impi": given["impi"],
        "auth": "bearer",
        "token": given["access_token"],
        "ca": str(network.ca_path),
    }
    async with Client(Account.from_settings("page", settings, folder=peers.directory)) as client:
        assert client.binding is not None


async def test_the_session_outlives_the_page(peers: Peers, network: ImsNetwork) -> None:
    carol = await _signed_in(peers, network)
    await carol.page.go("about:blank")
    await carol.page.until("document.getElementById('status') === null")
    await carol.page.go(str(network.ready()["wwsf"]))
    await carol.page.until("document.getElementById('status')?.textContent.startsWith('Ready')")
    assert await carol.page.text("#impu") == "sip:carol@ims.example"


async def test_after_signing_out_there_is_no_token(peers: Peers, network: ImsNetwork) -> None:
    carol = await _signed_in(peers, network)
    await carol.page.press("form button")
    await carol.page.shows("form[action='/logout']")  # of the WAF, whose session would sign in the next user
    await carol.screenshot("sign-out")
    await carol.page.press("form button")
    await carol.page.shows("a.button[href='/signin']")
    assert await carol.page.evaluate("fetch('/token').then((answer) => answer.status)") == 401
    await carol.page.press("a.button")
    await carol.page.shows("#username")


async def test_an_anonymous_user_is_a_wic(peers: Peers, network: ImsNetwork) -> None:
    guest = await _at_the_wwsf(peers, network)
    given = await guest.page.evaluate(AUTHORIZED)
    assert given["impu"].startswith("sip:guest")
    await _be_a_wic(guest.page, given, given["impu"])
    await guest.screenshot("anonymous")
    assert network.web is not None
    store = network.web.wwsf.store

    async def given_back() -> bool:
        return store.prolong(given["lease"], now=time.time(), until=0) is None

    assert not await given_back()
    await guest.page.go("about:blank")
    await guest.page.browser.until(given_back, seconds=10, what="end of the lease")


# for `wic login`


def _write_account(network: ImsNetwork, directory: Path) -> tuple[str, ...]:
    """Write an account whose user signs in by herself; return the arguments that name it."""
    path = directory / "accounts.toml"
    path.write_text(f'[accounts.me]\nauth = "bearer"\nwwsf = "{network.ready()["wwsf"]}"\nca = "{network.ca_path}"\n')
    path.chmod(0o600)
    return ("me", "--accounts", str(path), "--json")


async def _registers_as_carol(account: tuple[str, ...]) -> bool:
    finished = await wics.run("register", *account, "--once")
    return finished.status == 0 and '"sip:carol@ims.example"' in finished.out


async def test_login_with_the_browser_of_the_system(
    peers: Peers, network: ImsNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    carol = await _person(peers, network)
    monkeypatch.setenv("XDG_STATE_HOME", str(peers.directory / "state"))
    monkeypatch.setenv("BROWSER", "/bin/echo opened %s")
    account = _write_account(network, peers.directory)
    login = await peers.start(Command(peers.directory, "login", *account, ready="opened "))
    await carol.page.go(login.output().rpartition("opened ")[2].strip())
    await carol.page.shows("#username")
    await carol.sign_in()
    await carol.page.shows("button[value=approve]")
    await carol.screenshot("consent")
    await carol.page.press("button[value=approve]")
    await carol.page.until("document.querySelector('h1')?.innerText === 'Signed in'")
    await carol.screenshot("come-back")
    assert await login.wait(seconds=15) == 0, login.output()
    assert login.documents()[-1]["state"] == "signed-in"
    assert await _registers_as_carol(account)
    assert (await wics.run("logout", *account)).status == 0
    assert not await _registers_as_carol(account)


@pytest.mark.parametrize("decision", ["approve", "deny"])
async def test_login_on_another_device(
    peers: Peers, network: ImsNetwork, monkeypatch: pytest.MonkeyPatch, decision: str
) -> None:
    carol = await _person(peers, network)
    monkeypatch.setenv("XDG_STATE_HOME", str(peers.directory / "state"))
    account = _write_account(network, peers.directory)
    login = await peers.start(Command(peers.directory, "login", *account, "--device", ready='"waiting"'))
    waiting = login.documents()[0]
    await carol.page.go(waiting["url"])
    await carol.page.shows("#username")
    await carol.sign_in()
    await carol.page.shows("#user_code")
    await carol.screenshot("device")
    await carol.page.fill(user_code=waiting["user_code"].lower())
    await carol.page.press("form button")
    await carol.page.shows("button[value=approve]")
    await carol.screenshot("device-consent")
    assert waiting["user_code"] in await carol.page.text("dl")
    await carol.page.press(f"button[value={decision}]")
    await carol.page.until("document.querySelector('form') === null")
    await carol.screenshot("device-done")
    assert await login.wait(seconds=20) == (0 if decision == "approve" else 1), login.output()
    assert await _registers_as_carol(account) == (decision == "approve")
