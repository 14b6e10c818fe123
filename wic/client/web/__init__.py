"""Access tokens of a client: ways to get one, the store on the disk, and the renewal before it expires.

The names below are loaded when they are first used (PEP 562): most accounts need no HTTP, which takes its time to load.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.accounts import PoolAccess, WebAuthorization
    from wic.client.web.keeper import TokenKeeper
    from wic.oauth.tokens import AccessToken

__all__ = ["AccessToken", "PoolAccess", "TokenKeeper", "WebAuthorization"]

_HOMES = {
    "AccessToken": "wic.oauth.tokens",
    "PoolAccess": "wic.accounts",
    "TokenKeeper": "wic.client.web.keeper",
    "WebAuthorization": "wic.accounts",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
