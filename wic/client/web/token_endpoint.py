"""The token endpoint of an authorization server: one method for each grant (RFC 6749, RFC 7636, RFC 8628, RFC 7009)."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wic.client.web.discovery import discover
from wic.client.web.http import ClientPassword
from wic.client.web.token import AccessToken, read_token
from wic.errors import RemoteProtocolError, SignInFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wic.accounts import WebAuthorization
    from wic.auth.secret import Secret
    from wic.client.web.discovery import Place, Waf
    from wic.client.web.http import Reply, WebClient

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

_TEMPORARY = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
_MAX_WORDS = 200
_HINTS = {
    "invalid_client": "; check client_id and client_secret",
    "unauthorized_client": "; this client_id may not get tokens in this way",
    "invalid_scope": "; this client_id may not have this scope",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEndpoint:
    """Asks for tokens in the name of one client.

    Every method raises:
        ConnectFailed: the server cannot be reached.
        RemoteProtocolError: its answer is none that OAuth knows.
        SignInFailed: it says no.
    """

    web: WebClient
    waf: Waf
    client_id: str
    secret: Secret | None = None
    """The client's password, if it has one."""
    scope: str = "ims"

    async def with_code(self, code: Secret, *, verifier: Secret, redirect_uri: str) -> AccessToken:
        """Exchange an authorization code for a token (RFC 6749 §4.1.3, RFC 7636 §4.5)."""
        form = {"code": code.reveal(), "redirect_uri": redirect_uri, "code_verifier": verifier.reveal()}
        return await self._ask("authorization_code", form)

    async def begin_device(self) -> Reply:
        """Ask for a device code and a user code (RFC 8628 §3.1)."""
        return await self._post(self.waf.device_authorization, {"scope": self.scope})

    async def with_device_code(self, device_code: Secret) -> AccessToken:
        """Ask whether the user has agreed on another device (RFC 8628 §3.4)."""
        return await self._ask(DEVICE_GRANT, {"device_code": device_code.reveal()})

    async def with_client_credentials(self) -> AccessToken:
        """Get a token in the client's own name (RFC 6749 §4.4)."""
        return await self._ask("client_credentials", {"scope": self.scope})

    async def refreshed(self, token: AccessToken) -> AccessToken:
        """Get the next token (RFC 6749 §6); what the server does not say anew stays."""
        assert token.refresh is not None  # only such tokens can be refreshed
        fresh = await self._ask("refresh_token", {"refresh_token": token.refresh.reveal()})
        return replace(
            fresh,
            refresh=fresh.refresh or token.refresh,
            impi=fresh.impi or token.impi,
            impus=fresh.impus or token.impus,
            server=token.server,
        )

    async def revoke(self, token: Secret) -> None:
        """Make a refresh or access token worthless (RFC 7009 §2)."""
        if not self.waf.revocation:
            return
        reply = await self._post(self.waf.revocation, {"token": token.reveal()})
        if not reply.ok:
            raise refusal(reply, f"{self.waf.issuer} did not revoke the token")

    async def _ask(self, grant: str, form: Mapping[str, str]) -> AccessToken:
        reply = await self._post(self.waf.token, {"grant_type": grant, **form})
        if not reply.ok:
            raise refusal(reply, f"{self.waf.issuer} gave no access token")
        return read_token(reply.document, issuer=self.waf.issuer, scope=self.scope, now=time.time())

    async def _post(self, url: str, form: Mapping[str, str]) -> Reply:
        if self.secret is None:
            return await self.web.post(url, {**form, "client_id": self.client_id})
        return await self.web.post(url, form, password=ClientPassword(self.client_id, self.secret))


async def open_endpoint(web: WebClient, place: Place, settings: WebAuthorization) -> TokenEndpoint:
    """Find the token endpoint of an account's authorization server.

    Raises:
        ConnectFailed: the server cannot be reached.
        RemoteProtocolError: its metadata make no sense.
    """
    return TokenEndpoint(
        web=web,
        waf=await discover(web, place.issuer, insecure=settings.insecure),
        client_id=place.client_id,
        secret=settings.client_secret,
        scope=settings.scope,
    )


def refusal(reply: Reply, sentence: str) -> SignInFailed | RemoteProtocolError:
    """Make an error of an unsuccessful answer (RFC 6749 §5.2).

    Args:
        reply: the answer.
        sentence: what failed.
    """
    code = reply.text("error")[:_MAX_WORDS]
    temporary = code in _TEMPORARY or reply.status in (429, 502, 503, 504)
    if not code and not temporary and reply.status < 500:
        return RemoteProtocolError(f"{sentence}: status {reply.status} without a reason", status_hint=None)
    words = reply.text("error_description")[:_MAX_WORDS].rstrip(".")
    why = ": ".join(each for each in (code or f"status {reply.status}", words) if each)
    return SignInFailed(
        f"{sentence}: {why}{_HINTS.get(code, '')}",
        error=code or None,
        temporary=temporary or reply.status >= 500,
        retry_after=reply.retry_after,
    )
