"""Store of access tokens on the disk, readable by the user of this account alone."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from wic.auth.secret import Secret
from wic.client.state import locked, state_directory, write_private
from wic.errors import ConfigurationError
from wic.oauth.tokens import AccessToken

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from wic.accounts import WebAuthorization

_log = logging.getLogger(__name__)

_VERSION = 1
_MAX_FILE = 262_144  # many times the longest token
_LOCK_TIMEOUT = 60.0
"""Seconds to wait for another process that refreshes the token, which takes three requests."""


@dataclass(frozen=True, slots=True)
class StoreKey:
    """Name of a stored token, made of an account's settings alone: to find the token takes no request to a server."""

    server: str
    """The WAF, or the WWSF that names one."""
    client_id: str
    account: str

    @classmethod
    def of(cls, settings: WebAuthorization) -> Self:
        """Return the key for an account."""
        return cls(settings.waf or settings.wwsf, settings.client_id, settings.account)

    def digest(self) -> str:
        """Return a name that any file system can take."""
        parts = (self.server.rstrip("/"), self.client_id, self.account)  # as JSON: no two keys give one text
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


class TokenStore:
    """Store of one token for each account at each server.

    Args:
        directory: where the files are; None takes `tokens` in the user's state directory.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or state_directory() / "tokens"

    def locked(self, key: StoreKey) -> AbstractAsyncContextManager[None]:
        """Hold the token against other processes, from reading the old one to writing the next.

        A refresh token that is used twice looks stolen to the server (RFC 9700 §4.14.2).
        """
        return locked(self._path(key), timeout=_LOCK_TIMEOUT)

    def load(self, key: StoreKey) -> AccessToken | None:
        """Return the token, or None if there is none that can be read.

        Raises:
            ConfigurationError: the file cannot be opened.
        """
        path = self._path(key)
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_FILE)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
        try:
            return _read(data)  # damaged, it is as good as none: the user signs in again
        except (ValueError, KeyError, TypeError, RecursionError):
            _log.warning("%s is damaged and counts as empty", path)
            return None

    def save(self, key: StoreKey, token: AccessToken) -> None:
        """Keep a token in place of the one before.

        Raises:
            ConfigurationError: it cannot be written.
        """
        write_private(self._path(key), _write(key, token))

    def remove(self, key: StoreKey) -> None:
        """Forget the token, if there is one.

        Raises:
            ConfigurationError: the file cannot be removed.
        """
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be removed: {error.strerror}.") from error

    def _path(self, key: StoreKey) -> Path:
        return self._directory / f"{key.digest()}.json"


def _write(key: StoreKey, token: AccessToken) -> bytes:
    document = {
        "version": _VERSION,
        "account": key.account,  # for the user who looks into the file
        "issuer": token.issuer,
        "access_token": token.value.reveal(),
        "refresh_token": None if token.refresh is None else token.refresh.reveal(),
        "expires_at": token.expires_at,
        "scope": token.scope,
        "impi": token.impi,
        "impus": list(token.impus),
        "server": token.server,
    }
    return json.dumps(document, indent=1).encode()


def _read(data: bytes) -> AccessToken:
    """Read what `_write` wrote; any other content raises a ValueError, KeyError or TypeError."""
    document = json.loads(data)
    if document["version"] != _VERSION:  # of a later wic
        raise ValueError
    refresh, expires_at = document["refresh_token"], document["expires_at"]
    return AccessToken(
        value=Secret(_text(document["access_token"])),
        issuer=_text(document["issuer"]),
        expires_at=None if expires_at is None else float(expires_at),
        scope=_text(document["scope"]),
        impi=_text(document["impi"]),
        impus=tuple(_text(impu) for impu in document["impus"]),
        server=_text(document["server"]),
        refresh=None if refresh is None else Secret(_text(refresh)),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
