"""Client of the WAF at reference point W4: the WWSF as a confidential OAuth 2.0 client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.errors import AuthenticationFailed, RemoteProtocolError
from wic.network.tokens.authorization_server import TIMEOUT, AuthorizationServerClient
from wic.network.tokens.errors import WafUnreachable
from wic.network.tokens.issuer import TrustedIssuer
from wic.network.tokens.validator import TokenValidator
from wic.network.web.responses import csp_source
from wic.oauth.errors import ErrorCode
from wic.oauth.http import JsonClient
from wic.oauth.metadata import OAuthEndpoint
from wic.oauth.requests import SCOPE, GrantType, authorization_url, write_basic_credentials
from wic.oauth.tokens import read_token_response
from wic.oauth.urls import add_query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wic.auth.secret import Secret
    from wic.network.tokens.claims import Authorization
    from wic.network.wwsf.options import WwsfOptions
    from wic.oauth.tokens import AccessToken


class WafRefused(AuthenticationFailed):
    """The WAF issues no token.

    Attributes:
        error: its error code (RFC 6749 §5.2).
    """

    def __init__(self, error: str) -> None:
        super().__init__(f"the WAF gives no token: {error}")
        self.error = error

    @property
    def is_final(self) -> bool:
        """Whether the code or refresh token is worthless; else the fault may pass, or lies with the WWSF."""
        return self.error == ErrorCode.INVALID_GRANT


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token that the WAF issued, and what it allows."""

    token: AccessToken
    authorization: Authorization


class WafClient:
    """Requests of a WWSF to its WAF.

    Args:
        options: the WWSF's.
        issuer: the WAF's issuer URL.
        redirect_uri: where browsers come back to.

    Raises:
        ConfigurationError: the issuer is no https URL, or the trust anchors cannot be read.
    """

    def __init__(self, options: WwsfOptions, *, issuer: str, redirect_uri: str) -> None:
        self._options = options
        self._redirect_uri = redirect_uri
        self.issuer = issuer
        self._http = JsonClient(ca=options.ca, timeout=TIMEOUT)
        self._server = AuthorizationServerClient(issuer, self._http)
        self._validator = TokenValidator(
            [TrustedIssuer(issuer=issuer, audience=f"sip:{options.domain}")], ca=options.ca
        )
        self._credentials = write_basic_credentials(options.client_id, options.client_secret)

    async def sign_in_url(self, *, state: str, challenge: str) -> str:
        """Return the URL at which a browser signs in (RFC 6749 §4.1.1).

        Raises:
            WafUnreachable: the WAF's metadata cannot be had.
        """
        return authorization_url(
            await self._server.url_of(OAuthEndpoint.AUTHORIZATION, now=self._options.clock()),
            client_id=self._options.client_id,
            redirect_uri=self._redirect_uri,
            state=state,
            challenge=challenge,
        )

    async def sign_out_url(self) -> str | None:
        """Return the URL at which a browser signs out of the WAF as well; None if the WAF has none at its own origin."""
        try:
            url = await self._server.url_of(OAuthEndpoint.END_SESSION, now=self._options.clock())
        except WafUnreachable:
            return None
        if csp_source(url) != csp_source(self.issuer):  # the policy of the page does not let a form lead elsewhere
            return None
        return add_query(url, {"client_id": self._options.client_id})

    async def redeem(self, code: str, verifier: str) -> IssuedToken:
        """Exchange an authorization code for a token (RFC 6749 §4.1.3).

        Raises:
            WafRefused: the WAF issues none.
            TokenInvalid: the token allows nothing.
            WafUnreachable: the WAF gave no usable answer.
        """
        form = {"code": code, "code_verifier": verifier, "redirect_uri": self._redirect_uri}  # RFC 7636 §4.5
        return await self._request_token(GrantType.AUTHORIZATION_CODE, form)

    async def refresh(self, refresh_token: Secret | None) -> IssuedToken:
        """Exchange a refresh token for the next token; without one it is as if the WAF refused.

        Raises:
            WicError: as for `redeem`.
        """
        if refresh_token is None:
            raise WafRefused(ErrorCode.INVALID_GRANT)
        return await self._request_token(GrantType.REFRESH_TOKEN, {"refresh_token": refresh_token.reveal()})

    async def request_pool_token(self, impi: str) -> IssuedToken:
        """Request a token for a pair of the pool: the WAF authenticates only the WWSF (TS 24.371 §6.3.2).

        Raises:
            WicError: as for `redeem`.
        """
        return await self._request_token(GrantType.CLIENT_CREDENTIALS, {"scope": SCOPE, "impi": impi})

    async def revoke(self, token: Secret) -> None:
        """Revoke a token (RFC 7009).

        Raises:
            WafUnreachable: the WAF gave no usable answer.
        """
        url = await self._server.url_of(OAuthEndpoint.REVOCATION, now=self._options.clock())
        # RFC 7009 §2.2: the status tells all; an error changes nothing, for the tokens expire by themselves.
        await self._server.post(url, {"token": token.reveal()}, authorization=self._credentials, ignore_content=True)

    async def validate(self, token: Secret) -> Authorization:
        """Return what a token of a user allows.

        Raises:
            TokenInvalid: nothing.
            WafUnreachable: the WAF's keys cannot be had.
        """
        return await self._validator.validate(token, now=self._options.clock())

    async def _request_token(self, grant: GrantType, form: Mapping[str, str]) -> IssuedToken:
        now = self._options.clock()
        url = await self._server.url_of(OAuthEndpoint.TOKEN, now=now)
        reply = await self._server.post(url, {"grant_type": grant.value, **form}, authorization=self._credentials)
        # No answer of OAuth, or one that asks to come back: nothing is decided about the grant.
        if reply.status == 429 or reply.status >= 500 or not reply.document:
            raise WafUnreachable(f"{url} answers {reply.status}")
        if reply.status != 200:  # RFC 6749 §5.2
            raise WafRefused(reply.text("error") or str(reply.status))
        try:
            token = read_token_response(reply.document, issuer=self.issuer, scope=SCOPE, now=now)
        # A malformed success is the WAF's fault, and may pass like an outage.
        except RemoteProtocolError as error:
            raise WafUnreachable(str(error)) from error
        return IssuedToken(token, await self.validate(token.value))  # for its identities, and against a wrong WAF

    async def close(self) -> None:
        """End the connections."""
        await self._http.close()
        await self._validator.close()
