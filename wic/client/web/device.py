"""Signing in on another device: a code is typed there, and this side asks until it is done (RFC 8628)."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wic.auth.secret import Secret
from wic.client.web.token_endpoint import refusal
from wic.errors import RemoteProtocolError, SignInFailed, TransportError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wic.client.web.http import Reply
    from wic.client.web.token import AccessToken
    from wic.client.web.token_endpoint import TokenEndpoint

_DEFAULT_INTERVAL = 5  # RFC 8628 §3.2
_LONGEST_INTERVAL = 300
_LONGER = 5  # RFC 8628 §3.5, slow_down
_MAX_LIFETIME = 86_400
_MAX_USER_CODE = 64
_MAX_URL = 2048
_DEVICE_CODE = re.compile(r"[\x21-\x7e]{1,4096}")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCode:
    """What a person needs in order to sign in on another device."""

    code: str
    """To be typed there."""
    url: str
    """To be opened there."""
    url_with_code: str = ""
    """The same with the code in it, for a click or a QR code; empty if the server has none."""
    expires_in: int
    """Seconds in which to do it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCode:
    """What this side needs in order to ask whether the person is done."""

    secret: Secret
    interval: int
    """Seconds between two questions."""
    expires_in: int
    """Seconds after which there is no point in asking."""


async def begin(endpoint: TokenEndpoint, *, insecure: bool = False) -> tuple[UserCode, DeviceCode]:
    """Ask for a pair of codes (RFC 8628 §3.1, §3.2).

    Args:
        endpoint: where the token will come from.
        insecure: whether the page that the person opens may be on `http://`.

    Raises:
        ConnectFailed: the server cannot be reached.
        RemoteProtocolError: its answer makes no sense.
        SignInFailed: it says no.
    """
    reply = await endpoint.begin_device()
    if not reply.ok:
        raise refusal(reply, f"{endpoint.waf.issuer} gave no code")
    secret, code, url = reply.text("device_code"), reply.text("user_code"), reply.text("verification_uri")
    lifetime = _seconds(reply, "expires_in", _MAX_LIFETIME)
    interval = _seconds(reply, "interval", _LONGEST_INTERVAL) or _DEFAULT_INTERVAL
    usable = _DEVICE_CODE.fullmatch(secret) and 0 < len(code) <= _MAX_USER_CODE and _is_page(url, insecure)
    if not usable or lifetime is None:
        raise RemoteProtocolError(f"{endpoint.waf.issuer} gave a code that cannot be used", status_hint=None)
    with_code = reply.text("verification_uri_complete")
    shown = with_code if _is_page(with_code, insecure) else ""
    return (
        UserCode(code=code, url=url, url_with_code=shown, expires_in=lifetime),
        DeviceCode(secret=Secret(secret), interval=interval, expires_in=lifetime),
    )


async def wait(ask: Callable[[Secret], Awaitable[AccessToken]], device: DeviceCode) -> AccessToken:
    """Ask for the token until the person is done (RFC 8628 §3.4, §3.5).

    Args:
        ask: asks once.
        device: what to ask with, and how often.

    Raises:
        SignInFailed: the person said no (`access_denied`), or was not in time (`expired_token`).
        RemoteProtocolError: an answer makes no sense.
    """
    interval = device.interval
    try:
        async with asyncio.timeout(device.expires_in):
            while True:
                await asyncio.sleep(interval)
                try:
                    return await ask(device.secret)
                except TransportError:
                    interval = min(2 * interval, _LONGEST_INTERVAL)
                except SignInFailed as error:
                    interval = _next_interval(error, interval)
    except TimeoutError:
        raise SignInFailed("nobody signed in before the code expired", error="expired_token") from None


def _next_interval(error: SignInFailed, interval: int) -> int:
    """Return how long to wait for the next question; raise the error if there is none to be asked."""
    if error.error == "authorization_pending":
        return interval
    if error.error == "slow_down":
        return min(interval + _LONGER, _LONGEST_INTERVAL)
    if error.temporary:
        return min(2 * interval, _LONGEST_INTERVAL)
    raise error


def _seconds(reply: Reply, name: str, most: int) -> int | None:
    value = reply.document.get(name)
    usable = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return min(value, most) if usable and isinstance(value, int) else None


def _is_page(url: str, insecure: bool) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    schemes = ("https", "http") if insecure else ("https",)
    # A user name before the host would make people take one site for another.
    return bool(parts.hostname) and parts.username is None and parts.scheme in schemes and len(url) <= _MAX_URL
