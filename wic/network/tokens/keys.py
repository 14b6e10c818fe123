"""Public keys of an issuer: fetched when a token needs them, kept, and fetched again when the issuer changes them.

A token with an unknown `kid` may be signed with a new key, so the keys are fetched anew for it; but not for each such
token, or invented names would become a flood of requests to the WAF. So it is with a signature that no known key has made:
the issuer may have put another key under the same `kid`, and forged tokens must not cost a request each. A WAF that is
away does not make its keys invalid: the old ones count until others can be fetched.
"""

from __future__ import annotations

import asyncio
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from wic.network.tokens.claims import ALGORITHMS
from wic.network.tokens.errors import TokenFault, TokenInvalid, WafUnreachable
from wic.oauth.metadata import OAuthEndpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wic.network.tokens.authorization_server import AuthorizationServerClient
    from wic.network.tokens.claims import UnverifiedToken

PublicKey: TypeAlias = ECKey | OKPKey | RSAKey
_TYPES: dict[str, type[PublicKey]] = {"EC": ECKey, "OKP": OKPKey, "RSA": RSAKey}
_ALIASES = {"EdDSA": "Ed25519", "Ed25519": "EdDSA"}
"""RFC 9864 gave EdDSA with this curve a name of its own."""
_CURVES = {"ES256": "P-256", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}

MAX_AGE = 3600.0
"""Seconds after which the keys are fetched anew, so that a withdrawn key stops counting."""
MIN_INTERVAL = 10.0
"""Seconds between two fetches."""
MAX_KEYS = 32
MAX_TRIED = 4
"""Keys that a signature is checked with."""
MIN_RSA_BITS = 2048


class IssuerKeys:
    """Public keys of one issuer.

    Args:
        server: the issuer.
        jwks_uri: URL of its keys; None takes that of its metadata.
    """

    def __init__(self, server: AuthorizationServerClient, *, jwks_uri: str | None = None) -> None:
        self._server = server
        self._jwks_uri = jwks_uri
        self._keys: list[PublicKey] = []
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()

    async def find(self, token: UnverifiedToken, *, now: float) -> tuple[PublicKey, ...]:
        """Return the keys one of which a token must be signed with.

        Args:
            token: what the token says of itself.
            now: seconds of Unix time.

        Raises:
            TokenInvalid: the issuer has no such key.
            WafUnreachable: there are no keys, and none can be fetched.
        """
        keys = self._current(token, now)
        if not keys:
            async with self._lock:
                keys = self._current(token, now)  # another task may have fetched them meanwhile
                if not keys:
                    await self._fetch(now)
                    keys = self._known(token)
        if not keys:
            raise TokenInvalid(TokenFault.SIGNATURE, "its issuer has no such key")
        return keys

    async def find_others(
        self, token: UnverifiedToken, tried: tuple[PublicKey, ...], *, now: float
    ) -> tuple[PublicKey, ...]:
        """Return the keys that have taken the place of those which have not made a signature, if there are any.

        They are fetched anew, with the limit of all fetches.
        """
        async with self._lock:
            others = self._others(token, tried)
            if not others:
                await self._fetch(now)
                others = self._others(token, tried)
        return others

    def _others(self, token: UnverifiedToken, tried: tuple[PublicKey, ...]) -> tuple[PublicKey, ...]:
        known = {key.thumbprint() for key in tried}  # RFC 7638: the same for the same key under any name
        return tuple(key for key in self._known(token) if key.thumbprint() not in known)

    async def _fetch(self, now: float) -> None:
        """Fetch the keys, unless that was tried a moment ago; keys that are there outlive a failure."""
        # A clock that was set back allows a fetch: the moment of the last one lies in the future then.
        if _is_recent(self._tried_at, MIN_INTERVAL, now):
            if self._fetched_at is None:
                raise WafUnreachable(f"the keys of {self._server.issuer} could not be fetched a moment ago")
            return
        self._tried_at = now
        try:
            url = self._jwks_uri or await self._server.url_of(OAuthEndpoint.JWKS, now=now)
            listed = (await self._server.get(url)).get("keys")
            if not isinstance(listed, list):
                raise WafUnreachable(f"{url} holds no keys")
        except WafUnreachable:
            if self._fetched_at is None:
                raise
            return
        self._keys = [key for entry in listed[:MAX_KEYS] if (key := read_key(entry)) is not None]
        self._fetched_at = now

    def _current(self, token: UnverifiedToken, now: float) -> tuple[PublicKey, ...]:
        return self._known(token) if _is_recent(self._fetched_at, MAX_AGE, now) else ()

    def _known(self, token: UnverifiedToken) -> tuple[PublicKey, ...]:
        # RFC 7515 §4.1.4, §6: kid is a hint, and optional; during a rotation there are two keys.
        named = (key for key in self._keys if token.kid is None or key.kid == token.kid)
        return tuple(key for key in named if fits(key, token.algorithm))[:MAX_TRIED]


def _is_recent(moment: float | None, age: float, now: float) -> bool:
    """Tell whether something happened less than `age` seconds ago; a moment in the future counts as long ago."""
    return moment is not None and 0 <= now - moment < age


@contextmanager
def quiet() -> Iterator[None]:
    """Keep joserfc from warning on standard error: what it warns of is refused here, or allowed on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        yield


def read_key(entry: object) -> PublicKey | None:
    """Return a key of a JWK set (RFC 7517); None if it is not for signatures, is private, or cannot be used."""
    # RFC 7517 §4.2: a key for encryption signs nothing. A private key that was published is known to others.
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or "d" in entry:
        return None
    key_type = _TYPES.get(str(entry.get("kty")))
    if key_type is None:
        return None
    try:
        with quiet():
            key = key_type.import_key(entry)
        weak = isinstance(key, RSAKey) and key.public_key.key_size < MIN_RSA_BITS  # RFC 7518 §3.3
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return None if weak else key


def fits(key: PublicKey, algorithm: str) -> bool:
    """Tell whether a key is made for an algorithm: by its type, its curve, and its own `alg` (RFC 8725 §3.1)."""
    if key.key_type != ALGORITHMS[algorithm] or key.get("alg", algorithm) not in (algorithm, _ALIASES.get(algorithm)):
        return False
    curve = _CURVES.get(algorithm)
    return curve is None or key.get("crv") == curve
