"""Authorization server metadata (RFC 8414)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wic.errors import RemoteProtocolError
from wic.oauth.pkce import METHOD
from wic.oauth.urls import HTTPS, HTTPS_OR_HTTP, is_usable_url

if TYPE_CHECKING:
    from collections.abc import Mapping

WELL_KNOWN_PATH = "/.well-known/oauth-authorization-server"
_SHOWN = 80
"""Characters of a bad URL that an error message quotes."""


class OAuthEndpoint(StrEnum):
    """Name of an endpoint in the metadata of an authorization server (RFC 8414 §2)."""

    AUTHORIZATION = "authorization_endpoint"
    TOKEN = "token_endpoint"
    DEVICE_AUTHORIZATION = "device_authorization_endpoint"
    """RFC 8628 §4."""
    INTROSPECTION = "introspection_endpoint"
    REVOCATION = "revocation_endpoint"
    END_SESSION = "end_session_endpoint"
    """OpenID Connect RP-Initiated Logout 1.0 §2.1."""
    JWKS = "jwks_uri"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationServer:
    """An authorization server as its metadata describe it."""

    issuer: str
    """Its identity, as the metadata write it."""
    endpoints: Mapping[OAuthEndpoint, str]
    """The URLs that it names, not checked."""
    schemes: tuple[str, ...] = HTTPS
    """The schemes that its endpoints may have."""
    pkce: bool = False
    """Whether it knows the code challenge method S256."""
    sends_issuer: bool = False
    """Whether its authorization responses carry `iss` (RFC 9207 §3)."""

    def has(self, endpoint: OAuthEndpoint) -> bool:
        """Tell whether it has a usable endpoint of this kind."""
        return is_usable_url(self.endpoints.get(endpoint, ""), self.schemes)

    def url_of(self, endpoint: OAuthEndpoint) -> str:
        """Return the URL of an endpoint.

        Raises:
            RemoteProtocolError: the metadata name none, or one that cannot be used.
        """
        if not self.has(endpoint):
            named = self.endpoints.get(endpoint, "")[:_SHOWN]
            raise RemoteProtocolError(
                f"the metadata of {self.issuer} have no usable {endpoint.value!r}: {named!r}", status_hint=None
            )
        return self.endpoints[endpoint]


def metadata_url(issuer: str) -> str:
    """Return where the metadata of an issuer are: the well-known path goes between host and path (RFC 8414 §3.1).

    >>> metadata_url("https://waf.ims.example/tenant/")
    'https://waf.ims.example/.well-known/oauth-authorization-server/tenant'
    """
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN_PATH}{parts.path.rstrip('/')}"  # RFC 8615 §3


def read_metadata(document: Mapping[str, object], issuer: str, *, insecure: bool = False) -> AuthorizationServer:
    """Read the metadata that were fetched from `metadata_url(issuer)`.

    They have to name that issuer (RFC 8414 §3.3), or the endpoints of one server would get what is meant for another. A
    slash at the end makes no difference: both spellings have the same metadata URL.

    Args:
        document: the JSON object.
        issuer: the server that was asked.
        insecure: whether endpoints may be `http://`.

    Raises:
        RemoteProtocolError: they are the metadata of another server.
    """
    named = document.get("issuer")
    if not isinstance(named, str) or named.rstrip("/") != issuer.rstrip("/"):  # RFC 9700 §4.4: mix-up attack
        shown = named if isinstance(named, str) and named.isprintable() else ""
        raise RemoteProtocolError(
            f"the metadata of {issuer} are those of another issuer: {shown[:_SHOWN] or 'none'}", status_hint=None
        )
    methods = document.get("code_challenge_methods_supported")
    urls = {each: document.get(each.value) for each in OAuthEndpoint}
    return AuthorizationServer(
        issuer=named,
        endpoints={name: url for name, url in urls.items() if isinstance(url, str)},
        # RFC 6749 §3.1, §3.2: requests to the endpoints need TLS.
        schemes=HTTPS_OR_HTTP if insecure else HTTPS,
        pkce=isinstance(methods, list) and METHOD in methods,  # RFC 8414 §2: omitted where PKCE is not supported
        sends_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )
