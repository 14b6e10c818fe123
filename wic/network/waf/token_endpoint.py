"""POST /token: codes, refresh tokens, device codes and client credentials become access tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from wic.network.waf.client_auth import authenticate_client
from wic.network.waf.clients import CLIENT, CODE, DEVICE, REFRESH
from wic.network.waf.codes import Redemption
from wic.network.waf.core import read_scope
from wic.network.waf.errors import (
    invalid_request,
    invalid_scope,
    unauthorized_client,
    unsupported_grant_type,
)
from wic.network.waf.minting import mint, open_consent
from wic.network.web.forms import read_form

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.network.waf.clients import OAuthClient
    from wic.network.waf.core import WafCore

    Form = dict[str, str]
    Grant = Callable[[OAuthClient, Form], dict[str, object]]


class TokenEndpoint:
    """The token endpoint (RFC 6749 §3.2). There is no password grant (RFC 9700 §2.4).

    Args:
        core: the WAF.
    """

    def __init__(self, core: WafCore) -> None:
        self._core = core
        self._grants: dict[str, Grant] = {
            CODE: self._code,
            REFRESH: self._refresh,
            DEVICE: self._device,
            CLIENT: self._client,
        }

    def routes(self) -> list[web.RouteDef]:
        """Return what it answers."""
        return [web.post("/token", self._token)]

    async def _token(self, request: web.Request) -> web.Response:
        form = await read_form(request, invalid_request)
        client = authenticate_client(self._core, request, form)
        name = required(form, "grant_type")
        grant = self._grants.get(name)
        if grant is None:
            raise unsupported_grant_type(f"choose among {', '.join(self._grants)}")
        if name not in client.grants:
            raise unauthorized_client(f"the client may not use {name}")
        return web.json_response(grant(client, form), headers={"Pragma": "no-cache"})

    def _code(self, client: OAuthClient, form: Form) -> dict[str, object]:
        store = self._core.store
        shown = Redemption(
            code=required(form, "code"),
            client=client.id,
            redirect_uri=form.get("redirect_uri", ""),
            verifier=form.get("code_verifier", ""),
        )
        consent = store.codes.check(shown, now=self._core.now)
        with store.database.transaction():
            store.codes.use(shown.code)
            return mint(self._core, client, consent)

    def _refresh(self, client: OAuthClient, form: Form) -> dict[str, object]:
        store, token = self._core.store, required(form, "refresh_token")
        if form.get("scope", read_scope(None)) != read_scope(None):
            raise invalid_scope("the scope is more than was allowed (RFC 6749 §6)")
        consent = store.refresh_tokens.check(token, client.id, now=self._core.now)
        with store.database.transaction():
            store.refresh_tokens.use(token)
            return mint(self._core, client, consent)

    def _device(self, client: OAuthClient, form: Form) -> dict[str, object]:
        store, code = self._core.store, required(form, "device_code")
        name, scope = store.devices.poll(code, client.id, now=self._core.now)
        user = store.accounts.find(name)
        assert user is not None, "what a user has decided goes with the user"
        with store.database.transaction():
            store.devices.use(code)
            return mint(self._core, client, open_consent(self._core, client, user, scope))

    def _client(self, client: OAuthClient, form: Form) -> dict[str, object]:
        """Give a token to a client for its own subscription, or to a WWSF for a pair of its pool."""
        store, now = self._core.store, self._core.now
        scope, wanted = read_scope(form.get("scope")), form.get("impi", client.impi)
        if wanted is None:
            raise invalid_request("the client has no subscription of its own: impi has to name one of its pool")
        impus = client.impus if wanted == client.impi else self._pool(client, wanted)
        lifetime = self._core.options.lifetimes.access
        with store.database.transaction():
            if wanted != client.impi:
                store.consents.revoke_pair(wanted)  # a pair that is assigned anew has no other holder any more
            consent = store.consents.open(
                client=client.id,
                user=None,
                scope=scope,
                impi=wanted,
                impus=impus,
                wwsf=client.wwsf,
                expires_at=now + lifetime,
            )
            return mint(self._core, client, consent)

    def _pool(self, client: OAuthClient, impi: str) -> tuple[str, ...]:
        """Return the public identity that goes with a pair (TS 33.203 Annex X.4, REQ 3.2: of this WWSF's pool)."""
        impu = None if client.wwsf is None else self._core.store.pool.impu(client.wwsf, impi)
        if impu is None:
            raise unauthorized_client("that impi is neither the client's own nor of its pool")
        return (impu,)


def required(form: Form, name: str) -> str:
    """Return a parameter.

    Raises:
        JsonRefusal: it is missing.
    """
    value = form.get(name)
    if value is None:
        raise invalid_request(f"{name} is missing")
    return value
