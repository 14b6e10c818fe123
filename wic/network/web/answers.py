"""Errors that are answers, and the header fields that every answer has."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from wic.errors import StorageFailed
from wic.network.web.pages import SHARED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)

POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
"""Content Security Policy of a page without scripts."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Header fields of every answer that does not set them otherwise."""

_LATER = {"Retry-After": "5"}
"""After which time a database may have room again, or be free."""


def csp_source(url: str) -> str:
    """Return the origin of a URL as a source of a policy, which knows no IPv6 addresses: then the scheme has to do.

    >>> csp_source("wss://pcscf.ims.example:8443/path")
    'wss://pcscf.ims.example:8443'
    >>> csp_source("wss://[2001:db8::7]:8443/")
    'wss:'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}:" if "[" in parts.netloc else f"{parts.scheme}://{parts.netloc}"


def policy_with(leads_to: str) -> str:
    """Return the policy of a page whose form leads to another server: browsers hold redirects after it against it."""
    return POLICY.replace("form-action 'self'", f"form-action 'self' {leads_to}")


class Refusal(Exception, ABC):
    """Ends the handling of a request with an answer."""

    @abstractmethod
    def response(self) -> web.Response:
        """Return the answer."""


class PageRefusal(Refusal):
    """An answer for people.

    Args:
        status: HTTP status.
        title: what happened, in a few words.
        text: what to do about it.
        headers: further header fields.
    """

    def __init__(self, status: int, title: str, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {title}")
        self.status = status
        self.title = title
        self.text = text
        self.headers = headers or {}

    def response(self) -> web.Response:
        """Return the page."""
        page = SHARED.page("error.html", title=self.title, status=self.status, text=self.text)
        page.headers.update(self.headers)
        return page


class JsonRefusal(Refusal):
    """An answer for programs, in the form of RFC 6749 §5.2.

    Args:
        status: HTTP status.
        error: the error code.
        description: words for the developer of the client.
        headers: further header fields.
    """

    def __init__(self, status: int, error: str, description: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{error}: {description}")
        self.status = status
        self.error = error
        self.description = description
        self.headers = headers or {}

    def response(self) -> web.Response:
        """Return the JSON document."""
        document = {"error": self.error, "error_description": self.description}
        return web.json_response(document, status=self.status, headers=self.headers)


def _come_later(request: web.Request) -> Refusal:
    """Refuse what cannot be stored now, in the words of whoever asks: only browsers want HTML."""
    if "text/html" in request.headers.get("Accept", ""):
        return PageRefusal(503, "This does not work at the moment", "Try again in a few seconds.", _LATER)
    return JsonRefusal(503, "temporarily_unavailable", "nothing can be stored at the moment", _LATER)


@web.middleware
async def answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals into answers, and give every answer the header fields that protect it."""
    response: web.StreamResponse
    try:
        response = await handler(request)
    except Refusal as refusal:
        response = refusal.response()
    except StorageFailed as error:
        _log.error("%s", error)
        response = _come_later(request).response()
    except web.HTTPException as error:
        kept = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        response = PageRefusal(error.status, error.reason, "This address does nothing of the kind.", kept).response()
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
