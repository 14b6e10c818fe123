"""Device authorization grant, the device's side (RFC 8628).

The user opens a page on any other device and types a short code; meanwhile this side polls the token endpoint.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.auth.secret import Secret
from wic.errors import RemoteProtocolError, SignInFailed, TransportError
from wic.oauth.errors import ErrorCode
from wic.oauth.tokens import read_seconds
from wic.oauth.urls import HTTPS, HTTPS_OR_HTTP, is_usable_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wic.client.web.token_client import TokenClient
    from wic.oauth.http import JsonReply
    from wic.oauth.tokens import AccessToken

_DEFAULT_INTERVAL = 5  # RFC 8628 §3.2
_LONGEST_INTERVAL = 300  # the server's word counts, within reason
_SLOW_DOWN = 5  # RFC 8628 §3.5
_MAX_LIFETIME = 86_400
_MAX_USER_CODE = 64  # it is shown, and typed by a person (RFC 8628 §6.1)
_DEVICE_CODE = re.compile(r"[\x21-\x7e]{1,4096}")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCode:
    """User code and page with which the user signs in on another device."""

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
    """Device code with which this side polls the token endpoint."""

    secret: Secret
    interval: int
    """Seconds between two polls."""
    expires_in: int
    """Seconds until both codes expire."""


async def request_codes(client: TokenClient, *, insecure: bool = False) -> tuple[UserCode, DeviceCode]:
    """Request a user code and a device code (RFC 8628 §3.1, §3.2).

    With `insecure` the page that the user opens may be `http://`.

    Raises:
        ConnectFailed: the server cannot be reached.
        RemoteProtocolError: its answer cannot be used.
        SignInFailed: it refuses.
    """
    reply = await client.request_device_code()
    schemes = HTTPS_OR_HTTP if insecure else HTTPS
    secret, code, url = reply.text("device_code"), reply.text("user_code"), reply.text("verification_uri")
    lifetime = _read_seconds(reply, "expires_in", longest=_MAX_LIFETIME)
    usable = (
        _DEVICE_CODE.fullmatch(secret)
        and 0 < len(code) <= _MAX_USER_CODE
        and is_usable_url(url, schemes, fragment=True)
    )
    if not usable or lifetime is None:
        raise RemoteProtocolError(f"{client.server.issuer} gave a code that cannot be used", status_hint=None)
    # RFC 8628 §3.2: optional; a bad link is dropped, for the code can be typed.
    with_code = reply.text("verification_uri_complete")
    if not is_usable_url(with_code, schemes, fragment=True):
        with_code = ""
    interval = _read_seconds(reply, "interval", longest=_LONGEST_INTERVAL) or _DEFAULT_INTERVAL
    return (
        UserCode(code=code, url=url, url_with_code=with_code, expires_in=lifetime),
        DeviceCode(secret=Secret(secret), interval=interval, expires_in=lifetime),
    )


async def poll_until_approved(poll: Callable[[Secret], Awaitable[AccessToken]], device_code: DeviceCode) -> AccessToken:
    """Poll for the token until the user has approved or denied, or the codes have expired (RFC 8628 §3.4, §3.5).

    Raises:
        SignInFailed: the user denied (`access_denied`), or was not in time (`expired_token`).
        RemoteProtocolError: an answer cannot be used.
    """
    interval = device_code.interval
    try:
        async with asyncio.timeout(device_code.expires_in):
            while True:
                await asyncio.sleep(interval)  # first: the user has not even read the code yet
                try:
                    return await poll(device_code.secret)
                except TransportError:  # RFC 8628 §3.5: exponential back-off after a time-out
                    interval = min(2 * interval, _LONGEST_INTERVAL)
                except SignInFailed as error:
                    if error.error == ErrorCode.AUTHORIZATION_PENDING:  # RFC 8628 §3.5
                        continue
                    if error.error == ErrorCode.SLOW_DOWN:  # five seconds more, for this and all further polls
                        interval = min(interval + _SLOW_DOWN, _LONGEST_INTERVAL)
                    elif error.temporary:
                        interval = min(2 * interval, _LONGEST_INTERVAL)
                    else:  # access_denied, expired_token
                        raise
    except TimeoutError:
        raise SignInFailed("the code expired before the user signed in", error=ErrorCode.EXPIRED_TOKEN) from None


def _read_seconds(reply: JsonReply, name: str, *, longest: int) -> int | None:
    value = read_seconds(reply.document.get(name))
    return None if value is None else min(value, longest)
