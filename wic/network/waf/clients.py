"""OAuth clients, and the pools of identities of those that are WWSFs."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wic.errors import ConfigurationError
from wic.network.sqlite_file import read_json
from wic.network.waf.users import check_identities
from wic.oauth.requests import NATIVE_CLIENT, GrantType
from wic.oauth.urls import HTTPS_OR_HTTP, is_usable_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wic.auth.secret import Secret
    from wic.network.waf.tokens import Consents
    from wic.network.web.database import WebDatabase

LOOPBACK_REDIRECTS = ("http://127.0.0.1/callback", "http://[::1]/callback")
"""Redirect URIs of a native client, which may have any port (RFC 8252 §7.3)."""
WWSF_CALLBACK = "/callback"
"""Path of a WWSF to which codes are sent."""
MIN_SECRET = 16
"""Shortest client secret, in characters: it is for machines, and hashed only once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """A client of the authorization server."""

    id: str
    """Its `client_id`."""
    title: str
    """Its name for users."""
    confidential: bool
    """Whether it has a secret (RFC 6749 §2.1)."""
    grants: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    consent: bool
    """Whether users are asked first."""
    wwsf: str | None
    """Identity of the WWSF that the client is, whose pool it may use."""
    impi: str | None
    """Private identity of the client's own subscription."""
    impus: tuple[str, ...]
    """Public identities of that subscription."""

    def accepts_redirect(self, uri: str) -> bool:
        """Tell whether codes may be sent there: to a registered URI, letter by letter (RFC 9700 §4.1.3).

        A loopback address may have any port besides (RFC 8252 §7.3).
        """
        return any(uri == registered or _is_same_loopback(uri, registered) for registered in self.redirect_uris)


class Clients:
    """Table of OAuth clients."""

    def __init__(self, database: WebDatabase) -> None:
        self._db = database

    def add(
        self,
        client_id: str,
        secret: Secret | None = None,
        *,
        title: str | None = None,
        redirect_uris: Sequence[str] = (),
        grants: Sequence[str] = (GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN),  # RFC 6749 §4.1, §6
        consent: bool = True,
        wwsf: str | None = None,
        impi: str | None = None,
        impus: Sequence[str] = (),
    ) -> OAuthClient:
        """Add a client, or replace it.

        Args:
            client_id: its name.
            secret: makes it a confidential client.
            title: its name for users.
            redirect_uris: where codes may be sent: https, or http on a loopback address.
            grants: grant types that it may use.
            consent: whether users are asked first; False is for an operator's own WWSF.
            wwsf: identity of the WWSF that the client is.
            impi: private identity of the client's own subscription (client credentials).
            impus: public identities of that subscription.

        Raises:
            ConfigurationError: a value is malformed, or two of them exclude each other.
        """
        # A colon would end the client id within Basic credentials (RFC 7617 §2).
        if not client_id or not client_id.isascii() or not client_id.isprintable() or ":" in client_id:
            raise ConfigurationError(f"{client_id!r} is not a client id: use ASCII letters without a colon")
        if secret is not None and len(secret.reveal()) < MIN_SECRET:
            raise ConfigurationError(f"a client secret has at least {MIN_SECRET} characters")
        if secret is None and not consent:
            raise ConfigurationError("users have to be asked about a client without a secret (RFC 8252 §8.6)")
        # RFC 6749 §4.5: extension grants have URIs; one is known.
        unknown = [each for each in grants if each not in list(GrantType)]
        if unknown:
            raise ConfigurationError(f"{unknown[0]!r} is not a grant type; choose among {', '.join(GrantType)}")
        if GrantType.CLIENT_CREDENTIALS in grants and secret is None:
            raise ConfigurationError("client credentials need a client secret (RFC 6749 §4.4)")
        for uri in redirect_uris:
            _check_redirect(uri)
        # Only a client with a subscription of its own has identities; a WWSF has those of its pool.
        if impi is not None:
            check_identities(impi, impus)
        self._db.change(
            "INSERT OR REPLACE INTO client VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            client_id,
            None if secret is None else _hash(client_id, secret.reveal()),
            title or client_id,
            json.dumps([str(each) for each in grants]),
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
                redirect_uris=LOOPBACK_REDIRECTS,  # RFC 8252 §7.3
                grants=(GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN, GrantType.DEVICE_CODE),
            )

    def add_wwsf(self, client_id: str, secret: Secret, url: str) -> OAuthClient:
        """Add the WWSF of this operator, or move it to another URL; its identity is its client id.

        Raises:
            ConfigurationError: a value is malformed.
        """
        return self.add(
            client_id,
            secret,
            title="your calls",
            redirect_uris=(f"{url}{WWSF_CALLBACK}",),  # RFC 6749 §3.1.2.2: registered in full
            grants=(GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN, GrantType.CLIENT_CREDENTIALS),
            consent=False,
            wwsf=client_id,
        )

    def remove(self, client_id: str) -> bool:
        """Remove a client with all that was issued to it; return whether there was one."""
        # Codes and tokens go with their consents (ON DELETE CASCADE).
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
            grants=tuple(read_json(str(grants))),
            redirect_uris=tuple(read_json(str(redirect_uris))),
            consent=bool(consent),
            wwsf=None if wwsf is None else str(wwsf),
            impi=None if impi is None else str(impi),
            impus=tuple(read_json(str(impus))),
        )

    def knows_secret(self, client_id: str, secret: str) -> bool:
        """Tell whether a secret is the client's; the work is the same if there is no such client."""
        row = self._db.row("SELECT secret FROM client WHERE id = ?", client_id)
        stored = "" if row is None or row[0] is None else str(row[0])
        # In constant time, and against an empty text for an unknown client.
        return hmac.compare_digest(_hash(client_id, secret), stored)


