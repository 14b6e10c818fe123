"""What all endpoints of a WWSF have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wic.network.web.answers import JsonRefusal, PageRefusal
from wic.network.web.browser_session import VisitCookie
from wic.network.web.pages import Pages

if TYPE_CHECKING:
    from aiohttp import web

    from wic.network.wwsf.options import WwsfOptions
    from wic.network.wwsf.store import WwsfStore
    from wic.network.wwsf.waf_client import WafClient


@dataclass(slots=True, kw_only=True)
class WwsfCore:
    """State and tools of a running WWSF."""

    options: WwsfOptions
    store: WwsfStore
    waf: WafClient
    url: str
    """Where it is."""
    pages: Pages = field(default_factory=lambda: Pages("wic.network.wwsf"))
    cookie: VisitCookie = field(default_factory=lambda: VisitCookie("wwsf"))

    @property
    def now(self) -> float:
        """The time in seconds of the epoch."""
        return self.options.clock()

    def check_origin(self, request: web.Request) -> None:
        """Refuse what a page of another site sends; programs that are no browsers send neither header field.

        Raises:
            JsonRefusal: it comes from another site.
        """
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        if origin not in (None, self.url) or site not in (None, "same-origin", "none"):
            raise JsonRefusal(403, "foreign_origin", "this is for pages of this server")


def waf_silent() -> PageRefusal:
    """The WAF cannot be reached."""
    return PageRefusal(502, "Signing in is not possible now", "Try again in a moment.", {"Retry-After": "10"})


def unavailable() -> JsonRefusal:
    """The WAF cannot be reached, in JSON."""
    return JsonRefusal(503, "temporarily_unavailable", "the WAF does not answer", {"Retry-After": "10"})
