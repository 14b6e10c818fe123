"""Discovery of the servers of an account: the configuration of its WWSF, the metadata of its authorization server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.errors import ConnectFailed, RemoteProtocolError
from wic.oauth.metadata import OAuthEndpoint, metadata_url, read_metadata
from wic.oauth.requests import NATIVE_CLIENT
from wic.oauth.urls import HTTPS_OR_HTTP, is_usable_url, origin

if TYPE_CHECKING:
    from wic.accounts import WebAuthorization
    from wic.oauth.http import JsonClient, JsonReply
    from wic.oauth.metadata import AuthorizationServer

_WSS_OR_WS = ("wss", "ws")
_SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveredServices:
    """The servers that an account's access tokens come from and lead to."""

    issuer: str
    """Issuer URL of the authorization server."""
    client_id: str
    server: str = ""
    """The W2 address, if a WWSF names one."""
    pool: str = ""
    """URL at which the WWSF lends identities, if it does."""


async def discover_services(http: JsonClient, settings: WebAuthorization) -> DiscoveredServices:
    """Complete the settings of an account by what its WWSF says, if it has one.

    Raises:
        ConnectFailed: the WWSF cannot be reached.
        RemoteProtocolError: its configuration cannot be used.
    """
    waf = settings.waf.rstrip("/")
    # Without a WWSF the settings say it all, and no request is needed.
    if not settings.wwsf:
        return DiscoveredServices(issuer=waf, client_id=settings.client_id or NATIVE_CLIENT)
    wwsf, insecure = settings.wwsf.rstrip("/"), settings.insecure
    configuration = await _fetch(http, f"{wwsf}/.well-known/wic-configuration")
    pool = ""
    if configuration.document.get("pool") is not None:  # TS 24.371 §6.2.3: not every WWSF lends identities
        pool = _usable_url(configuration, "pool", HTTPS_OR_HTTP, insecure)
        # Tokens of the user go there, so it has to be the server that the account names.
        if origin(pool) != origin(wwsf):
            raise RemoteProtocolError(f"{wwsf} names a pool at another server, {origin(pool)}", status_hint=None)
    return DiscoveredServices(
        # The user's own settings come before what the WWSF says.
        issuer=waf or _usable_url(configuration, "issuer", HTTPS_OR_HTTP, insecure),
        client_id=settings.client_id or configuration.text("client_id") or NATIVE_CLIENT,
        server=_usable_url(configuration, "wss", _WSS_OR_WS, insecure),
        pool=pool,
    )


async def discover_authorization_server(
    http: JsonClient, issuer: str, *, insecure: bool = False
) -> AuthorizationServer:
    """Fetch the metadata of an authorization server (RFC 8414 §3).

    With `insecure` its endpoints may be `http://`.

    Raises:
        ConnectFailed: the server cannot be reached, or has no metadata.
        RemoteProtocolError: the metadata are those of another server, or name no token endpoint.
    """
    reply = await _fetch(http, metadata_url(issuer))
    server = read_metadata(reply.document, issuer, insecure=insecure)  # RFC 8414 §3.3: of this very issuer
    server.url_of(OAuthEndpoint.TOKEN)  # RFC 8414 §2: the only endpoint that every such server has
    return server


async def _fetch(http: JsonClient, url: str) -> JsonReply:
    reply = await http.get(url)
    if not reply.ok:
        raise ConnectFailed(f"{url} cannot be fetched: status {reply.status}")
    return reply


def _usable_url(configuration: JsonReply, name: str, schemes: tuple[str, str], insecure: bool) -> str:
    """Return a URL of the WWSF's configuration; the second scheme, which does not encrypt, only if that is allowed."""
    url = configuration.text(name)
    if not is_usable_url(url, schemes if insecure else schemes[:1]):
        raise RemoteProtocolError(
            f"the configuration of the WWSF has no usable {name!r}: {url[:_SHOWN]!r}", status_hint=None
        )
    return url
