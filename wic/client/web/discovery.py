"""Where a WAF and a WWSF have what: RFC 8414 metadata, and the WWSF's configuration for native WICs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wic.client.web.http import Reply, origin
from wic.errors import ConnectFailed, RemoteProtocolError

if TYPE_CHECKING:
    from wic.accounts import WebAuthorization
    from wic.client.web.http import WebClient

_DEFAULT_CLIENT = "wic"
_MAX_URL = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Waf:
    """The endpoints of an authorization server; empty texts are what it does not have."""

    issuer: str
    token: str
    authorization: str = ""
    device_authorization: str = ""
    revocation: str = ""
    pkce: bool = False
    """Whether it knows the method S256."""
    names_itself: bool = False
    """Whether its authorization responses carry `iss` (RFC 9207 §3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an account's tokens come from."""

    issuer: str
    client_id: str
    server: str = ""
    """The W2 address, if the WWSF names one."""
    pool: str = ""
    """Where the WWSF lends identities, if it does."""


async def find_place(web: WebClient, settings: WebAuthorization) -> Place:
    """Find out where the tokens of an account come from; asks the WWSF, if there is one.

    Raises:
        ConnectFailed: the WWSF cannot be reached.
        RemoteProtocolError: what it says makes no sense.
    """
    waf = settings.waf.rstrip("/")
    if not settings.wwsf:
        return Place(issuer=waf, client_id=settings.client_id or _DEFAULT_CLIENT)
    wwsf = settings.wwsf.rstrip("/")
    document = await _document(web, f"{wwsf}/.well-known/wic-configuration")
    pool = _url(document, "pool", settings.insecure) if document.document.get("pool") is not None else ""
    if pool and origin(pool) != origin(wwsf):
        raise RemoteProtocolError(f"{wwsf} names a pool at another server, {origin(pool)}")
    return Place(
        issuer=waf or _url(document, "issuer", settings.insecure),
        client_id=settings.client_id or document.text("client_id") or _DEFAULT_CLIENT,
        server=_url(document, "wss", settings.insecure, schemes=("wss", "ws")),
        pool=pool,
    )


async def discover(web: WebClient, issuer: str, *, insecure: bool = False) -> Waf:
    """Fetch the metadata of an authorization server (RFC 8414 §3).

    Args:
        web: what to fetch it with.
        issuer: the server's URL.
        insecure: whether endpoints may be `http://`.

    Raises:
        ConnectFailed: the server cannot be reached, or is none.
        RemoteProtocolError: the metadata are another server's, or lack what is needed.
    """
    reply = await _document(web, _metadata_url(issuer))
    named = reply.text("issuer")
    if named.rstrip("/") != issuer.rstrip("/"):  # RFC 8414 §3.3
        raise RemoteProtocolError(f"{issuer} says that it is another authorization server: {named or 'none'}")
    methods = reply.document.get("code_challenge_methods_supported")
    return Waf(
        issuer=named,
        token=_url(reply, "token_endpoint", insecure),
        authorization=_optional_url(reply, "authorization_endpoint", insecure),
        device_authorization=_optional_url(reply, "device_authorization_endpoint", insecure),
        revocation=_optional_url(reply, "revocation_endpoint", insecure),
        pkce=isinstance(methods, list) and "S256" in methods,
        names_itself=reply.document.get("authorization_response_iss_parameter_supported") is True,
    )


def _metadata_url(issuer: str) -> str:
    """Put the well-known name between host and path (RFC 8414 §3.1)."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path.rstrip('/')}"


async def _document(web: WebClient, url: str) -> Reply:
    reply = await web.get(url)
    if not reply.ok:
        raise ConnectFailed(f"{url} cannot be had: status {reply.status}")
    return reply


def _optional_url(reply: Reply, name: str, insecure: bool) -> str:
    return _url(reply, name, insecure) if name in reply.document else ""


def _url(reply: Reply, name: str, insecure: bool, schemes: tuple[str, str] = ("https", "http")) -> str:
    """Read a URL; the second scheme, which does not protect, only if that is allowed."""
    url = reply.text(name)
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and parts.username is None and not parts.fragment
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable or len(url) > _MAX_URL or parts.scheme not in schemes[: 2 if insecure else 1]:
        raise RemoteProtocolError(f"what the server says has no usable {name!r}: {url[:80]!r}")
    return url
