"""Accounts: who registers where, with which secret, read from `accounts.toml` or built by hand."""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wic.auth.secret import Secret
from wic.client.account_rules import check_account
from wic.client.accounts_file import default_path, read_account
from wic.client.aka_settings import AKA_KEYS, AkaSettings
from wic.client.secret_sources import warn_of_shared
from wic.client.settings import Settings, secret_keys
from wic.client.web_settings import WEB_KEYS, read_web
from wic.errors import ConfigurationError
from wic.registration import parse_impu

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from wic.client.web import WebAuthorization

__all__ = ["Account", "AuthScheme"]

_INSTANCE_NAMESPACE = uuid.UUID("6f7f2f3c-5a0e-5d0b-9c0e-2d8f7c1f3a11")
_DEFAULT_EXPIRES = 600_000  # TS 24.229 §5.1.1.2.1: what a UE asks for


class AuthScheme(enum.Enum):
    """How an account proves who it is."""

    DIGEST = "digest"
    """SIP Digest with a password (TS 24.371 §6.2.1.2)."""
    AKA = "aka"
    """IMS AKA with a USIM (TS 24.371 §6.2.1.3)."""
    BEARER = "bearer"
    """An access token of a web server (TS 24.371 §6.2.2, §6.2.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One subscription as a client needs it.

    Raises:
        ConfigurationError: a value cannot work; the sentence says what to change.
    """

    server: str = ""
    """The W2 address, `wss://host:port/path`, or `ws://…` together with `insecure`."""
    servers: tuple[str, ...] = ()
    """All W2 addresses, the one to try first in front; `server` comes before them if both are given."""
    impu: str = ""
    """The public user identity, a SIP URI such as `sip:alice@ims.example`."""
    impi: str = ""
    """The private user identity, such as `alice@ims.example`."""
    impus: tuple[str, ...] = ()
    """Further public user identities to register, where the network does not do so by itself."""
    name: str = "command line"
    """What messages call this account."""
    auth: AuthScheme = AuthScheme.DIGEST
    """How it proves who it is."""
    password: Secret = field(default_factory=lambda: Secret(""))
    """The secret of SIP Digest."""
    aka: AkaSettings | None = None
    """The USIM, for IMS AKA; None with a card reader (`ClientOptions.usim`)."""
    web: WebAuthorization | None = None
    """Where access tokens come from; with them come the server and the identities that the account does not name."""
    ca: Path | None = None
    """A PEM file with further trust anchors."""
    insecure: bool = False
    """Allow `ws://`, where anybody on the way can read and change everything."""
    expires: int = _DEFAULT_EXPIRES
    """Seconds of registration asked for."""
    instance: str = ""
    """The `+sip.instance` of RFC 5626 §4.1; left empty, one that stays the same on this machine is derived.

    It stays empty as long as nobody has said which identities the account is to have.
    """

    def __post_init__(self) -> None:
        servers = tuple(dict.fromkeys(each for each in (self.server, *self.servers) if each))
        object.__setattr__(self, "servers", servers)
        object.__setattr__(self, "server", servers[0] if servers else "")
        check_account(self)
        if not self.instance and self.impu:
            object.__setattr__(self, "instance", _derive_instance(self))

    @property
    def domain(self) -> str:
        """The home domain, which is the host of the public identity."""
        return parse_impu(self.impu).host

    @classmethod
    def load(cls, name: str, path: str | os.PathLike[str] | None = None) -> Account:
        """Read the account `name` from an accounts file.

        Args:
            name: the table's name below `[accounts]`.
            path: the file; without it `$WIC_ACCOUNTS`, else `accounts.toml` in the user's configuration directory.

        Raises:
            ConfigurationError: no such file or account, or a value in it cannot work.
        """
        file = Path(path) if path is not None else default_path()
        settings = read_account(file, name)
        warn_of_shared(file, settings, _SECRETS)
        return cls.from_settings(name, settings, folder=file.parent)

    @classmethod
    def from_settings(cls, name: str, settings: Mapping[str, object], *, folder: Path) -> Account:
        """Build an account from the keys an accounts file may hold.

        Args:
            name: what messages call the account.
            settings: those of `Account`, with the secrets of the scheme that `auth` names; a secret may also
                be in a file or a variable, as in `password_file` and `password_env`.
            folder: what relative file names are relative to.

        Raises:
            ConfigurationError: a key is missing, unknown or has a value that cannot work.
        """
        table = Settings(name, settings, folder=folder)
        scheme = _scheme(table)
        _refuse_unknown_keys(table, scheme)
        web = read_web(table) if scheme is AuthScheme.BEARER else None
        if web is not None and web.pool is not None and table.keys() & {"impu", "impi", "impus"}:
            raise ConfigurationError(
                f"Account {name!r}: with 'pool' the WWSF assigns the identities; leave out 'impu', 'impi' and 'impus'."
            )
        account = cls(
            name=name,
            server=table.text("server"),
            servers=table.texts("servers"),
            impu=table.text("impu"),
            impi=table.text("impi"),
            impus=table.texts("impus"),
            auth=scheme,
            password=table.secret("password") or Secret(""),
            aka=AkaSettings.read(table) if scheme is AuthScheme.AKA else None,
            web=web,
            ca=table.file("ca"),
            insecure=table.flag("insecure"),
            expires=table.number("expires", _DEFAULT_EXPIRES),
            instance=table.text("instance"),
        )
        if scheme is AuthScheme.DIGEST and not account.password.reveal():
            raise ConfigurationError(
                f"Account {name!r} with auth = \"digest\" needs 'password', 'password_file' or 'password_env'."
            )
        return account


_COMMON = frozenset(
    {"server", "servers", "impu", "impi", "impus", "auth", "ca", "insecure", "expires", "instance"}
)  # fmt: skip
_KEYS_OF = {AuthScheme.DIGEST: secret_keys("password"), AuthScheme.AKA: AKA_KEYS, AuthScheme.BEARER: WEB_KEYS}
_SECRETS = frozenset({"password", "k", "op", "opc", "client_secret", "token"})


def _refuse_unknown_keys(settings: Settings, scheme: AuthScheme) -> None:
    unknown = settings.keys() - _COMMON - _KEYS_OF[scheme]
    for other, keys in _KEYS_OF.items():
        if foreign := sorted(unknown & keys):
            raise ConfigurationError(
                f'Account {settings.name!r} has auth = "{scheme.value}", but {", ".join(foreign)} '
                f'is for auth = "{other.value}".'
            )
    if unknown:
        raise ConfigurationError(f"Account {settings.name!r} has unknown settings: {', '.join(sorted(unknown))}.")


def _scheme(settings: Settings) -> AuthScheme:
    value = settings.text("auth", AuthScheme.DIGEST.value)
    try:
        return AuthScheme(value)
    except ValueError:
        raise ConfigurationError(
            f'Account {settings.name!r}: \'auth\' must be "digest", "aka" or "bearer", not {value!r}.'
        ) from None


def _derive_instance(account: Account) -> str:
    """Make an instance that survives restarts, as RFC 5626 §4.1 asks, and differs between machines."""
    return uuid.uuid5(_INSTANCE_NAMESPACE, f"{uuid.getnode():x} {account.impi} {account.impu}").urn
