"""Device authorization endpoint, and the page on which a user lets a device in (RFC 8628)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from wic.network.waf.browser import (
    Alert,
    bad_page_request,
    form_page,
    outdated_form,
    read_own_form,
    signed_in_user,
    to_login,
    too_many_guesses,
)
from wic.network.waf.codes import DeviceInput, read_user_code, show_user_code
from wic.network.waf.context import invalid_request, read_scope, too_many_attempts
from wic.network.web.forms import read_form, read_query
from wic.network.web.responses import JsonError
from wic.network.web.throttle import address_of
from wic.oauth.errors import ErrorCode
from wic.oauth.requests import GrantType

if TYPE_CHECKING:
    from wic.network.waf.context import WafContext

UNKNOWN_CODE = Alert(text="This code is wrong or has expired.", status=404)


class DeviceAuthorizationEndpoint:
    """POST /device_authorization, GET and POST /device."""

    def __init__(self, context: WafContext) -> None:
        self._context = context

    def routes(self) -> list[web.RouteDef]:
        """Return its paths and handlers."""
        return [
            web.post("/device_authorization", self._open),
            web.get("/device", self._show),
            web.post("/device", self._enter),
        ]

    async def _open(self, request: web.Request) -> web.Response:
        """Give a device its two codes (RFC 8628 §3.1, §3.2)."""
        context = self._context
        form = await read_form(request, invalid_request)
        client = context.authenticate_client(request, form)
        # RFC 8628 §3.1: the client authenticates as at the token endpoint, and has to be registered for the grant.
        if GrantType.DEVICE_CODE not in client.grants:
            raise JsonError(ErrorCode.UNAUTHORIZED_CLIENT, "the client may not use the device grant")
        scope = read_scope(form.get("scope"))
        # Every pending user code makes guessing one easier (RFC 8628 §5.1), so an address gets only so many.
        wait = context.device_requests.take(address_of(request), now=context.now)
        if wait:
            raise too_many_attempts(wait)
        lifetime, interval = context.options.lifetimes.device, context.options.poll_interval
        device_code, user_code = context.store.device_codes.open(
            client.id, scope, interval=interval, expires_at=context.now + lifetime
        )
        shown, page = show_user_code(user_code), f"{context.issuer}/device"
        document = {
            "device_code": device_code,
            "user_code": shown,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={shown}",  # RFC 8628 §3.3.1
            "expires_in": int(lifetime),
            "interval": int(interval),  # RFC 8628 §3.2
        }
        return web.json_response(document)

    async def _show(self, request: web.Request) -> web.Response:
        """Show the field for the code, filled in if the link has the code; the user still has to compare it."""
        code = read_user_code(read_query(request, bad_page_request).get("user_code", ""))
        if signed_in_user(self._context, request) is None:
            return to_login(request)
        return self._page(request, code=show_user_code(code) if code else "")

    def _page(self, request: web.Request, *, code: str = "", alert: Alert | None = None) -> web.Response:
        return form_page(self._context, request, "device.html", title="Connect a device", alert=alert, code=code)

    async def _enter(self, request: web.Request) -> web.Response:
        """Take the code, and then the decision of the user (RFC 8628 §3.3)."""
        context = self._context
        _, form = await read_own_form(context, request)
        user = signed_in_user(context, request)
        if user is None:
            raise outdated_form()
        # RFC 8628 §5.1: user codes are short, so guessing has to be slow.
        name, address = f"device {user.name}", f"device {address_of(request)}"
        wait = context.attempts.wait(name, address, now=context.now)
        if wait:
            return self._page(request, alert=too_many_guesses(wait, "codes"))
        found = context.store.device_codes.find(read_user_code(form.get("user_code", "")), now=context.now)
        if found is None:
            return self._page(request, alert=UNKNOWN_CODE)
        context.attempts.succeeded(name, address)
        decision = form.get("decision")
        if decision not in ("approve", "deny"):
            # RFC 8628 §5.4: an attacker may have mailed the code, so the user sees what is asked for, and by whom.
            client = context.store.clients.find(found.client)
            return form_page(
                context,
                request,
                "device_consent.html",
                title="Allow access?",
                code=show_user_code(found.user_code),
                client=found.client if client is None else client.title,
                name=user.name,
                impu=user.impus[0],
            )
        approved = decision == "approve"
        given = DeviceInput.APPROVE if approved else DeviceInput.DENY
        context.store.device_codes.decide(found.user_code, user.name, given, now=context.now)
        text = "The device is connected." if approved else "The device was refused."
        return context.pages.page("done.html", title="Done", text=f"{text} You can close this page.")
