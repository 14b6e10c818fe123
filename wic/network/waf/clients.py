"""OAuth clients: who may ask for tokens, how, and where codes may be sent."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wic.errors import ConfigurationError
from wic.network.waf.users import check_identities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wic.auth.secret import Secret
    from wic.network.web.database import Database

CODE = "authorization_code"
REFRESH = "refresh_token"
CLIENT = "client_credentials"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
GRANTS = (CODE, REFRESH, CLIENT, DEVICE)
NATIVE_CLIENT = "wic"
"""The public client that every WIC outside a browser is."""
LOOPBACK_REDIRECTS = ("http://127.0.0.1/callback", "http://[::1]/callback")
"""RFC 8252 §7.3: any port is good."""
MIN_SECRET = 16
"""Shortest client secret, in characters: it is for machines, and hashed only once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """A client of the authorization server.

    Attributes:
        id: its `client_id`.
        title: what users are told it is.
        confidential: whether it has a secret.
        grants: grant types that it may use.
        redirect_uris: where codes may be sent.
        consent: whether users are asked first.
        wwsf: identity of the WWSF that the client is, and whose pool it may use.
        impi: private identity of the subscription that the client itself has.
        impus: public identities of that subscription.
    """

    id: str
    title: str
    confidential: bool
    grants: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    consent: bool
    wwsf: str | None
    impi: str | None
    impus: tuple[str, ...]

    def accepts_redirect(self, uri: str) -> bool:
        """Tell whether codes may be sent there: the same text, but for the port of a loopback address."""
        return any(uri == known or _is_same_loopback(uri, known) for known in self.redirect_uris)


class Clients:
    """The table of clients.

    Args:
        database: the WAF's.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(
        self,
        client_id: str,
        secret: Secret | None = None,
        *,
        title: str | None = None,
        redirect_uris: Sequence[str] = (),
        grants: Sequence[str] = (CODE, REFRESH),
        consent: bool = True,
        wwsf: str | None = None,
        impi: str | None = None,
        impus: Sequence[str] = (),
    ) -> OAuthClient:
        """Add a client, or replace it.

        Args:
            client_id: its name.
            secret: makes it a confidential client.
            title: what users are told it is.
            redirect_uris: where codes may be sent: https, or http on a loopback address.
            grants: grant types that it may use.
            consent: whether users are asked first; False is for an operator's own WWSF.
            wwsf: identity of the WWSF that the client is.
            impi: private identity of the subscription that the client itself has (client credentials).
            impus: public identities of that subscription.

        Raises:
            ConfigurationError: something is not of its form.
        """
        if not client_id or not client_id.isascii() or not client_id.isprintable() or ":" in client_id:
            raise ConfigurationError(f"{client_id!r} is no client id: use ASCII letters without a colon")
        if secret is not None and len(secret.reveal()) < MIN_SECRET:
            raise ConfigurationError(f"a client secret has at least {MIN_SECRET} characters")
        if secret is None and not consent:
            raise ConfigurationError("users have to be asked about a client without a secret (RFC 8252 §8.6)")
        _check_grants(grants, confidential=secret is not None)
        for uri in redirect_uris:
            _check_redirect(uri)
        if impi is not None:
            check_identities(impi, impus)
        self._db.change(
            "INSERT OR REPLACE INTO client VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            client_id,
            None if secret is None else _hash(client_id, secret.reveal()),
            title or client_id,
            json.dumps(list(grants)),
            json.dumps(list(redirect_uris)),
            int(consent),
            wwsf,
            impi,
            json.dumps(list(impus)),
        )
        added = self.find(client_id)
        assert added is not None
        return added

    def add_native(self) -> None:
        """Add the client that every WIC outside a browser is, unless it is there."""
        if self.find(NATIVE_CLIENT) is None:
            self.add(
                NATIVE_CLIENT,
                title="wic, the headless WebRTC IMS client",
                redirect_uris=LOOPBACK_REDIRECTS,
                grants=(CODE, REFRESH, DEVICE),
            )

    def remove(self, client_id: str) -> bool:
        """Remove a client with all that was given out to it; return whether it was there."""
        with self._db.transaction():
            self._db.change("DELETE FROM consent WHERE client = ?", client_id)
            self._db.change("DELETE FROM device WHERE client = ?", client_id)
            return self._db.change("DELETE FROM client WHERE id = ?", client_id) > 0

    def find(self, client_id: str) -> OAuthClient | None:
        """Return the client with this name."""
        row = self._db.row("SELECT * FROM client WHERE id = ?", client_id)
        if row is None:
            return None
        _, secret, title, grants, redirect_uris, consent, wwsf, impi, impus = row
        return OAuthClient(
            id=client_id,
            title=str(title),
            confidential=secret is not None,
            grants=tuple(json.loads(str(grants))),
            redirect_uris=tuple(json.loads(str(redirect_uris))),
            consent=bool(consent),
            wwsf=None if wwsf is None else str(wwsf),
            impi=None if impi is None else str(impi),
            impus=tuple(json.loads(str(impus))),
        )

    def knows_secret(self, client_id: str, secret: str) -> bool:
        """Tell whether a secret is the client's; the work is the same if there is no such client."""
        row = self._db.row("SELECT secret FROM client WHERE id = ?", client_id)
        stored = "" if row is None or row[0] is None else str(row[0])
        return hmac.compare_digest(_hash(client_id, secret), stored)


def _hash(client_id: str, secret: str) -> str:
    return hashlib.sha256(f"{client_id}:{secret}".encode()).hexdigest()


def _check_grants(grants: Sequence[str], *, confidential: bool) -> None:
    unknown = [each for each in grants if each not in GRANTS]
    if unknown:
        raise ConfigurationError(f"{unknown[0]!r} is no grant type; choose among {', '.join(GRANTS)}")
    if CLIENT in grants and not confidential:
        raise ConfigurationError("client credentials need a client secret (RFC 6749 §4.4)")


def _check_redirect(uri: str) -> None:
    try:
        parts = urlsplit(uri)
        safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))
        usable = safe and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "#" in uri or not uri.isascii() or not uri.isprintable():
        raise ConfigurationError(
            f"{uri!r} is no redirect URI: use https, or http on 127.0.0.1 or [::1], without a fragment"
        )


def _is_loopback(host: str | None) -> bool:
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _is_same_loopback(uri: str, known: str) -> bool:
    """Tell whether two URIs differ in nothing but the port of a loopback address (RFC 8252 §7.3)."""
    try:
        asked, registered = urlsplit(uri), urlsplit(known)
        port = asked.port
    except ValueError:
        return False
    host = registered.hostname
    if registered.scheme != "http" or registered.port is not None or host is None or not _is_loopback(host):
        return False
    shown = f"[{host}]" if ":" in host else host
    return port is not None and uri == f"http://{shown}:{port}{known.removeprefix(f'http://{shown}')}"