class PoolPairs:
    """Table of the pairs of a pool: each is a subscription of its own with one IMPU and one IMPI.

    It says which WWSF may get tokens for which pair (TS 33.203 Annex X.4, REQ 3.2).
    """

    def __init__(self, database: WebDatabase, consents: Consents) -> None:
        self._db = database
        self._consents = consents

    def add(self, wwsf: str, impi: str, impu: str) -> None:
        """Add a pair to the pool of a WWSF, or move it there.

        Raises:
            ConfigurationError: an identity is malformed.
        """
        check_identities(impi, (impu,))
        self._db.change("INSERT OR REPLACE INTO pool VALUES (?, ?, ?)", wwsf, impi, impu)

    def remove(self, impi: str) -> bool:
        """Remove a pair, and revoke the tokens for it; return whether there was one."""
        self._consents.revoke_pair(impi)  # TS 33.203 Annex X.4, REQ 3.1: tokens are the right to it
        return self._db.change("DELETE FROM pool WHERE impi = ?", impi) > 0

    def impu(self, wwsf: str, impi: str) -> str | None:
        """Return the public identity that goes with a private one; None if the pair is not of this WWSF's pool."""
        row = self._db.row("SELECT impu FROM pool WHERE wwsf = ? AND impi = ?", wwsf, impi)
        return None if row is None else str(row[0])


def _hash(client_id: str, secret: str) -> str:
    return hashlib.sha256(f"{client_id}:{secret}".encode()).hexdigest()


def _check_redirect(uri: str) -> None:
    usable = is_usable_url(uri, HTTPS_OR_HTTP) and uri.isascii() and "#" not in uri  # RFC 6749 §3.1.2: no fragment
    parts = urlsplit(uri) if usable else None
    if parts is None or (parts.scheme == "http" and not _is_loopback(parts.hostname)):
        raise ConfigurationError(
            f"{uri!r} is not a redirect URI: use https, or http on 127.0.0.1 or [::1], without a fragment"
        )


def _is_loopback(host: str | None) -> bool:
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _is_same_loopback(uri: str, registered: str) -> bool:
    """Tell whether two URIs differ in nothing but the port of a loopback address."""
    try:
        asked, known = urlsplit(uri), urlsplit(registered)
        port = asked.port
    except ValueError:
        return False
    host = known.hostname
    # RFC 8252 §7.3: the port is that which the system gave the client, all else is as registered.
    if known.scheme != "http" or known.port is not None or host is None or not _is_loopback(host):
        return False
    shown = f"[{host}]" if ":" in host else host
    return port is not None and uri == f"http://{shown}:{port}{registered.removeprefix(f'http://{shown}')}"
