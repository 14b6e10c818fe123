"""Cookies that only this host can set, and the tokens that tie a form to one of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

_VISIT = re.compile(r"[A-Za-z0-9_-]{43}")


def new_secret() -> str:
    """Return 256 random bits as 43 characters that are safe in a URL."""
    return secrets.token_urlsafe(32)


def fingerprint(secret: str) -> str:
    """Return what is stored of a random secret: whoever reads the database cannot use it."""
    return hashlib.sha256(secret.encode()).hexdigest()


class VisitCookie:
    """A cookie with a random value for each browser.

    Args:
        name: its name without the prefix `__Host-`, which keeps other hosts and plain HTTP from setting it.
    """

    def __init__(self, name: str) -> None:
        self._name = f"__Host-{name}"

    def read(self, request: web.Request) -> str | None:
        """Return the value that a browser sent, if it has the form of ours."""
        value = request.cookies.get(self._name, "")
        return value if _VISIT.fullmatch(value) else None

    def set(self, response: web.StreamResponse, visit: str) -> None:
        """Give the browser a value; it forgets it when it is closed."""
        response.set_cookie(self._name, visit, path="/", secure=True, httponly=True, samesite="Lax")

    def clear(self, response: web.StreamResponse) -> None:
        """Make the browser forget the value."""
        response.del_cookie(self._name, path="/", secure=True, httponly=True, samesite="Lax")


def csrf_token(visit: str) -> str:
    """Return what a form must carry that was made for this visit.

    It follows from the cookie, which no other site can read: nothing has to be kept for those who only look.
    """
    return base64.urlsafe_b64encode(hashlib.sha256(f"csrf {visit}".encode()).digest()).decode().rstrip("=")


def is_own_form(visit: str | None, token: str) -> bool:
    """Tell whether a form comes from a page that was made for this visit."""
    return visit is not None and hmac.compare_digest(csrf_token(visit).encode(), token.encode())
