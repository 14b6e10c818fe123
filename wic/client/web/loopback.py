"""Redirection endpoint of a native program: a web server on loopback, for one answer (RFC 8252 §7.3).

Every program of this machine, and every page in its browser, can send requests to this port. So only a request that
repeats the random `state` of the sign-in counts; others are answered and change nothing (RFC 6749 §10.12). The first
request that counts decides.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
from typing import TYPE_CHECKING, Self

from aiohttp import web

from wic.auth.secret import Secret
from wic.errors import SignInFailed
from wic.oauth.server_log import http_log

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATH = "/callback"
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>wic</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:6rem auto;padding:0 1rem}}</style></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""
_HEADERS = {
    "Cache-Control": "no-store",  # the address of the page holds the code
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_MAX_WORDS = 200
"""Characters of an error of the server that a message quotes."""


class LoopbackRedirect:
    """Web server on loopback that takes the authorization response from the browser (RFC 6749 §4.1.2).

    Attributes:
        uri: the redirect URI that the browser has to be sent to.
    """

    def __init__(self, listener: socket.socket, *, state: Secret, issuer: str, sends_issuer: bool) -> None:
        self.uri = f"http://127.0.0.1:{listener.getsockname()[1]}{_PATH}"
        self._state = state
        self._issuer = issuer
        self._sends_issuer = sends_issuer
        self._code: asyncio.Future[Secret] = asyncio.get_running_loop().create_future()
        application = web.Application()
        application.router.add_get(_PATH, self._answer)
        # No access log: it would hold the code.
        self._runner = web.AppRunner(application, logger=http_log, access_log=None, shutdown_timeout=2.0)

    @classmethod
    async def open(cls, *, state: Secret, issuer: str, sends_issuer: bool = False) -> Self:
        """Listen on a free port.

        Args:
            state: random text that the response has to repeat.
            issuer: the authorization server that was asked.
            sends_issuer: whether its metadata say that its responses carry `iss` (RFC 9207 §2.4).
        """
        listener = socket.create_server(("127.0.0.1", 0))  # RFC 8252 §8.3: the address, since a name may lead elsewhere
        redirect = cls(listener, state=state, issuer=issuer, sends_issuer=sends_issuer)
        await redirect._runner.setup()
        await web.SockSite(redirect._runner, listener).start()
        return redirect

    async def __aenter__(self) -> Self:
        """Return the server."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        if not self._code.cancel() and not self._code.cancelled():
            self._code.exception()  # retrieved, or asyncio would report an error that has no reader any more
        await self._runner.cleanup()

    async def code(self) -> Secret:
        """Wait for the authorization code.

        Raises:
            SignInFailed: the server or the user refused, or another server answered.
        """
        return await self._code

    async def _answer(self, request: web.Request) -> web.Response:
        query = request.query
        state = query.get("state", "").encode()
        if self._code.done() or not hmac.compare_digest(state, self._state.reveal().encode()):
            # Compared in constant time: a web page could otherwise guess the state character by character.
            return _page(400, "Unexpected request", "This address waits for another answer.")
        try:
            code = self._read(query)
        except SignInFailed as error:
            self._code.set_exception(error)
            return _page(200, "Not signed in", "The terminal shows the reason. You can close this window.")
        self._code.set_result(code)
        return _page(200, "Signed in", "You can close this window and go back to wic.")

    def _read(self, query: Mapping[str, str]) -> Secret:
        """Return the code of an authorization response."""
        if len(set(query)) != len(query):  # RFC 6749 §3.1
            raise SignInFailed("the browser came back with a parameter twice")
        # RFC 9207 §2.4: a code of one server must not be redeemed at another (mix-up attack, RFC 9700 §4.4).
        issuer = query.get("iss")
        if issuer != self._issuer and (issuer is not None or self._sends_issuer):
            raise SignInFailed(f"another server than {self._issuer} answered the browser")
        error = query.get("error")  # RFC 6749 §4.1.2.1
        if error is not None:
            words = _showable(query.get("error_description", "")) or _showable(error)
            raise SignInFailed(f"{self._issuer} did not sign the user in: {words}", error=_showable(error) or None)
        code = query.get("code", "")
        if not code:  # RFC 6749 §4.1.2: required
            raise SignInFailed(f"{self._issuer} sent the browser back without a code")
        return Secret(code)


def _showable(text: str) -> str:
    return text[:_MAX_WORDS] if text.isprintable() else ""  # it goes to a terminal


def _page(status: int, title: str, text: str) -> web.Response:
    body = _PAGE.format(title=title, text=text)
    return web.Response(status=status, text=body, content_type="text/html", headers=_HEADERS)
