"""Validator of access tokens: signature, issuer, audience, time, scope, and introspection at the WAF."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joserfc import jws
from joserfc.errors import JoseError

from wic.errors import ConfigurationError
from wic.network.tokens.authorization_server import TIMEOUT, AuthorizationServerClient
from wic.network.tokens.claims import Authorization, is_opaque, read_claims, read_unverified
from wic.network.tokens.errors import TokenFault, TokenInvalid, WafUnreachable
from wic.network.tokens.keys import IssuerKeys, quiet
from wic.oauth.http import JsonClient
from wic.oauth.metadata import OAuthEndpoint
from wic.oauth.requests import write_basic_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from wic.auth.secret import Secret
    from wic.network.tokens.issuer import Introspection, TrustedIssuer
    from wic.network.tokens.keys import PublicKey


@dataclass(frozen=True, slots=True)
class _Issuer:
    """A trusted issuer, the way to it, and its keys."""

    options: TrustedIssuer
    server: AuthorizationServerClient
    keys: IssuerKeys


class TokenValidator:
    """Validator of the access tokens of trusted issuers.

    Args:
        issuers: the WAFs whose tokens are accepted.
        ca: a PEM file of further trust anchors for requests to them.

    Raises:
        ConfigurationError: the file of trust anchors cannot be read, or more than one WAF issues opaque tokens.
    """

    def __init__(self, issuers: Iterable[TrustedIssuer], *, ca: Path | None = None) -> None:
        self._http = JsonClient(ca=ca, timeout=TIMEOUT)
        self._issuers: dict[str, _Issuer] = {}
        for options in issuers:
            server = AuthorizationServerClient(options.issuer, self._http)
            self._issuers[options.issuer] = _Issuer(options, server, IssuerKeys(server, jwks_uri=options.jwks_uri))
        opaque = [
            each
            for each in self._issuers.values()
            if each.options.introspection is not None and each.options.introspection.references
        ]
        if len(opaque) > 1:  # an opaque token names no issuer, and no WAF may be shown the tokens of another
            first, second = (each.options.issuer for each in opaque[:2])
            raise ConfigurationError(f"{first} and {second} cannot both issue opaque tokens")
        self._opaque_issuer = opaque[0] if opaque else None

    async def validate(self, token: Secret, *, now: float) -> Authorization:
        """Return what a token allows.

        Args:
            token: the token as it came.
            now: seconds of Unix time.

        Raises:
            TokenInvalid: it allows nothing.
            WafUnreachable: the keys of its issuer, or the answer to an introspection, cannot be had.
        """
        text = token.reveal()
        if self._opaque_issuer is not None and is_opaque(text):
            return await self._validate_opaque(text, self._opaque_issuer, now)
        unverified = read_unverified(text)
        # Only a configured issuer is contacted: the URL in a token is its author's choice.
        issuer = self._issuers.get(unverified.issuer)  # RFC 9068 §4: exact match
        if issuer is None:
            raise TokenInvalid(TokenFault.ISSUER)
        keys = await issuer.keys.find(unverified, now=now)
        claims = _verify(text, keys, unverified.algorithm)
        if claims is None:  # the issuer may have replaced its keys
            others = await issuer.keys.find_others(unverified, keys, now=now)
            claims = _verify(text, others, unverified.algorithm)
        if claims is None:
            raise TokenInvalid(TokenFault.SIGNATURE)
        authorization = read_claims(claims, issuer.options, now=now)
        # After the signature, so that invented tokens do not become requests to the WAF.
        if issuer.options.introspection is not None:
            await _introspect(text, issuer.server, issuer.options.introspection, now)
        return authorization

    async def _validate_opaque(self, token: str, issuer: _Issuer, now: float) -> Authorization:
        introspection = issuer.options.introspection
        assert introspection is not None, "only such an issuer has opaque tokens"
        answer = await _introspect(token, issuer.server, introspection, now)
        if answer.get("iss", issuer.options.issuer) != issuer.options.issuer:
            raise TokenInvalid(TokenFault.ISSUER)
        # RFC 7662 §2.2: all members but `active` are optional; these two the WAF has no need of.
        defaults = {"iat": 0, "jti": hashlib.sha256(token.encode()).hexdigest()}
        return read_claims({**defaults, **answer}, issuer.options, now=now)

    async def close(self) -> None:
        """End the connections to the issuers."""
        await self._http.close()


async def _introspect(
    token: str, server: AuthorizationServerClient, introspection: Introspection, now: float
) -> Mapping[str, object]:
    """Return what the issuer of a token says of it (RFC 7662 §2).

    Raises:
        TokenInvalid: it is not active.
        WafUnreachable: there is no answer.
    """
    url = introspection.url or await server.url_of(OAuthEndpoint.INTROSPECTION, now=now)
    credentials = write_basic_credentials(introspection.client_id, introspection.client_secret)
    form = {"token": token, "token_type_hint": "access_token"}
    reply = await server.post(url, form, authorization=credentials)
    if reply.status != 200:  # RFC 7662 §2.3
        raise WafUnreachable(f"{url} answers {reply.status} to an introspection")
    if reply.document.get("active") is not True:  # RFC 7662 §2.2
        raise TokenInvalid(TokenFault.REVOKED)
    return reply.document


def _verify(token: str, keys: Iterable[PublicKey], algorithm: str) -> dict[str, object] | None:
    """Return the claims of a token that one of these keys has signed; None if none has."""
    for key in keys:
        try:
            with quiet():
                claims = json.loads(jws.deserialize_compact(token, key, algorithms=[algorithm]).payload)
        except (JoseError, ValueError):
            continue
        assert isinstance(claims, dict), "read_unverified has seen to it"
        return claims
    return None
