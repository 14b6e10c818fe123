"""Headless Chromium whose pages are WICs made of JsSIP, driven over the DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import itertools
import json
import ssl
from typing import TYPE_CHECKING, Any, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.asyncio.client import connect

from .jssip import PageServer, phone
from .process import Peer, PeerFailed, require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ELSEWHERE = "elsewhere.example"
"""Another name of loopback, whose pages have another origin."""
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)
CALL_SECONDS = 30.0
Answer = dict[str, Any]


def pin(host: str, port: int) -> str:
    """Return the hash of a TLS server's public key in the form of Chromium's list of exceptions."""
    certificate = x509.load_pem_x509_certificate(ssl.get_server_certificate((host, port)).encode())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


class BrowserPage:
    """One page; `run` calls a function of browser/phone.js and awaits its promise."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser = browser
        self._session = session

    async def run(self, function: str, *, seconds: float = CALL_SECONDS, **arguments: object) -> Any:
        """Call `phone.<function>({...})` and await its promise.

        Raises:
            PeerFailed: the promise was rejected; the sentence is the page's.
        """
        return await self.evaluate(f"phone.{function}({json.dumps(arguments)})", seconds=seconds)

    async def go(self, url: str) -> None:
        """Open another address in this page."""
        await self.browser.devtools("Page.navigate", session=self._session, url=url)

    async def until(self, condition: str, *, seconds: float = CALL_SECONDS) -> None:
        """Wait until a JavaScript expression is true, across successive pages.

        Raises:
            TimeoutError: it never was.
        """
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(PeerFailed):  # the next page is being loaded
                    if await self.evaluate(condition) is True:
                        return
                await asyncio.sleep(0.05)

    async def shows(self, selector: str) -> None:
        """Wait for an element."""
        await self.until(f"document.querySelector({json.dumps(selector)}) !== null")

    async def fill(self, **values: str) -> None:
        """Fill in the fields with these ids."""
        for field, value in values.items():
            await self.shows(f"#{field}")
            await self.evaluate(f"document.getElementById({json.dumps(field)}).value = {json.dumps(value)}")

    async def press(self, selector: str) -> None:
        """Click on an element, once it exists."""
        await self.shows(selector)
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    async def text(self, selector: str) -> str:
        """Return the text of an element, once it exists."""
        await self.shows(selector)
        return str(await self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    async def bring_phone(self) -> None:
        """Load JsSIP and phone.js into this page, with the rights of its own scripts."""
        await self.evaluate(phone())

    async def look(self, path: Path, *, width: int, height: int) -> bool:
        """Take a screenshot of the page on a screen of that size.

        Returns:
            Whether its whole width fits on the screen.
        """
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.browser.devtools("Emulation.setDeviceMetricsOverride", session=self._session, **size)
        fits = await self.evaluate("document.documentElement.scrollWidth <= innerWidth")
        picture = await self.browser.devtools("Page.captureScreenshot", session=self._session, format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(picture["data"]))
        return bool(fits)

    async def evaluate(self, expression: str, *, seconds: float = CALL_SECONDS) -> Any:
        """Evaluate JavaScript in the page, and return its value, which must be JSON."""
        reply = await self.browser.devtools(
            "Runtime.evaluate",
            session=self._session,
            seconds=seconds,
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in reply:
            details = reply["exceptionDetails"]
            raise PeerFailed(f"page: {details.get('exception', {}).get('description', details.get('text'))}")
        return reply["result"].get("value")


class Browser(Peer):
    """Chromium with a fresh profile; it accepts the test certificates pinned by the hash of their key, and no others."""

    name = "chromium"

    def __init__(self, directory: Path, *, pins: Sequence[str] = (), microphone: Path | None = None) -> None:
        super().__init__(directory / "chromium")
        self.program = require("chromium")
        self.profile = self.directory / "profile"
        self.pins = pins
        self.microphone = microphone
        self._pages = PageServer()
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Answer]] = {}

    def command(self) -> list[str]:
        """Run headless, with a tone as microphone."""
        varying = [f"--user-data-dir={self.profile}", "--remote-debugging-port=0"]
        if self.pins:
            varying.append(f"--ignore-certificate-errors-spki-list={','.join(self.pins)}")
        if self.microphone is not None:
            varying.append(f"--use-file-for-fake-audio-capture={self.microphone}")
        return [self.program, *FLAGS, *varying, "about:blank"]

    async def ready(self) -> bool:
        """Tell whether the port of DevTools is in the profile."""
        return self._port_file.exists() and len(self._port_file.read_text().split()) == 2

    @property
    def _port_file(self) -> Path:
        return self.profile / "DevToolsActivePort"

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        port, path = self._port_file.read_text().split()
        self._devtools = await connect(f"ws://127.0.0.1:{port}{path}", max_size=None, compression=None, proxy=None)
        self._reader = asyncio.create_task(self._read())
        self._pages.__enter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pages.__exit__(None, None, None)
        await self._devtools.close()
        await self._reader
        await super().__aexit__()

    async def open_page(self) -> BrowserPage:
        """Open a page of its own, with JsSIP loaded."""
        target = await self.devtools("Target.createTarget", url="about:blank", newWindow=True)
        attached = await self.devtools("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = BrowserPage(self, attached["sessionId"])
        await self.devtools("Page.navigate", session=attached["sessionId"], url=self._pages.url)
        await page.evaluate(
            "new Promise((loaded) => (document.readyState === 'complete' ? loaded() : (onload = () => loaded())))"
        )
        return page

    async def devtools(
        self, method: str, *, session: str | None = None, seconds: float = CALL_SECONDS, **arguments: object
    ) -> Answer:
        """Send one command of the DevTools protocol.

        Raises:
            PeerFailed: Chromium refused it.
        """
        number = next(self._numbers)
        message: dict[str, object] = {"id": number, "method": method, "params": arguments}
        if session is not None:
            message["sessionId"] = session
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._devtools.send(json.dumps(message))
        try:
            reply = await asyncio.wait_for(answer, seconds)
        except TimeoutError:
            raise PeerFailed(f"chromium: no answer to {method} within {seconds:g} s: {arguments}") from None
        finally:
            del self._answers[number]
        if "error" in reply:
            raise PeerFailed(f"chromium: {method}: {reply['error']}")
        result: Answer = reply["result"]
        return result

    async def _read(self) -> None:
        async for text in self._devtools:
            message = json.loads(text)
            answer = self._answers.get(message.get("id", 0))
            if answer is not None and not answer.done():
                answer.set_result(message)
