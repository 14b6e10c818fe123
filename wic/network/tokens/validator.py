"""Is this token good, and for whom? Signature, issuer, audience, time, scope, and the WAF's own word."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from joserfc import jws
from joserfc.errors import JoseError

from wic.errors import ConfigurationError
from wic.network.tokens.authorization import Authorization, read_claims
from wic.network.tokens.errors import TokenFault, TokenInvalid, WafUnreachable
from wic.network.tokens.https import HttpsJson, basic_auth
from wic.network.tokens.jws import is_reference, read_token
from wic.network.tokens.keys import IssuerKeys, quiet
from wic.network.tokens.metadata import IssuerMetadata

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from wic.auth.secret import Secret
    from wic.network.tokens.issuer import Introspection, TrustedIssuer
    from wic.network.tokens.keys import PublicKey


class TokenValidator:
    """Checks the access tokens of the issuers that are trusted.

    Args:
        issuers: the WAFs whose tokens are believed.
        ca: a PEM file of further trust anchors for the way to them.

    Raises:
        ConfigurationError: the file of trust anchors cannot be read, or there is more than one WAF to ask about
            tokens that cannot be read.
    """

    def __init__(self, issuers: Iterable[TrustedIssuer], *, ca: Path | None = None) -> None:
        self._http = HttpsJson(ca=ca)
        self._issuers = {each.issuer: each for each in issuers}
        self._metadata = {name: IssuerMetadata(each, self._http) for name, each in self._issuers.items()}
        self._keys = {name: IssuerKeys(each, self._http, self._metadata[name]) for name, each in self._issuers.items()}
        readers = [each for each in self._issuers.values() if each.introspection and each.introspection.references]
        if len(readers) > 1:  # none of them may be shown the tokens of the others
            raise ConfigurationError(f"{readers[0].issuer} and {readers[1].issuer} cannot both give out references")
        self._reader = readers[0] if readers else None

    async def validate(self, token: Secret, *, now: float) -> Authorization:
        """Return what a token allows.

        Args:
            token: the token as it came.
            now: seconds of the epoch.

        Raises:
            TokenInvalid: it allows nothing.
            WafUnreachable: its issuer's keys or word cannot be had.
        """
        text = token.reveal()
        if self._reader is not None and is_reference(text):
            return await self._read_reference(text, self._reader, now)
        unverified = read_token(text)
        issuer = self._issuers.get(unverified.issuer)
        if issuer is None:
            raise TokenInvalid(TokenFault.ISSUER)
        key = await self._keys[issuer.issuer].find(unverified, now=now)
        authorization = read_claims(_verify(text, key, unverified.algorithm), issuer, now=now)
        if issuer.introspection is not None:
            await self._ask(text, issuer, issuer.introspection, now)
        return authorization

    async def _read_reference(self, token: str, issuer: TrustedIssuer, now: float) -> Authorization:
        """Have the WAF say what a token of its own allows."""
        assert issuer.introspection is not None, "it has been chosen for it"
        said = await self._ask(token, issuer, issuer.introspection, now)
        if said.get("iss", issuer.issuer) != issuer.issuer:
            raise TokenInvalid(TokenFault.ISSUER)
        # RFC 7662 §2.2 leaves these out where there is nothing to say: it is the WAF that looks at the time.
        defaults = {"iat": 0, "jti": hashlib.sha256(token.encode()).hexdigest()}
        return read_claims({**defaults, **said}, issuer, now=now)

    async def _ask(
        self, token: str, issuer: TrustedIssuer, introspection: Introspection, now: float
    ) -> dict[str, object]:
        """Ask the WAF whether it still stands by a token (RFC 7662 §2); return what it says."""
        metadata = self._metadata[issuer.issuer]
        url = introspection.url or await metadata.endpoint("introspection_endpoint", now=now)
        auth = basic_auth(introspection.client_id, introspection.client_secret)
        status, answer = await self._http.post(url, {"token": token, "token_type_hint": "access_token"}, auth=auth)
        if status != 200:
            raise WafUnreachable(f"{url} answers {status} to the question about a token")
        if answer.get("active") is not True:
            raise TokenInvalid(TokenFault.REVOKED)
        return answer

    async def close(self) -> None:
        """End the connections to the issuers."""
        await self._http.close()


def _verify(token: str, key: PublicKey, algorithm: str) -> dict[str, object]:
    """Return the claims of a token that this key has signed."""
    try:
        with quiet():
            claims = json.loads(jws.deserialize_compact(token, key, algorithms=[algorithm]).payload)
    except (JoseError, ValueError):
        raise TokenInvalid(TokenFault.SIGNATURE) from None
    assert isinstance(claims, dict), "read_token has seen to it"
    return claims
