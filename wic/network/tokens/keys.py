"""The keys of a WAF: fetched when they are needed, kept, and fetched anew when the WAF has changed them."""

from __future__ import annotations

import asyncio
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from wic.network.tokens.errors import TokenFault, TokenInvalid, WafUnreachable
from wic.network.tokens.jws import ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wic.network.tokens.https import HttpsJson
    from wic.network.tokens.issuer import TrustedIssuer
    from wic.network.tokens.jws import UnverifiedToken
    from wic.network.tokens.metadata import IssuerMetadata

PublicKey: TypeAlias = ECKey | OKPKey | RSAKey
_KINDS: dict[str, type[PublicKey]] = {"EC": ECKey, "OKP": OKPKey, "RSA": RSAKey}
_ALIASES = {"EdDSA": "Ed25519", "Ed25519": "EdDSA"}
"""RFC 9864 gave EdDSA with this curve a name of its own."""
_CURVES = {"ES256": "P-256", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}

MAX_AGE = 3600.0
"""Seconds after which the keys are fetched anew, so that a key taken back stops counting."""
MIN_INTERVAL = 10.0
"""Seconds between two fetches: tokens with invented key names must not become requests to the WAF."""
MAX_KEYS = 32
MIN_RSA_BITS = 2048


class IssuerKeys:
    """The public keys of one issuer.

    Args:
        issuer: whose keys.
        http: how to fetch them.
        metadata: where they are, if the issuer's options do not say.
    """

    def __init__(self, issuer: TrustedIssuer, http: HttpsJson, metadata: IssuerMetadata) -> None:
        self._issuer = issuer
        self._metadata = metadata
        self._http = http
        self._keys: list[PublicKey] = []
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()

    async def find(self, token: UnverifiedToken, *, now: float) -> PublicKey:
        """Return the key that a token must be signed with.

        Raises:
            TokenInvalid: the issuer has no such key.
            WafUnreachable: there are no keys, and none can be fetched.
        """
        key = self._known(token) if self._is_fresh(now) else None
        if key is None:
            async with self._lock:
                await self._refresh(token, now)
            key = self._known(token)
        if key is None:
            raise TokenInvalid(TokenFault.SIGNATURE, "its issuer has no such key")
        return key

    def _is_fresh(self, now: float) -> bool:
        return self._fetched_at is not None and 0 <= now - self._fetched_at < MAX_AGE

    def _may_try(self, now: float) -> bool:
        """Tell whether the last fetch is long enough ago; a clock that was set back counts as long."""
        return self._tried_at is None or not 0 <= now - self._tried_at < MIN_INTERVAL

    async def _refresh(self, token: UnverifiedToken, now: float) -> None:
        if self._is_fresh(now) and self._known(token) is not None:
            return  # somebody else has fetched them meanwhile
        if not self._may_try(now):
            if self._fetched_at is None:
                raise WafUnreachable(f"the keys of {self._issuer.issuer} could not be fetched a moment ago")
            return
        self._tried_at = now
        try:
            self._keys = await self._fetch(now)
        except WafUnreachable:
            if self._fetched_at is None:
                raise
            return  # the old keys are better than none; an unknown one stays unknown
        self._fetched_at = now

    async def _fetch(self, now: float) -> list[PublicKey]:
        url = self._issuer.jwks_uri or await self._metadata.endpoint("jwks_uri", now=now)
        listed = (await self._http.get(url)).get("keys")
        if not isinstance(listed, list):
            raise WafUnreachable(f"{url} holds no keys")
        return [key for entry in listed[:MAX_KEYS] if (key := read_key(entry)) is not None]

    def _known(self, token: UnverifiedToken) -> PublicKey | None:
        fitting = [key for key in self._keys if fits(key, token.algorithm)]
        if token.kid is None:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.kid == token.kid), None)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep joserfc from warning on standard error: what it warns of is refused here, or allowed on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        yield


def read_key(entry: object) -> PublicKey | None:
    """Return a key of a JWK set; None if it is not for signatures, private, or of no use here."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or "d" in entry:
        return None
    kind = _KINDS.get(str(entry.get("kty")))
    if kind is None:
        return None
    try:
        with quiet():
            key = kind.import_key(entry)
        weak = isinstance(key, RSAKey) and key.public_key.key_size < MIN_RSA_BITS
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return None if weak else key


def fits(key: PublicKey, algorithm: str) -> bool:
    """Tell whether a key is made for an algorithm: its kind, its curve, and what it says of itself."""
    if key.key_type != ALGORITHMS[algorithm] or key.get("alg", algorithm) not in (algorithm, _ALIASES.get(algorithm)):
        return False
    curve = _CURVES.get(algorithm)
    return curve is None or key.get("crv") == curve
