"""Context of a running WWSF for its endpoints, and their common errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wic.network.web.browser_session import SessionCookie
from wic.network.web.pages import Pages
from wic.network.web.responses import JsonError, retry_after
from wic.oauth.errors import ErrorCode

if TYPE_CHECKING:
    from aiohttp import web

    from wic.network.wwsf.options import WwsfOptions
    from wic.network.wwsf.store import WwsfStore
    from wic.network.wwsf.waf_client import WafClient

WAF_RETRY = 10.0
"""Seconds after which a WAF that is away may have come back."""


@dataclass(slots=True, kw_only=True)
class WwsfContext:
    """State and tools of a running WWSF."""

    options: WwsfOptions
    store: WwsfStore
    waf: WafClient
    url: str
    """Its URL."""
    pages: Pages = field(default_factory=lambda: Pages("wic.network.wwsf"))
    cookie: SessionCookie = field(default_factory=lambda: SessionCookie("wwsf"))

    @property
    def now(self) -> float:
        """The time in seconds of Unix time."""
        return self.options.clock()

    def check_origin(self, request: web.Request) -> None:
        """Refuse a request of a page of another site; programs other than browsers send neither header field.

        Raises:
            JsonError: it comes from another site.
        """
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        if origin not in (None, self.url) or site not in (None, "same-origin", "none"):
            raise JsonError("foreign_origin", "this is for pages of this server", status=403)


def login_required() -> JsonError:
    """Return the error of a browser without a session (RFC 6750 §3)."""
    challenge = {"WWW-Authenticate": "Bearer"}  # RFC 6750 §3.1: no error code without a token
    return JsonError(ErrorCode.LOGIN_REQUIRED, "sign in first", status=401, headers=challenge)


def waf_unreachable() -> JsonError:
    """Return the error of a request that needs the WAF."""
    return JsonError(
        ErrorCode.TEMPORARILY_UNAVAILABLE, "the WAF does not answer", status=503, headers=retry_after(WAF_RETRY)
    )
