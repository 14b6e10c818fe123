"""What the authorization server answers when it refuses (RFC 6749 §4.1.2.1 and §5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from aiohttp import web

from wic.network.web.answers import JsonRefusal, PageRefusal, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping


def invalid_request(description: str) -> JsonRefusal:
    """The request lacks something, or has it twice."""
    return JsonRefusal(400, "invalid_request", description)


def invalid_client(description: str) -> JsonRefusal:
    """Nobody knows the client, or it could not prove that it is the one."""
    return JsonRefusal(401, "invalid_client", description, {"WWW-Authenticate": 'Basic realm="waf"'})


def invalid_grant(description: str) -> JsonRefusal:
    """The code or refresh token is good for nothing."""
    return JsonRefusal(400, "invalid_grant", description)


def unauthorized_client(description: str) -> JsonRefusal:
    """The client may not do this."""
    return JsonRefusal(400, "unauthorized_client", description)


def unsupported_grant_type(description: str) -> JsonRefusal:
    """Nobody may do this here."""
    return JsonRefusal(400, "unsupported_grant_type", description)


def invalid_scope(description: str) -> JsonRefusal:
    """There is no such scope, or the client may not have it."""
    return JsonRefusal(400, "invalid_scope", description)


def device_refusal(error: str, description: str) -> JsonRefusal:
    """The device has to wait, or is refused (RFC 8628 §3.5)."""
    return JsonRefusal(400, error, description)


def too_many(wait: float) -> JsonRefusal:
    """Somebody has guessed too often."""
    seconds = whole_seconds(wait)
    return JsonRefusal(429, "slow_down", f"try again in {seconds} s", {"Retry-After": seconds})


def bad_page_request(text: str) -> PageRefusal:
    """A browser came with something that no page of ours sends."""
    return PageRefusal(400, "This request is not complete", f"Start again where you came from: {text}.")


def foreign_form() -> PageRefusal:
    """A form was sent that was not made for this visit."""
    return PageRefusal(
        403, "This form is out of date", "Go back, reload the page and try again. Cookies have to be allowed."
    )


def whole_seconds(wait: float) -> str:
    """Return a time for Retry-After: whole seconds, rounded up."""
    return str(max(1, -int(-wait // 1)))


class RedirectAnswer(Refusal):
    """Sends the browser back to the client (RFC 6749 §4.1.2).

    Args:
        redirect_uri: where the client is; checked before.
        parameters: what it is told.
    """

    def __init__(self, redirect_uri: str, parameters: Mapping[str, str]) -> None:
        super().__init__(parameters.get("error", "code"))
        self.location = f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(parameters)}"

    def response(self) -> web.Response:
        """Return the redirect; 303 turns a POST into a GET (RFC 9700 §4.12)."""
        return web.Response(status=303, headers={"Location": self.location})
