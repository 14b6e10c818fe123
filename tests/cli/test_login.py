"""`wic login` and `wic logout`, at a WAF that asks for no password."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
import webbrowser
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class ObligingWaf:
    """A WAF in a thread of its own that gives tokens to every client."""

    def __init__(self) -> None:
        self.url = ""
        self.error = ""
        self.revoked: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="WAF")
        application = web.Application()
        application.router.add_get("/.well-known/oauth-authorization-server", self._metadata)
        application.router.add_get("/authorize", self._authorize)
        application.router.add_post("/device_authorization", self._device)
        application.router.add_post("/token", self._token)
        application.router.add_post("/revoke", self._revoke)
        self._runner = web.AppRunner(application, access_log=None)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _metadata(self, _: web.Request) -> web.Response:
        names = ("token", "revocation", "authorization", "device_authorization")
        paths = {"revocation": "revoke", "authorization": "authorize"}
        endpoints = {f"{name}_endpoint": f"{self.url}/{paths.get(name, name)}" for name in names}
        return web.json_response({"issuer": self.url, "code_challenge_methods_supported": ["S256"], **endpoints})

    async def _authorize(self, request: web.Request) -> web.Response:
        answer = {"error": self.error} if self.error else {"code": "c"}
        raise web.HTTPFound(f"{request.query['redirect_uri']}?{urlencode({'state': request.query['state'], **answer})}")

    async def _device(self, _: web.Request) -> web.Response:
        page = f"{self.url}/device"
        return web.json_response(
            {
                "device_code": "d",
                "user_code": "WDJB-MJHT",
                "verification_uri": page,
                "verification_uri_complete": f"{page}?user_code=WDJB-MJHT",
                "expires_in": 60,
                "interval": 1,
            }
        )

    async def _token(self, _: web.Request) -> web.Response:
        document = {"access_token": "sesame", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "again"}
        return web.json_response(document | {"impi": "carol@ims.example", "impu": ["sip:carol@ims.example"]})

    async def _revoke(self, request: web.Request) -> web.Response:
        self.revoked.append(str((await request.post())["token"]))
        return web.json_response({})


@pytest.fixture
def waf() -> Iterator[ObligingWaf]:
    running = ObligingWaf()
    running.start()
    yield running
    running.stop()


@pytest.fixture
def accounts(waf: ObligingWaf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An accounts file with Carol, who has a token to get, and Alice, who has a password."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "accounts.toml"
    file.write_text(
        f"""
        [accounts.carol]
        server = "ws://127.0.0.1:9/"
        insecure = true
        impu = "sip:carol@ims.example"
        impi = "carol@ims.example"
        auth = "bearer"
        waf = "{waf.url}"

        [accounts.alice]
        server = "wss://127.0.0.1:9/"
        impu = "sip:alice@ims.example"
        impi = "alice@ims.example"
        password_env = "HOME"
        """
    )
    return file


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A browser that follows the redirection, and remembers where it was."""
    visited: list[str] = []

    def visit(url: str) -> bool:
        visited.append(url)
        with urllib.request.urlopen(url) as answer:
            assert b"You can close this window" in answer.read()
        return True

    monkeypatch.setattr("webbrowser.open", visit)
    return visited


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_sign_in_with_a_browser_and_out(wic, waf: ObligingWaf, accounts: Path, browser: list[str], tmp_path) -> None:
    result = wic("login", "carol", "--accounts", accounts, "--json")
    assert result.exit_code == 0, result.output
    waiting, signed_in = lines(result.stdout)
    assert waiting == {"state": "waiting", "url": browser[0]}
    assert signed_in.pop("expires_in") in range(3590, 3601)
    assert signed_in == {
        "state": "signed-in",
        "account": "carol",
        "issuer": waf.url,
        "impi": "carol@ims.example",
        "impus": ["sip:carol@ims.example"],
        "scope": "ims",
        "refreshable": True,
    }
    assert "sesame" not in result.output
    (kept,) = (tmp_path / "state" / "wic" / "tokens").glob("*.json")
    assert json.loads(kept.read_text())["access_token"] == "sesame"

    result = wic("logout", "carol", "--accounts", accounts)
    assert (result.exit_code, result.stdout) == (0, "carol is signed out.\n")
    assert waf.revoked == ["again"]
    result = wic("logout", "carol", "--accounts", accounts, "--json")
    assert lines(result.stdout) == [{"state": "signed-out", "account": "carol", "was_signed_in": False}]


def test_text_for_users(wic, accounts: Path, browser: list[str]) -> None:
    result = wic("login", "carol", "--accounts", accounts)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"Sign in with your browser:\n  {browser[0]}\nSigned in for carol.\n")
    assert "sip:carol@ims.example" in result.stdout
    assert "refreshed automatically" in result.stdout


def test_sign_in_on_another_device(wic, waf: ObligingWaf, accounts: Path, browser: list[str]) -> None:
    result = wic("login", "carol", "--accounts", accounts, "--device", "--json")
    assert result.exit_code == 0, result.output
    waiting, signed_in = lines(result.stdout)
    assert waiting == {
        "state": "waiting",
        "url": f"{waf.url}/device",
        "url_with_code": f"{waf.url}/device?user_code=WDJB-MJHT",
        "user_code": "WDJB-MJHT",
        "expires_in": 60,
    }
    assert signed_in["state"] == "signed-in"
    assert browser == []
    assert "WDJB-MJHT" in wic("login", "carol", "--accounts", accounts, "--device").stdout


def test_without_a_browser_the_address_is_shown(start_wic, waf: ObligingWaf, accounts: Path) -> None:
    process = start_wic("login", "carol", "--accounts", accounts, "--no-browser", "--json")
    url = json.loads(process.stdout.readline())["url"]
    urllib.request.urlopen(url).close()
    assert json.loads(process.stdout.readline())["state"] == "signed-in"
    assert process.wait(10) == 0


def test_sign_in_without_a_browser_that_starts(wic, accounts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str) -> bool:
        threading.Thread(target=lambda: urllib.request.urlopen(url).close()).start()
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr("webbrowser.open", fail)
    result = wic("login", "carol", "--accounts", accounts)
    assert result.exit_code == 0
    assert "No browser could be started: open the address on this machine, or use --device." in result.stdout


def test_a_denied_sign_in_fails(wic, waf: ObligingWaf, accounts: Path, browser, complaint, monkeypatch) -> None:
    waf.error = "access_denied"
    monkeypatch.setattr("webbrowser.open", lambda url: urllib.request.urlopen(url).close())
    result = wic("login", "carol", "--accounts", accounts, "--json")
    assert complaint(result, code=1).endswith("did not sign the user in: access_denied.")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("login", "alice"), "Account 'alice' does not use access tokens"),
        (("logout", "alice"), "Account 'alice' does not use access tokens"),
        (("login", "dora"), "no account named 'dora'"),
    ],
)
def test_accounts_without_a_sign_in_are_refused(wic, accounts: Path, complaint, words, sentence: str) -> None:
    assert sentence in complaint(wic(*words, "--accounts", accounts), code=2)


def test_options_that_exclude_each_other(wic, accounts: Path) -> None:
    result = wic("login", "carol", "--accounts", accounts, "--device", "--no-browser")
    assert result.exit_code == 2
    assert "exclude each other" in result.stderr
