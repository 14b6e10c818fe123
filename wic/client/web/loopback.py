"""The redirection endpoint of a native program: a web server on loopback, for one answer (RFC 8252 §7.3)."""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING, Self

from aiohttp import web

from wic.auth.secret import Secret
from wic.errors import SignInFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATH = "/callback"
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>wic</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:6rem auto;padding:0 1rem}}</style></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_MAX_WORDS = 200


class LoopbackRedirect:
    """Waits on loopback for the browser to bring the authorization response (RFC 6749 §4.1.2)."""

    def __init__(self, *, state: Secret, issuer: str, names_itself: bool = False) -> None:
        """Prepare.

        Args:
            state: what the response has to repeat; others are answered and forgotten (RFC 6749 §10.12).
            issuer: the authorization server that was asked.
            names_itself: whether it said that its responses carry `iss` (RFC 9207 §2.4).
        """
        self._state = state
        self._issuer = issuer
        self._names_itself = names_itself
        self._answer: asyncio.Future[Secret] = asyncio.get_running_loop().create_future()
        self._runner: web.AppRunner | None = None
        self.uri = ""
        """Where the browser has to be sent back to."""

    async def __aenter__(self) -> Self:
        """Listen, on a port of the system's choice."""
        application = web.Application()
        application.router.add_get(_PATH, self._arrived)
        # No access log: it would hold the code.
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.uri = f"http://127.0.0.1:{self._runner.addresses[0][1]}{_PATH}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._answer.cancel() and not self._answer.cancelled():
            self._answer.exception()  # looked at, in case nobody waits any more
        assert self._runner is not None
        await self._runner.cleanup()

    async def code(self) -> Secret:
        """Wait for the authorization code.

        Raises:
            SignInFailed: the server, or the user, said no; or another server answered.
        """
        return await self._answer

    async def _arrived(self, request: web.Request) -> web.Response:
        query = request.query
        if self._answer.done() or not self._is_ours(query):
            return _page(400, "Not expected", "This address waits for another answer.")
        try:
            code = self._read(_once_each(query))
        except SignInFailed as error:
            self._answer.set_exception(error)
            return _page(200, "Not signed in", "wic says why. You can close this window.")
        self._answer.set_result(code)
        return _page(200, "Signed in", "You can close this window and go back to wic.")

    def _is_ours(self, query: Mapping[str, str]) -> bool:
        return hmac.compare_digest(query.get("state", "").encode(), self._state.reveal().encode())

    def _read(self, query: Mapping[str, str]) -> Secret:
        issuer = query.get("iss")
        if issuer != self._issuer and (issuer is not None or self._names_itself):  # RFC 9207 §2.4
            raise SignInFailed(f"another server than {self._issuer} answered the browser")
        error = query.get("error")
        if error is not None:
            words = _showable(query.get("error_description", "")) or _showable(error)
            raise SignInFailed(f"{self._issuer} did not sign in: {words}", error=_showable(error) or None)
        code = query.get("code", "")
        if not code:
            raise SignInFailed(f"{self._issuer} sent the browser back without a code")
        return Secret(code)


def _once_each(query: Mapping[str, str]) -> Mapping[str, str]:
    """Refuse repeated parameters (RFC 6749 §3.1)."""
    if len(set(query)) != len(query):
        raise SignInFailed("the browser came back with a parameter twice")
    return dict(query)


def _showable(text: str) -> str:
    return text[:_MAX_WORDS] if text.isprintable() else ""


def _page(status: int, title: str, text: str) -> web.Response:
    body = _PAGE.format(title=title, text=text)
    return web.Response(status=status, text=body, content_type="text/html", headers=_HEADERS)
