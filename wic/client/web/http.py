"""JSON over HTTPS with a server that may be hostile: everything bounded, nothing followed."""

from __future__ import annotations

import errno
import json
import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import quote_plus, urlsplit

import aiohttp

from wic._version import __version__
from wic.errors import ConnectFailed, RemoteProtocolError
from wic.transport.tls import client_context, explain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wic.auth.secret import Secret

MAX_BODY = 262_144
"""Longest answer that is read, in octets."""

_MAX_WAIT = 86_400


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: a status, and the JSON object that came with it."""

    status: int
    document: Mapping[str, object] = field(repr=False)
    """Empty where an error came without one; it may hold tokens."""
    retry_after: float | None = None
    """Seconds of a Retry-After (RFC 9110 §10.2.3), if it had them."""

    @property
    def ok(self) -> bool:
        """Whether the request succeeded."""
        return 200 <= self.status < 300

    def text(self, name: str) -> str:
        """Return a member that is a text people can be shown; empty if there is none."""
        value = self.document.get(name)
        return value if isinstance(value, str) and value.isprintable() else ""


@dataclass(frozen=True, slots=True)
class ClientPassword:
    """What a confidential client proves itself with (RFC 6749 §2.3.1)."""

    client_id: str
    secret: Secret

    def header(self) -> str:
        """Return the value of `Authorization`."""
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret.reveal())}"
        return f"Basic {b64encode(pair.encode()).decode()}"


class WebClient:
    """Talks to the WAF and the WWSF; an asynchronous context manager for a few requests.

    Redirections are not followed, so that nothing meant for one server reaches another.
    """

    def __init__(self, *, ca: Path | None = None, timeout: float = 10.0) -> None:
        """Prepare.

        Args:
            ca: a PEM file of further trust anchors.
            timeout: seconds for a whole request.
        """
        self._ca = ca
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Begin.

        Raises:
            ConfigurationError: the CA file cannot be used.
        """
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=client_context(ca=self._ca)),
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",  # what is read is what was sent: no bombs
                "User-Agent": f"wic/{__version__}",
            },
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def get(self, url: str) -> Reply:
        """Fetch a document.

        Raises:
            ConnectFailed: the server cannot be reached, or is not the one its certificate names.
            RemoteProtocolError: its answer is no bounded JSON.
        """
        return await self._request("GET", url, None, None)

    async def post(
        self, url: str, form: Mapping[str, str], *, password: ClientPassword | None = None, bearer: Secret | None = None
    ) -> Reply:
        """Send a form.

        Raises:
            ConnectFailed: as for `get`.
            RemoteProtocolError: as for `get`.
        """
        authorization = None if password is None else password.header()
        return await self._request("POST", url, form, _bearer(bearer) or authorization)

    async def delete(self, url: str, *, bearer: Secret | None = None) -> Reply:
        """Delete what is there.

        Raises:
            ConnectFailed: as for `get`.
            RemoteProtocolError: as for `get`.
        """
        return await self._request("DELETE", url, None, _bearer(bearer))

    async def _request(self, method: str, url: str, form: Mapping[str, str] | None, authorization: str | None) -> Reply:
        assert self._session is not None  # within the context
        headers = {} if authorization is None else {"Authorization": authorization}
        try:
            async with self._session.request(
                method, url, data=form, headers=headers, allow_redirects=False
            ) as response:
                return _read(response, await _bounded(response))
        except (aiohttp.ClientError, TimeoutError, UnicodeError) as error:
            raise ConnectFailed(f"{origin(url)} cannot be used: {_explain(error)}") from error
        except RemoteProtocolError as error:
            raise RemoteProtocolError(f"{origin(url)} {error}", status_hint=None) from error


def origin(url: str) -> str:
    """Return scheme, host and port of a URL, for comparisons and for people (RFC 6454 §4)."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    return f"{parts.scheme}://{host}" + ("" if parts.port in (None, usual) else f":{parts.port}")


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(16_384):
        body += chunk
        if len(body) > MAX_BODY:
            raise RemoteProtocolError(f"sent more than {MAX_BODY} octets")
    return bytes(body)


def _read(response: aiohttp.ClientResponse, body: bytes) -> Reply:
    if 300 <= response.status < 400:
        raise RemoteProtocolError("wants to redirect, which is not followed; use the address it really has")
    document = _parse(body)
    if document is None and 200 <= response.status < 300 and body:
        raise RemoteProtocolError("sent something that is no JSON object")
    return Reply(response.status, document or {}, _retry_after(response.headers.get("Retry-After", "")))


def _parse(body: bytes) -> dict[str, object] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):  # bad JSON or UTF-8, or too deep
        return None
    return document if isinstance(document, dict) else None


def _retry_after(text: str) -> float | None:
    """Read seconds; a date, which nobody sends here, counts as none."""
    return float(min(int(text), _MAX_WAIT)) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def _bearer(token: Secret | None) -> str | None:
    return None if token is None else f"Bearer {token.reveal()}"


def _explain(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, UnicodeError):  # of the codec for host names
        return "there is no such name"
    if isinstance(error, aiohttp.ClientConnectorError):
        why = error.os_error
        if why.errno == errno.ECONNREFUSED:
            return "nothing listens there"
        return explain(why) if isinstance(why, ssl.SSLError) else why.strerror or "it closed the connection"
    return "it does not speak HTTP as it should"
