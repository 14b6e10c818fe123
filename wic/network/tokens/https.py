"""Small JSON documents over HTTPS: bounded, without redirects, in limited time."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

import aiohttp

from wic.network.tokens.errors import WafUnreachable
from wic.transport.tls import client_context

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wic.auth.secret import Secret

MAX_DOCUMENT = 128 * 1024
"""Longest answer that is read, in bytes."""
TIMEOUT = 5.0
"""Seconds until an answer must be complete."""
HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}
CONNECTIONS = 16
"""Connections at one time; more requests wait."""


def basic_auth(client_id: str, secret: Secret) -> str:
    """Return the Authorization value of an OAuth client; both parts are form-encoded first (RFC 6749 §2.3.1)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret.reveal())}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


class HttpsJson:
    """A client for JSON documents; made when first used, so that it may be built without an event loop.

    Args:
        ca: a PEM file of further trust anchors, besides the system's.
        timeout: seconds until an answer must be complete.

    Raises:
        ConfigurationError: the file of trust anchors cannot be read.
    """

    def __init__(self, *, ca: Path | None = None, timeout: float = TIMEOUT) -> None:
        self._context = client_context(ca=ca)
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str) -> dict[str, object]:
        """Return a document.

        Raises:
            WafUnreachable: it cannot be had.
        """
        status, body = await self._request("GET", url)
        if status != 200:
            raise WafUnreachable(f"{url} answers {status}")
        return _parse(url, body)

    async def post(
        self, url: str, form: Mapping[str, str], *, auth: str | None = None
    ) -> tuple[int, dict[str, object]]:
        """Send a form; return the status and the document that came.

        Raises:
            WafUnreachable: no document came.
        """
        status, body = await self._request("POST", url, form=form, auth=auth)
        return status, _parse(url, body)

    async def send(self, url: str, form: Mapping[str, str], *, auth: str | None = None) -> int:
        """Send a form whose answer says nothing; return the status.

        Raises:
            WafUnreachable: no answer came.
        """
        status, _ = await self._request("POST", url, form=form, auth=auth)
        return status

    async def _request(
        self, method: str, url: str, *, form: Mapping[str, str] | None = None, auth: str | None = None
    ) -> tuple[int, bytes]:
        headers = HEADERS if auth is None else {**HEADERS, "Authorization": auth}
        try:
            async with self._open().request(method, url, data=form, allow_redirects=False, headers=headers) as response:
                return response.status, await _read(url, response.content)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise WafUnreachable(f"{url} cannot be reached: {str(error) or type(error).__name__}") from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._context, limit=CONNECTIONS),
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,  # what is counted is what came
            )
        return self._session

    async def close(self) -> None:
        """End the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _read(url: str, content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > MAX_DOCUMENT:
            raise WafUnreachable(f"{url} answers with more than {MAX_DOCUMENT} bytes")
    return bytes(body)


def _parse(url: str, body: bytes) -> dict[str, object]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise WafUnreachable(f"{url} does not answer in JSON") from None
    if not isinstance(document, dict):
        raise WafUnreachable(f"{url} does not answer with a JSON object")
    return document
