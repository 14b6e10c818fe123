"""Session cookies that only this host can set, and CSRF tokens for its forms."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

MAX_SESSIONS = 64
"""Sessions of one user at one server; for another one the oldest ends."""
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{43}")


def new_secret() -> str:
    """Return 256 random bits as 43 characters that are safe in a URL."""
    return secrets.token_urlsafe(32)  # RFC 6749 §10.10: must not be guessed


def fingerprint(secret: str) -> str:
    """Return what is stored of a random secret: a reader of the database cannot use it."""
    return hashlib.sha256(secret.encode()).hexdigest()


class SessionCookie:
    """Cookie with a random session id.

    Every browser gets one with its first page, so that forms can be tied to it; what the id stands for, if anything, is
    in the database. It ends when the browser is closed.

    Args:
        name: its name without the prefix `__Host-`, which keeps other hosts and plain HTTP from setting it.
    """

    def __init__(self, name: str) -> None:
        self._name = f"__Host-{name}"

    def read(self, request: web.Request) -> str | None:
        """Return the session id that a browser sent, if it has the form of one."""
        value = request.cookies.get(self._name, "")
        return value if _SESSION_ID.fullmatch(value) else None  # another form was never given out

    def set(self, response: web.StreamResponse, session_id: str) -> None:
        """Give the browser a session id."""
        # RFC 6265bis §4.1.3.2: `__Host-` demands Secure, Path=/ and no Domain. Lax lets the redirect from the WAF
        # carry the cookie, and no form of another site.
        response.set_cookie(self._name, session_id, path="/", secure=True, httponly=True, samesite="Lax")

    def clear(self, response: web.StreamResponse) -> None:
        """Make the browser remove the cookie."""
        response.del_cookie(self._name, path="/", secure=True, httponly=True, samesite="Lax")


def csrf_token(session_id: str) -> str:
    """Return the CSRF token of the forms of a session.

    It follows from the cookie, which no other site can read: nothing has to be stored for a visitor.
    """
    digest = hashlib.sha256(f"csrf {session_id}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def is_csrf_token(token: str, session_id: str) -> bool:
    """Tell whether a form that carries this token was made for a session."""
    return hmac.compare_digest(csrf_token(session_id).encode(), token.encode())  # in constant time
