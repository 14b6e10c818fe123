"""What an account must be like to work; a fault is told in one sentence that says what to change."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wic.errors import ConfigurationError, WicError
from wic.registration import parse_impu

if TYPE_CHECKING:
    from wic.client.account import Account

__all__ = ["check_account", "is_registrable"]

_INSTANCE = re.compile(r"urn:uuid:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def check_account(account: Account) -> None:
    """Look at everything that can be wrong without asking anybody.

    Raises:
        ConfigurationError: a value cannot work.
    """
    _check_complete(account)
    for server in account.servers:
        _check_server(account, server)
    for key, impu in (("impu", account.impu), *(("impus", each) for each in account.impus)):
        if impu or key == "impus":
            _check_impu(account, key, impu)
    if any(character in account.impi for character in '"\\\r\n\0'):
        raise ConfigurationError(f"Account {account.name!r}: 'impi' must look like user@domain.")
    if account.expires < 1:
        raise ConfigurationError(f"Account {account.name!r}: 'expires' must be at least 1 second.")
    if account.instance and not _INSTANCE.fullmatch(account.instance):
        raise ConfigurationError(f"Account {account.name!r}: 'instance' must look like urn:uuid:… (RFC 4122).")


def _check_complete(account: Account) -> None:
    """What a web server does not assign has to be there."""
    web = account.web
    if account.auth.value == "bearer" and web is None:
        raise ConfigurationError(f"Account {account.name!r} with auth = \"bearer\" needs 'waf', 'wwsf' or 'token'.")
    needed = [] if web is not None and web.wwsf else ["server"]
    # TS 24.371 §6.2.3: those of a pool come from the WWSF; those of a web user, with the token.
    needed += [] if web is not None and web.token is None else ["impu", "impi"]
    for key in needed:
        if not getattr(account, key):
            raise ConfigurationError(f"Account {account.name!r} needs {key!r}.")


def _check_server(account: Account, server: str) -> None:
    try:
        url = urlsplit(server)
        usable = bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
        url = urlsplit("")
    if not usable or url.scheme not in {"ws", "wss"}:
        raise ConfigurationError(f"Account {account.name!r}: 'server' must look like wss://host:port/, not {server!r}.")
    if url.scheme == "ws" and not account.insecure:
        raise ConfigurationError(
            f"Account {account.name!r}: {server} is not encrypted; use wss:// or set insecure = true."
        )


def _check_impu(account: Account, key: str, text: str) -> None:
    if not is_registrable(text):
        raise ConfigurationError(f"Account {account.name!r}: {key!r} must look like sip:user@domain, not {text!r}.")


def is_registrable(text: str) -> bool:
    """Tell whether a text is an identity that a REGISTER can name: the SIP URI of a user (RFC 3261 §10.2)."""
    try:
        impu = parse_impu(text)
    except WicError:
        return False
    return impu.scheme in {"sip", "sips"} and bool(impu.user)
