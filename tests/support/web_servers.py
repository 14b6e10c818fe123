"""WAF and WWSF on loopback, a browser that keeps cookies and follows no redirect by itself, and an OAuth client."""

from __future__ import annotations

import base64
import hashlib
import html
import json as json_reader
import re
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import pytest

from wic.auth.secret import Secret
from wic.network.certificates import CertificateAuthority
from wic.network.waf import Waf, WafOptions
from wic.network.web.throttle import ThrottleOptions
from wic.network.wwsf import Wwsf, WwsfOptions
from wic.network.wwsf.options import PoolOptions
from wic.transport.tls import client_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

PASSWORD = "correct horse"
WWSF_SECRET = "secret of the WWSF, for machines"
LOOPBACK = "http://127.0.0.1:7777/callback"
FAST = 16
"""scrypt's N for tests."""


@dataclass
class Clock:
    """Clock that a test sets."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Answer:
    """HTTP response with its body."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> dict[str, object]:
        return json_reader.loads(self.body)

    @property
    def location(self) -> str:
        return self.headers["Location"]

    @property
    def query(self) -> dict[str, str]:
        """Parameters of the redirect."""
        return dict(parse_qsl(urlsplit(self.location).query))

    def field(self, name: str) -> str:
        """Return the value of a field of the form."""
        found = re.search(rf'name="{name}"[^>]*?value="([^"]*)"', self.text)
        assert found is not None, self.text
        return html.unescape(found[1])


class Browser:
    """A browser or a program: requests as they are, cookies kept."""

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        self.url = url
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context), cookie_jar=aiohttp.CookieJar(unsafe=True)
        )

    async def request(self, method: str, path: str, **more: object) -> Answer:
        url = path if path.startswith("http") else self.url + path
        async with self.session.request(method, url, allow_redirects=False, **more) as response:  # type: ignore[arg-type]
            cookies = {name: morsel.OutputString() for name, morsel in response.cookies.items()}
            return Answer(response.status, dict(response.headers), await response.read(), cookies)

    async def get(self, path: str, **more: object) -> Answer:
        return await self.request("GET", path, **more)

    async def post(self, path: str, form: dict[str, str] | None = None, **more: object) -> Answer:
        return await self.request("POST", path, data=form, **more)

    async def sign_in(self, name: str = "carol", password: str = PASSWORD, target: str = "/device") -> Answer:
        """Fill in the sign-in page of the WAF."""
        page = await self.get(f"/login?{urlencode({'continue': target})}")
        form = {"csrf": page.field("csrf"), "continue": target, "username": name, "password": password}
        return await self.post("/login", form)

    async def form(self, path: str, **fields: str) -> Answer:
        """Send the form of a page, with its CSRF token."""
        page = await self.get(path)
        return await self.post(urlsplit(path).path, {"csrf": page.field("csrf"), **fields})


async def begin_sign_in(page: Browser) -> str:
    """Begin a sign-in at the WWSF; return the WAF's authorization URL."""
    answer = await page.get("/signin")
    assert answer.status == 303, answer.text
    return answer.location


async def sign_in_at_waf(page: Browser, waf: Waf, url: str) -> str:
    """Sign in at the WAF; return the URL that leads back to the WWSF."""
    path = url.removeprefix(waf.url)
    page.url, own = waf.url, page.url
    signed_in = await page.sign_in(target=path)
    back = await page.get(signed_in.location)
    page.url = own
    assert back.status == 303, back.text
    return back.location


