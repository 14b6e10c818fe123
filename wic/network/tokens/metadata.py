"""What a WAF says about itself (RFC 8414), fetched once an hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.network.tokens.errors import WafUnreachable

if TYPE_CHECKING:
    from wic.network.tokens.https import HttpsJson
    from wic.network.tokens.issuer import TrustedIssuer

MAX_AGE = 3600.0
"""Seconds for which metadata are good."""


class IssuerMetadata:
    """The metadata of one issuer.

    Args:
        issuer: whose metadata.
        http: how to fetch them.
    """

    def __init__(self, issuer: TrustedIssuer, http: HttpsJson) -> None:
        self._issuer = issuer
        self._http = http
        self._document: dict[str, object] = {}
        self._fetched_at: float | None = None

    async def endpoint(self, name: str, *, now: float) -> str:
        """Return the URL of an endpoint, such as that of `jwks_uri`.

        Raises:
            WafUnreachable: the metadata cannot be had, are of another issuer, or do not name it.
        """
        if self._fetched_at is None or not 0 <= now - self._fetched_at < MAX_AGE:
            document = await self._http.get(self._issuer.metadata_url)
            if document.get("issuer") != self._issuer.issuer:  # RFC 8414 §3.3
                raise WafUnreachable(f"{self._issuer.metadata_url} holds the metadata of another issuer")
            self._document, self._fetched_at = document, now
        url = self._document.get(name)
        if not isinstance(url, str) or not url.startswith("https://"):
            raise WafUnreachable(f"the metadata of {self._issuer.issuer} name no {name} with https")
        return url
