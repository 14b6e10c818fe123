"""Error responses that end the handling of a request, and the header fields of every response."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from wic.errors import StorageFailed
from wic.network.web.pages import SHARED_PAGES
from wic.oauth.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)

POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
"""Content Security Policy of a page without scripts."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # RFC 6749 §10.13: clickjacking
    "Referrer-Policy": "no-referrer",  # RFC 9700 §4.2: codes leak by Referer
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",  # RFC 6749 §5.1
}
"""Header fields of every response that does not set them otherwise."""

_STORAGE_RETRY = 5.0
"""Seconds after which a database may have room again, or be free."""


def retry_after(seconds: float) -> dict[str, str]:
    """Return the header field that asks a client to wait (RFC 9110 §10.2.3): whole seconds, rounded up, at least one.

    >>> retry_after(0.2), retry_after(60.0)
    ({'Retry-After': '1'}, {'Retry-After': '60'})
    """
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def csp_source(url: str) -> str:
    """Return the origin of a URL as a source of a policy, which knows no IPv6 addresses: then the scheme has to do.

    >>> csp_source("wss://pcscf.ims.example:8443/path")
    'wss://pcscf.ims.example:8443'
    >>> csp_source("wss://[2001:db8::7]:8443/")
    'wss:'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}:" if "[" in parts.netloc else f"{parts.scheme}://{parts.netloc}"


def policy_with_form_action(source: str) -> str:
    """Return the policy of a page whose form leads to another server.

    Browsers apply `form-action` to the redirects that follow a form as well.
    """
    return POLICY.replace("form-action 'self'", f"form-action 'self' {source}")


def see_other(location: str) -> web.Response:
    """Return a redirect that turns a POST into a GET (RFC 9110 §15.4.4), so that no credentials travel on."""
    return web.Response(status=303, headers={"Location": location})  # RFC 9700 §4.12: never 307, which repeats the POST


class HttpError(Exception, ABC):
    """Error that ends the handling of a request with a response."""

    @abstractmethod
    def response(self) -> web.Response:
        """Return the response."""


class PageError(HttpError):
    """Error shown to the user of a browser.

    Args:
        status: HTTP status.
        title: what happened, in a few words.
        text: what the user can do.
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
        page = SHARED_PAGES.page("error.html", title=self.title, status=self.status, text=self.text)
        page.headers.update(self.headers)
        return page


class JsonError(HttpError):
    """Error for a program, in the form of RFC 6749 §5.2.

    Args:
        error: the error code.
        description: text for the developer of the client.
        status: HTTP status.
        headers: further header fields.
    """

    def __init__(
        self, error: str, description: str, *, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status
        self.headers = headers or {}

    def response(self) -> web.Response:
        """Return the JSON document."""
        document = {"error": self.error, "error_description": self.description}  # RFC 6749 §5.2
        return web.json_response(document, status=self.status, headers=self.headers)


@web.middleware
async def finish_response(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Make a response of every error, and give every response the header fields that protect it."""
    response: web.StreamResponse
    try:
        response = await handler(request)
    except HttpError as error:
        response = error.response()
    except StorageFailed as error:
        _log.error("%s", error)
        response = _storage_error(request).response()
    except web.HTTPException as error:  # of aiohttp: no such path, no such method, a head that is too long
        kept = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        response = PageError(
            error.status, error.reason, "There is nothing of this kind at this address.", kept
        ).response()
    # Errors included: an error page can be framed and cached like any other.
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _storage_error(request: web.Request) -> HttpError:
    """Return the error of a database that cannot be written: a page for browsers, which alone ask for HTML."""
    later = retry_after(_STORAGE_RETRY)
    if "text/html" in request.headers.get("Accept", ""):
        return PageError(503, "This does not work at the moment", "Try again in a few seconds.", later)
    return JsonError(
        ErrorCode.TEMPORARILY_UNAVAILABLE, "nothing can be stored at the moment", status=503, headers=later
    )
