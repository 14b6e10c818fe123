"""Client of an authorization server's token endpoint, one method for each grant (RFC 6749, 7636, 8628, 7009)."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wic.client.web.discovery import discover_authorization_server
from wic.errors import RemoteProtocolError, SignInFailed
from wic.oauth.errors import TEMPORARY, ErrorCode
from wic.oauth.metadata import OAuthEndpoint
from wic.oauth.requests import SCOPE, GrantType, write_basic_credentials
from wic.oauth.tokens import read_token_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wic.accounts import WebAuthorization
    from wic.auth.secret import Secret
    from wic.client.web.discovery import DiscoveredServices
    from wic.oauth.http import JsonClient, JsonReply
    from wic.oauth.metadata import AuthorizationServer
    from wic.oauth.tokens import AccessToken

_MAX_WORDS = 200
"""Characters of an error of the server that a message quotes."""
_HINTS: Mapping[str, str] = {
    ErrorCode.INVALID_CLIENT: "; check client_id and client_secret",
    ErrorCode.UNAUTHORIZED_CLIENT: "; this client_id may not get tokens in this way",
    ErrorCode.INVALID_SCOPE: "; this client_id may not have this scope",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClient:
    """Requests to one authorization server in the name of one OAuth client.

    Every method raises:
        ConnectFailed: the server cannot be reached.
        RemoteProtocolError: its answer is not one of OAuth.
        SignInFailed: it refuses.
    """

    http: JsonClient
    server: AuthorizationServer
    client_id: str
    secret: Secret | None = None
    """The client's secret, if it is a confidential client."""
    scope: str = SCOPE

    @classmethod
    async def open(cls, http: JsonClient, services: DiscoveredServices, settings: WebAuthorization) -> TokenClient:
        """Fetch the metadata of the authorization server of an account.

        Raises:
            ConnectFailed: the server cannot be reached.
            RemoteProtocolError: its metadata cannot be used.
        """
        return cls(
            http=http,
            server=await discover_authorization_server(http, services.issuer, insecure=settings.insecure),
            client_id=services.client_id,
            secret=settings.client_secret,
            scope=settings.scope,
        )

    async def redeem_code(self, code: Secret, *, verifier: str, redirect_uri: str) -> AccessToken:
        """Exchange an authorization code for a token (RFC 6749 §4.1.3, RFC 7636 §4.5)."""
        form = {"code": code.reveal(), "redirect_uri": redirect_uri, "code_verifier": verifier}
        return await self._request_token(GrantType.AUTHORIZATION_CODE, form)

    async def request_device_code(self) -> JsonReply:
        """Request a device code and a user code (RFC 8628 §3.1)."""
        reply = await self._post(self.server.url_of(OAuthEndpoint.DEVICE_AUTHORIZATION), {"scope": self.scope})
        if not reply.ok:
            raise refusal(reply, f"{self.server.issuer} gave no code")
        return reply

    async def poll_device_code(self, device_code: Secret) -> AccessToken:
        """Request the token for a device code, which the user may not have approved yet (RFC 8628 §3.4)."""
        return await self._request_token(GrantType.DEVICE_CODE, {"device_code": device_code.reveal()})

    async def request_own_token(self) -> AccessToken:
        """Request a token in the client's own name (RFC 6749 §4.4)."""
        return await self._request_token(GrantType.CLIENT_CREDENTIALS, {"scope": self.scope})

    async def refresh(self, token: AccessToken, refresh_token: Secret) -> AccessToken:
        """Exchange a refresh token for the next access token (RFC 6749 §6); what the response omits stays."""
        fresh = await self._request_token(GrantType.REFRESH_TOKEN, {"refresh_token": refresh_token.reveal()})
        return replace(
            fresh,
            refresh=fresh.refresh or refresh_token,  # RFC 6749 §6: a new one replaces the old
            impi=fresh.impi or token.impi,
            impus=fresh.impus or token.impus,
            server=token.server,
        )

    async def revoke(self, token: Secret) -> None:
        """Revoke a refresh or access token (RFC 7009 §2); a server that cannot do that is left alone."""
        if not self.server.has(OAuthEndpoint.REVOCATION):
            return
        url = self.server.url_of(OAuthEndpoint.REVOCATION)
        form, authorization = self._authenticated({"token": token.reveal()})
        reply = await self.http.post(url, form, authorization=authorization, ignore_content=True)
        if not reply.ok:
            raise refusal(reply, f"{self.server.issuer} did not revoke the token")

    async def _request_token(self, grant: GrantType, form: Mapping[str, str]) -> AccessToken:
        reply = await self._post(self.server.url_of(OAuthEndpoint.TOKEN), {"grant_type": grant.value, **form})
        if not reply.ok:
            raise refusal(reply, f"{self.server.issuer} gave no access token")
        return read_token_response(reply.document, issuer=self.server.issuer, scope=self.scope, now=time.time())

    async def _post(self, url: str, form: Mapping[str, str]) -> JsonReply:
        fields, authorization = self._authenticated(form)
        return await self.http.post(url, fields, authorization=authorization)

    def _authenticated(self, form: Mapping[str, str]) -> tuple[Mapping[str, str], str | None]:
        """Return form and Authorization value that say which client asks (RFC 6749 §2.3.1, §3.2.1)."""
        # RFC 6749 §3.2.1: a public client names itself in the form.
        if self.secret is None:
            return {**form, "client_id": self.client_id}, None
        # RFC 6749 §2.3.1: a confidential client by HTTP Basic, which every server takes.
        return form, write_basic_credentials(self.client_id, self.secret)


def refusal(reply: JsonReply, sentence: str) -> SignInFailed | RemoteProtocolError:
    """Return the error that an unsuccessful answer stands for (RFC 6749 §5.2).

    Args:
        reply: the answer.
        sentence: what failed.
    """
    code = reply.text("error")[:_MAX_WORDS]
    # RFC 6585 §4: 429; 5xx tells of the server, not of the request.
    temporary = code in TEMPORARY or reply.status == 429 or reply.status >= 500
    # RFC 6749 §5.2 demands `error`: an answer without it is not of a token endpoint.
    if not code and not temporary:
        return RemoteProtocolError(f"{sentence}: status {reply.status} without a reason", status_hint=None)
    words = reply.text("error_description")[:_MAX_WORDS].rstrip(".")
    why = ": ".join(each for each in (code or f"status {reply.status}", words) if each)
    return SignInFailed(
        f"{sentence}: {why}{_HINTS.get(code, '')}",
        error=code or None,
        temporary=temporary,
        retry_after=reply.retry_after,
    )
