"""HTTP client for JSON documents: bounded, in limited time, without redirects and cookies.

The server may be hostile, or not the one that was meant. So every answer has a limit, nothing is unpacked (a few
compressed octets can become gigabytes), and redirects are not followed: what is meant for one server, such as an
authorization code, never reaches another.
"""

from __future__ import annotations

import errno
import json
import logging
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import aiohttp

from wic._version import __version__
from wic.errors import ConnectFailed, RemoteProtocolError
from wic.oauth.clocks import difference_of
from wic.oauth.urls import origin
from wic.transport.tls import client_context, explain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wic.auth.secret import Secret

_log = logging.getLogger(__name__)

MAX_BODY = 262_144
"""Longest answer that is read, in octets."""
MAX_RETRY_AFTER = 86_400
CONNECTIONS = 16
"""Connections of a client at a time; further requests wait."""


@dataclass(frozen=True, slots=True)
class JsonReply:
    """Status of an answer, and the JSON object that came with it."""

    status: int
    document: Mapping[str, object] = field(repr=False)
    """Empty where an error, or an answer without content, came without one; it may hold tokens."""
    retry_after: float | None = None
    """Seconds of its Retry-After (RFC 9110 §10.2.3), if it has one."""

    @property
    def ok(self) -> bool:
        """Whether the request succeeded."""
        return 200 <= self.status < 300

    def text(self, name: str) -> str:
        """Return a member that is a printable text; empty if it is missing or something else."""
        value = self.document.get(name)
        return value if isinstance(value, str) and value.isprintable() else ""


class JsonClient:
    """HTTP client for JSON documents.

    Its connections are opened with the first request, so that it can be made without an event loop, and ended by
    `close` or at the end of an `async with` block.

    Args:
        ca: a PEM file of further trust anchors, besides those of the system.
        timeout: seconds for a whole request.

    Raises:
        ConfigurationError: the file of trust anchors cannot be used.
    """

    def __init__(self, *, ca: Path | None = None, timeout: float = 10.0) -> None:
        self._context = client_context(ca=ca)
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        self._clock_told = False

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End its connections."""
        await self.close()

    async def close(self) -> None:
        """End the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(self, url: str) -> JsonReply:
        """Fetch a document.

        Raises:
            ConnectFailed: the server cannot be reached, or is not the one that its certificate names.
            RemoteProtocolError: its answer is no bounded JSON object.
        """
        return await self._request("GET", url)

    async def post(
        self, url: str, form: Mapping[str, str], *, authorization: str | None = None, ignore_content: bool = False
    ) -> JsonReply:
        """Send a form; the errors are those of `get`.

        Args:
            url: the endpoint.
            form: its fields.
            authorization: the value of the Authorization header.
            ignore_content: whether only the status counts, so that a success may have any content (RFC 7009 §2.2).
        """
        return await self._request("POST", url, form, authorization, ignore_content=ignore_content)

    async def delete(self, url: str, *, authorization: str | None = None) -> JsonReply:
        """Delete a resource; the errors are those of `get`."""
        return await self._request("DELETE", url, None, authorization)

    async def _request(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None = None,
        authorization: str | None = None,
        *,
        ignore_content: bool = False,
    ) -> JsonReply:
        if self._session is None:
            self._session = self._open_session()
        headers = {} if authorization is None else {"Authorization": authorization}
        try:
            async with self._session.request(
                method, url, data=form, headers=headers, allow_redirects=False
            ) as response:
                body = await _read_bounded(response)
        except (aiohttp.ClientError, OSError, UnicodeError) as error:  # a TimeoutError is an OSError
            raise ConnectFailed(f"{origin(url)} cannot be used: {_explain(error)}") from error
        self._compare_clocks(url, response)
        # A redirect would carry the form, with its code or token, to a server that was not asked.
        if 300 <= response.status < 400:
            raise _bad_answer(url, "wants to redirect, which is not followed; use the address it really has")
        document = json_object(body)
        success = 200 <= response.status < 300
        if document is None and success and body and not ignore_content:
            raise _bad_answer(url, "sent something that is not a JSON object")
        return JsonReply(response.status, document or {}, _read_retry_after(response))

    def _compare_clocks(self, url: str, response: aiohttp.ClientResponse) -> None:
        """Tell once that the server's clock differs: else tokens that have expired at once are all that is seen."""
        difference = None if self._clock_told else difference_of(response.headers.get("Date"), now=time.time())
        if difference is not None:
            self._clock_told = True
            _log.warning(
                "the clock of %s is %s this machine's: tokens and registrations may end too early or too late;"
                " set the one that is wrong",
                origin(url),
                difference,
            )

    def _open_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._context, limit=CONNECTIONS),
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            cookie_jar=aiohttp.DummyCookieJar(),  # a token is all that a server knows of the client
            trust_env=False,  # a proxy of the environment must not see tokens
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": f"wic/{__version__}",
            },
            auto_decompress=False,
        )


def bearer(token: Secret | None) -> str | None:
    """Return the Authorization value that carries a token (RFC 6750 §2.1); None without a token."""
    return None if token is None else f"Bearer {token.reveal()}"  # RFC 6750 §2.1: in the header, not in the URL


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(16_384):
        body += chunk
        if len(body) > MAX_BODY:
            raise _bad_answer(str(response.url), f"sent more than {MAX_BODY} octets")
    return bytes(body)


def json_object(text: bytes) -> dict[str, object] | None:
    """Return the JSON object that a peer has sent; None for anything else."""
    try:
        document = json.loads(text)
        # RFC 8259 §8.2: an escape may stand for half a character, which could neither be sent on nor stored.
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # bad JSON or UTF-8, or nested too deep
        return None
    return document if isinstance(document, dict) else None


def _read_retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Read a Retry-After in seconds; the other form, a date, counts as none."""
    text = response.headers.get("Retry-After", "")
    return float(min(int(text), MAX_RETRY_AFTER)) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def _bad_answer(url: str, what: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"{origin(url)} {what}", status_hint=None)


def _explain(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, UnicodeError):  # of the codec for host names
        return "there is no such host name"
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        if cause.errno == errno.ECONNREFUSED:
            return "nothing listens there"
        return explain(cause) if isinstance(cause, ssl.SSLError) else cause.strerror or "it closed the connection"
    return "it does not speak HTTP as it should"
