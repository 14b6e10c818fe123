"""Token endpoint: codes, refresh tokens, device codes and client credentials are exchanged for access tokens.

What is used up and what is issued for it are one transaction: after a crash either both have happened or neither.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import web

from wic.network.waf.codes import CodeRedemption
from wic.network.waf.context import invalid_request, read_scope, required
from wic.network.waf.tokens import Consent, GrantError
from wic.network.web.forms import read_form
from wic.network.web.responses import JsonError
from wic.oauth.errors import ErrorCode
from wic.oauth.requests import SCOPE, GrantType

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.network.waf.clients import OAuthClient
    from wic.network.waf.context import WafContext

    Form: TypeAlias = dict[str, str]
    Grant: TypeAlias = Callable[[OAuthClient, Form], dict[str, object]]


class TokenEndpoint:
    """POST /token (RFC 6749 §3.2). There is no password grant (RFC 9700 §2.4)."""

    def __init__(self, context: WafContext) -> None:
        self._context = context
        self._grants: dict[str, Grant] = {
            GrantType.AUTHORIZATION_CODE: self._redeem_code,
            GrantType.REFRESH_TOKEN: self._refresh,
            GrantType.DEVICE_CODE: self._redeem_device_code,
            GrantType.CLIENT_CREDENTIALS: self._issue_to_client,
        }

    def routes(self) -> list[web.RouteDef]:
        """Return its paths and handlers."""
        return [web.post("/token", self._post)]

    async def _post(self, request: web.Request) -> web.Response:
        form = await read_form(request, invalid_request)
        client = self._context.authenticate_client(request, form)
        grant_type = required(form, "grant_type")
        grant = self._grants.get(grant_type)
        if grant is None:
            raise JsonError(ErrorCode.UNSUPPORTED_GRANT_TYPE, f"choose among {', '.join(GrantType)}")
        # RFC 6749 §5.2: `unauthorized_client` for a grant that exists, but not for this client.
        if grant_type not in client.grants:
            raise JsonError(ErrorCode.UNAUTHORIZED_CLIENT, f"the client may not use {grant_type}")
        try:
            answer = grant(client, form)
        except GrantError as error:
            raise JsonError(error.error, error.description) from None
        return web.json_response(answer, headers={"Pragma": "no-cache"})  # RFC 6749 §5.1

    def _redeem_code(self, client: OAuthClient, form: Form) -> dict[str, object]:
        """Exchange an authorization code (RFC 6749 §4.1.3)."""
        store = self._context.store
        redemption = CodeRedemption(
            code=required(form, "code"),
            client=client.id,
            redirect_uri=form.get("redirect_uri", ""),
            verifier=form.get("code_verifier", ""),  # RFC 7636 §4.5
        )
        consent = store.codes.check(redemption, now=self._context.now)
        with store.database.transaction():
            store.codes.use(redemption.code)  # RFC 6749 §4.1.2: for one use
            return issue_tokens(self._context, client, consent)

    def _refresh(self, client: OAuthClient, form: Form) -> dict[str, object]:
        """Exchange a refresh token (RFC 6749 §6)."""
        store, token = self._context.store, required(form, "refresh_token")
        if form.get("scope", SCOPE) != SCOPE:
            raise JsonError(ErrorCode.INVALID_SCOPE, "the scope is more than was granted (RFC 6749 §6)")
        consent = store.refresh_tokens.check(token, client.id, now=self._context.now)
        with store.database.transaction():
            store.refresh_tokens.use(token)  # RFC 9700 §4.14.2: rotated with each use
            return issue_tokens(self._context, client, consent)

    def _redeem_device_code(self, client: OAuthClient, form: Form) -> dict[str, object]:
        """Exchange a device code (RFC 8628 §3.4)."""
        store, code = self._context.store, required(form, "device_code")
        name, scope = store.device_codes.check(code, client.id, now=self._context.now)
        user = store.users.find(name)
        assert user is not None, "the code is removed with its user"
        with store.database.transaction():
            store.device_codes.use(code)
            return issue_tokens(self._context, client, self._context.open_consent(client, user, scope))

    def _issue_to_client(self, client: OAuthClient, form: Form) -> dict[str, object]:
        """Issue a token to a client in its own name (RFC 6749 §4.4), or to a WWSF for a pair of its pool."""
        store, now = self._context.store, self._context.now
        scope, impi = read_scope(form.get("scope")), form.get("impi", client.impi)
        if impi is None:
            raise invalid_request("the client has no subscription of its own: impi has to name one of its pool")
        if impi == client.impi:
            impus = client.impus
        else:
            # TS 33.203 Annex X.4, REQ 3.2: the identities have to be of the pool of this WWSF.
            impu = None if client.wwsf is None else store.pool.impu(client.wwsf, impi)
            if impu is None:
                raise JsonError(ErrorCode.UNAUTHORIZED_CLIENT, "that impi is neither the client's own nor of its pool")
            impus = (impu,)
        with store.database.transaction():
            if impi != client.impi:
                store.consents.revoke_pair(impi)  # a pair that is lent anew has no other holder any more
            expires_at = now + self._context.options.lifetimes.access
            consent = Consent(
                client=client.id,
                user=None,
                scope=scope,
                impi=impi,
                impus=impus,
                wwsf=client.wwsf,
                expires_at=expires_at,
            )
            return issue_tokens(self._context, client, store.consents.add(consent))


def issue_tokens(context: WafContext, client: OAuthClient, consent: Consent) -> dict[str, object]:
    """Return the token response for a consent (RFC 6749 §5.1); within a transaction with what is used up for it.

    The members `impi` and `impu` tell the client its identities: the token is not meant to be read by it.
    """
    lifetimes, now = context.options.lifetimes, context.now
    # The user may have got other identities since the consent.
    user = None if consent.user is None else context.store.users.find(consent.user)
    current = consent if user is None else replace(consent, impi=user.impi, impus=user.impus)
    # No token outlives its consent.
    lifetime = min(lifetimes.access, consent.expires_at - now)
    access_token = context.store.access_tokens.issue(
        current,
        issuer=context.issuer,
        audience=context.options.audience,
        scope=consent.scope,
        now=now,
        lifetime=lifetime,
    )
    answer: dict[str, object] = {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": int(lifetime),
        "scope": consent.scope,
        "impi": current.impi,  # TS 24.371 §A.3.2, step 1: the IMS identity comes with the token
        "impu": list(current.impus),
    }
    # RFC 6749 §4.4.3: none for client credentials, which are good for the next token themselves.
    if consent.user is not None and GrantType.REFRESH_TOKEN in client.grants:
        answer["refresh_token"] = context.store.refresh_tokens.issue(consent, expires_at=now + lifetimes.refresh)
    return answer