class NativeClient:
    """OAuth client made of strings: it shares no code with the server."""

    def __init__(self, browser: Browser, *, client_id: str = "wic", redirect_uri: str = LOOPBACK) -> None:
        self.browser = browser
        self.client_id = client_id
        self.redirect_uri = redirect_uri
        self.verifier = secrets.token_urlsafe(40)

    def authorization(self, **changes: str | None) -> str:
        """Return the path of an authorization request; None leaves a parameter out."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")
        parameters: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "ims",
            "state": "st&te",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **changes,
        }
        return "/authorize?" + urlencode({name: value for name, value in parameters.items() if value is not None})

    async def code(self) -> str:
        """Return a code that the signed-in user of the browser approves."""
        path = self.authorization()
        answer = await self.browser.form(path, query=path.partition("?")[2], decision="approve")
        assert answer.location.startswith(self.redirect_uri)
        return answer.query["code"]

    async def redeem(self, code: str, /, **changes: str | None) -> Answer:
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
            **changes,
        }
        return await self.browser.post("/token", {name: value for name, value in form.items() if value is not None})

    async def refresh(self, token: object, **changes: str) -> Answer:
        form = {"grant_type": "refresh_token", "client_id": self.client_id, "refresh_token": str(token), **changes}
        return await self.browser.post("/token", form)

    async def tokens(self) -> dict[str, object]:
        """Return tokens for the signed-in user of the browser."""
        answer = await self.redeem(await self.code())
        assert answer.status == 200, answer.text
        return answer.json


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def server_tls(authority: CertificateAuthority) -> ssl.SSLContext:
    return authority.server_context("127.0.0.1", "localhost")


@pytest.fixture
async def make_waf(tmp_path: Path, server_tls: ssl.SSLContext, clock: Clock) -> AsyncIterator[Callable[..., object]]:
    async with AsyncExitStack() as stack:

        async def make(**changes: object) -> Waf:
            throttled = {"by_name": ThrottleOptions(free=3, longest=60), "by_address": ThrottleOptions(free=6)}
            settings = {"database": tmp_path / "waf.sqlite", "ssl_context": server_tls, "clock": clock, **throttled}
            waf = await Waf.open(WafOptions(**{**settings, **changes}), password_cost=FAST)  # type: ignore[arg-type]
            stack.push_async_callback(waf.close)
            if waf.store.users.find("carol") is None:
                waf.store.users.add(
                    "carol", Secret(PASSWORD), "carol@ims.example", ["sip:carol@ims.example", "tel:+4930123"]
                )
            return waf

        yield make


@pytest.fixture
async def waf(make_waf: Callable[..., object]) -> Waf:
    return await make_waf()  # type: ignore[misc, no-any-return]


@pytest.fixture
async def open_browser(authority: CertificateAuthority) -> AsyncIterator[Callable[[str], Browser]]:
    async with AsyncExitStack() as stack:

        def make(url: str) -> Browser:
            made = Browser(url, client_context(ca=authority.certificate_path))
            stack.push_async_callback(made.session.close)
            return made

        yield make


@pytest.fixture
async def browser(waf: Waf, open_browser: Callable[[str], Browser]) -> Browser:
    return open_browser(waf.url)


@pytest.fixture
async def client(browser: Browser) -> NativeClient:
    """A native client, in whose browser carol has signed in."""
    await browser.sign_in()
    return NativeClient(browser)


@pytest.fixture
def native() -> type[NativeClient]:
    return NativeClient


@pytest.fixture
async def make_wwsf(
    tmp_path: Path, server_tls: ssl.SSLContext, authority: CertificateAuthority, clock: Clock
) -> AsyncIterator[Callable[..., object]]:
    """Open a WWSF with a pool of two pairs, at a WAF on another port."""
    async with AsyncExitStack() as stack:

        async def make(waf: Waf, **changes: object) -> Wwsf:
            settings = {
                "database": tmp_path / "wwsf.sqlite",
                "ssl_context": server_tls,
                "wss": "wss://127.0.0.1:8443/",
                "client_id": "wwsf",
                "client_secret": Secret(WWSF_SECRET),
                "issuer": waf.url,
                "ca": authority.certificate_path,
                "pool": PoolOptions(anonymous=True, leases_each=4),
                "clock": clock,
                **changes,
            }
            wwsf = await Wwsf.open(WwsfOptions(**settings))  # type: ignore[arg-type]
            stack.push_async_callback(wwsf.close)
            waf.store.clients.add_wwsf("wwsf", Secret(WWSF_SECRET), wwsf.url)
            for name in ("pool1", "pool2"):
                waf.store.pool.add("wwsf", f"{name}@ims.example", f"sip:{name}@ims.example")
                wwsf.store.add_pool_pair(f"{name}@ims.example", f"sip:{name}@ims.example")
            return wwsf

        yield make


@pytest.fixture
async def wwsf(waf: Waf, make_wwsf: Callable[..., object]) -> Wwsf:
    return await make_wwsf(waf)  # type: ignore[misc, no-any-return]
