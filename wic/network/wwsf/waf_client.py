"""The way from WWSF to WAF (reference point W4): an OAuth 2.0 client with a secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from wic.auth.secret import Secret
from wic.errors import AuthenticationFailed
from wic.network.tokens.errors import WafUnreachable
from wic.network.tokens.https import HttpsJson, basic_auth
from wic.network.tokens.issuer import TrustedIssuer
from wic.network.tokens.metadata import IssuerMetadata
from wic.network.tokens.validator import TokenValidator
from wic.network.web.answers import csp_source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wic.network.tokens.authorization import Authorization
    from wic.network.wwsf.options import WwsfOptions


NO_MORE = "invalid_grant"
"""The error that says that a code or refresh token is good for nothing (RFC 6749 §5.2)."""


class WafRefused(AuthenticationFailed):
    """The WAF gives no token.

    Attributes:
        error: its error code (RFC 6749 §5.2).
    """

    def __init__(self, error: str) -> None:
        super().__init__(f"the WAF gives no token: {error}")
        self.error = error

    @property
    def is_final(self) -> bool:
        """Whether what was shown for the token is good for nothing; else the fault may pass, or is ours."""
        return self.error == NO_MORE


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenToken:
    """A token that the WAF gave, and what it allows.

    Attributes:
        access_token: the token.
        refresh_token: what the next one is got with.
        authorization: what it allows.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    authorization: Authorization


class WafClient:
    """What a WWSF asks its WAF.

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
        trusted = TrustedIssuer(issuer=issuer, audience=f"sip:{options.domain}")
        self._http = HttpsJson(ca=options.ca)
        self._metadata = IssuerMetadata(trusted, self._http)
        self._validator = TokenValidator([trusted], ca=options.ca)
        self._auth = basic_auth(options.client_id, options.client_secret)

    async def sign_in_url(self, *, state: str, challenge: str) -> str:
        """Return where a browser has to go to sign in (RFC 6749 §4.1.1).

        Raises:
            WafUnreachable: the WAF's metadata cannot be had.
        """
        url = await self._metadata.endpoint("authorization_endpoint", now=self._options.clock())
        parameters = {
            "response_type": "code",
            "client_id": self._options.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": "ims",
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"

    async def sign_out_url(self) -> str | None:
        """Return where a browser has to go to sign out of the WAF as well; None if it says no such place of its own."""
        try:
            url = await self._metadata.endpoint("end_session_endpoint", now=self._options.clock())
        except WafUnreachable:
            return None
        if csp_source(url) != csp_source(self.issuer):  # the page's policy lets nobody go anywhere else
            return None
        return f"{url}{'&' if '?' in url else '?'}{urlencode({'client_id': self._options.client_id})}"

    async def redeem(self, code: str, verifier: str) -> GivenToken:
        """Return the token for a code.

        Raises:
            WafRefused: there is none.
            TokenInvalid: the token is not good.
            WafUnreachable: the WAF does not answer.
        """
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        return await self._token({**form, "redirect_uri": self._redirect_uri})

    async def refresh(self, token: str | None) -> GivenToken:
        """Return the next token; errors as above, also where there is nothing to get it with."""
        if token is None:
            raise WafRefused(NO_MORE)
        return await self._token({"grant_type": "refresh_token", "refresh_token": token})

    async def for_pair(self, impi: str) -> GivenToken:
        """Return a token for a pair of the pool: the WAF authenticates only the WWSF (TS 24.371 §6.3.2)."""
        return await self._token({"grant_type": "client_credentials", "scope": "ims", "impi": impi})

    async def revoke(self, token: str) -> None:
        """Take a token back (RFC 7009).

        Raises:
            WafUnreachable: the WAF does not answer.
        """
        url = await self._metadata.endpoint("revocation_endpoint", now=self._options.clock())
        await self._http.send(url, {"token": token}, auth=self._auth)

    async def check(self, token: str) -> Authorization:
        """Return what a token allows that somebody shows.

        Raises:
            TokenInvalid: nothing.
            WafUnreachable: the WAF's keys cannot be had.
        """
        return await self._validator.validate(Secret(token), now=self._options.clock())

    async def _token(self, form: Mapping[str, str]) -> GivenToken:
        url = await self._metadata.endpoint("token_endpoint", now=self._options.clock())
        status, answer = await self._http.post(url, form, auth=self._auth)
        if status == 429 or status >= 500:
            raise WafUnreachable(f"{url} answers {status}")
        if status != 200:
            raise WafRefused(str(answer.get("error", status)))
        access_token, refresh_token = answer.get("access_token"), answer.get("refresh_token")
        if not isinstance(access_token, str) or not (refresh_token is None or isinstance(refresh_token, str)):
            raise WafUnreachable(f"{url} answers without a token")
        authorization = await self.check(access_token)
        return GivenToken(access_token=access_token, refresh_token=refresh_token, authorization=authorization)

    async def close(self) -> None:
        """End the connections."""
        await self._http.close()
        await self._validator.close()
