"""POST /device_authorization, GET and POST /device: a client without a browser is let in from one (RFC 8628)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from wic.network.waf.browser import Alert, form_page, own_form, signed_in, to_sign_in, too_often
from wic.network.waf.client_auth import authenticate_client
from wic.network.waf.clients import DEVICE
from wic.network.waf.core import read_scope
from wic.network.waf.devices import DeviceState, read_user_code, show_user_code
from wic.network.waf.errors import (
    bad_page_request,
    foreign_form,
    invalid_request,
    too_many,
    unauthorized_client,
)
from wic.network.web.address import origin_of
from wic.network.web.forms import read_form, read_query

if TYPE_CHECKING:
    from wic.network.waf.core import WafCore
    from wic.network.waf.devices import DeviceRequest
    from wic.network.waf.users import WebUser

UNKNOWN = Alert(text="There is no such code, or its time is over.", status=404)


class DevicePages:
    """The device grant, but for its token request.

    Args:
        core: the WAF.
    """

    def __init__(self, core: WafCore) -> None:
        self._core = core

    def routes(self) -> list[web.RouteDef]:
        """Return what it answers."""
        return [
            web.post("/device_authorization", self._open),
            web.get("/device", self._show),
            web.post("/device", self._enter),
        ]

    async def _open(self, request: web.Request) -> web.Response:
        core = self._core
        form = await read_form(request, invalid_request)
        client = authenticate_client(core, request, form)
        if DEVICE not in client.grants:
            raise unauthorized_client("the client may not use the device grant")
        scope = read_scope(form.get("scope"))
        wait = core.device_requests.take(origin_of(request), now=core.now)
        if wait:
            raise too_many(wait)
        lifetime, interval = core.options.lifetimes.device, core.options.poll_interval
        code, user_code = core.store.devices.open(client.id, scope, interval=interval, expires_at=core.now + lifetime)
        shown, page = show_user_code(user_code), f"{core.issuer}/device"
        document = {
            "device_code": code,
            "user_code": shown,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={shown}",
            "expires_in": int(lifetime),
            "interval": int(interval),
        }
        return web.json_response(document)

    async def _show(self, request: web.Request) -> web.Response:
        """Show the field for the code, filled in if the link had it; the user still has to compare it."""
        code = read_user_code(read_query(request, bad_page_request).get("user_code", ""))
        if signed_in(self._core, request) is None:
            return to_sign_in(request)
        return self._page(request, code=show_user_code(code) if code else "")

    def _page(self, request: web.Request, *, code: str = "", alert: Alert | None = None) -> web.Response:
        return form_page(self._core, request, "device.html", title="Connect a device", alert=alert, code=code)

    async def _enter(self, request: web.Request) -> web.Response:
        core, form = self._core, await own_form(self._core, request)
        user = signed_in(core, request)
        if user is None:
            raise foreign_form()
        guessed, address = f"device {user.name}", f"device {origin_of(request)}"
        wait = core.guard.wait(guessed, address, now=core.now)
        if wait:
            return self._page(request, alert=too_often(wait, "codes"))
        found = core.store.devices.find(read_user_code(form.get("user_code", "")), now=core.now)
        if found is None:
            return self._page(request, alert=UNKNOWN)
        core.guard.succeeded(guessed, address)
        return self._decide(request, user, found, form.get("decision"))

    def _decide(self, request: web.Request, user: WebUser, found: DeviceRequest, decision: str | None) -> web.Response:
        """Ask before anything is given away: a code may have come by mail from somebody else (RFC 8628 §5.4)."""
        core = self._core
        if decision not in ("approve", "deny"):
            client = core.store.clients.find(found.client)
            return form_page(
                core,
                request,
                "device_consent.html",
                title="Allow access?",
                code=show_user_code(found.user_code),
                client=found.client if client is None else client.title,
                name=user.name,
                impu=user.impus[0],
            )
        state = DeviceState.APPROVED if decision == "approve" else DeviceState.DENIED
        core.store.devices.decide(found.user_code, user.name, state, now=core.now)
        text = "The device is connected." if decision == "approve" else "The device was refused."
        return core.pages.page("done.html", title="Done", text=f"{text} You can close this page.")
