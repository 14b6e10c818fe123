"""Accounts: who registers where, with which secret, read from `accounts.toml` or built by hand."""

from __future__ import annotations

import enum
import os
import re
import tomllib
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from wic.client.passwords import no_password, read_password, warn_of_shared
from wic.errors import ConfigurationError, WicError
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wic.auth.secret import Secret

__all__ = ["Account", "AuthScheme", "default_path"]

_T = TypeVar("_T", str, int, bool)

_INSTANCE_NAMESPACE = uuid.UUID("6f7f2f3c-5a0e-5d0b-9c0e-2d8f7c1f3a11")
_DEFAULT_EXPIRES = 600_000  # TS 24.229 §5.1.1.2.1: what a UE asks for
_INSTANCE = re.compile(r"urn:uuid:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class AuthScheme(enum.Enum):
    """How an account proves who it is."""

    DIGEST = "digest"
    AKA = "aka"
    BEARER = "bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One subscription as a client needs it.

    Raises:
        ConfigurationError: a value cannot work; the sentence says what to change.
    """

    server: str
    """The W2 address, `wss://host:port/path`, or `ws://…` together with `insecure`."""
    impu: str
    """The public user identity, a SIP URI such as `sip:alice@ims.example`."""
    impi: str
    """The private user identity, such as `alice@ims.example`."""
    name: str = "command line"
    """What messages call this account."""
    auth: AuthScheme = AuthScheme.DIGEST
    """Only SIP Digest is available in this version."""
    password: Secret = field(default_factory=no_password)
    """The secret of SIP Digest."""
    ca: Path | None = None
    """A PEM file with further trust anchors."""
    insecure: bool = False
    """Allow `ws://`, where anybody on the way can read and change everything."""
    expires: int = _DEFAULT_EXPIRES
    """Seconds of registration asked for."""
    instance: str = ""
    """The `+sip.instance` of RFC 5626 §4.1; left empty, one that stays the same on this machine is derived."""

    def __post_init__(self) -> None:
        _check_scheme(self)
        _check_server(self)
        _check_identities(self)
        _check_rest(self)
        if not self.instance:
            object.__setattr__(self, "instance", _derive_instance(self))

    @property
    def domain(self) -> str:
        """The home domain, which is the host of the public identity."""
        return Uri.parse(self.impu).host

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
        accounts = _read_accounts(file)
        if name not in accounts:
            known = ", ".join(sorted(accounts)) or "none"
            raise ConfigurationError(f"{file} has no account named {name!r}; it has: {known}.")
        settings = accounts[name]
        if not isinstance(settings, dict):
            raise ConfigurationError(f"In {file}, accounts.{name} must be a table: [accounts.{name}].")
        warn_of_shared(file, settings)
        return cls.from_settings(name, settings, folder=file.parent)

    @classmethod
    def from_settings(cls, name: str, settings: Mapping[str, object], *, folder: Path) -> Account:
        """Build an account from the keys an accounts file may hold.

        Args:
            name: what messages call the account.
            settings: `server`, `impu`, `impi`, `auth`, one of `password`, `password_file`, `password_env`,
                and optionally `ca`, `insecure`, `expires`, `instance`.
            folder: what relative file names are relative to.

        Raises:
            ConfigurationError: a key is missing, unknown or has a value that cannot work.
        """
        scheme = _scheme(name, settings.get("auth", AuthScheme.DIGEST.value))
        _refuse_unknown_keys(name, settings)
        text = _TextSettings(name, settings)
        ca = text.optional("ca")
        return cls(
            name=name,
            server=text.required("server"),
            impu=text.required("impu"),
            impi=text.required("impi"),
            auth=scheme,
            password=read_password(name, settings, folder=folder),
            ca=folder / Path(ca).expanduser() if ca else None,
            insecure=_typed(name, settings, "insecure", bool, False),
            expires=_typed(name, settings, "expires", int, _DEFAULT_EXPIRES),
            instance=text.optional("instance"),
        )


_KEYS = frozenset(
    {
        "server", "impu", "impi", "auth", "ca", "insecure", "expires", "instance",
        "password", "password_file", "password_env",
    }
)  # fmt: skip


def default_path() -> Path:
    """Tell where the accounts file is when nobody names one."""
    named = os.environ.get("WIC_ACCOUNTS")
    if named:
        return Path(named).expanduser()
    home = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    return (Path(home) if home else Path.home() / ".config") / "wic" / "accounts.toml"


def _read_accounts(file: Path) -> Mapping[str, object]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no accounts file {file}; name one with --accounts or $WIC_ACCOUNTS."
        ) from None
    except OSError as error:
        raise ConfigurationError(f"The accounts file {file} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # TOML and UTF-8 errors alike
        raise ConfigurationError(f"The accounts file {file} is not valid TOML: {error}.") from error
    accounts = document.get("accounts", {})
    if not isinstance(accounts, dict):
        raise ConfigurationError(f"In {file}, `accounts` must be a table: write [accounts.NAME].")
    return accounts


class _TextSettings:
    """Reads texts out of settings and names the account when it cannot."""

    def __init__(self, name: str, settings: Mapping[str, object]) -> None:
        self._name = name
        self._settings = settings

    def required(self, key: str) -> str:
        value = self.optional(key)
        if not value:
            raise ConfigurationError(f"Account {self._name!r} needs {key!r}.")
        return value

    def optional(self, key: str) -> str:
        return _typed(self._name, self._settings, key, str, "")


def _typed(name: str, settings: Mapping[str, object], key: str, kind: type[_T], default: _T) -> _T:
    value = settings.get(key, default)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigurationError(f"Account {name!r}: {key!r} must be a {_KIND_NAMES[kind]}.")
    return value


_KIND_NAMES: dict[type, str] = {str: "text", int: "number", bool: "boolean (true or false)"}


def _refuse_unknown_keys(name: str, settings: Mapping[str, object]) -> None:
    unknown = sorted(set(settings) - _KEYS)
    if unknown:
        raise ConfigurationError(f"Account {name!r} has unknown settings: {', '.join(unknown)}.")


def _scheme(name: str, value: object) -> AuthScheme:
    try:
        scheme = AuthScheme(value)
    except ValueError:
        raise ConfigurationError(f"Account {name!r}: 'auth' must be \"digest\", not {value!r}.") from None
    if scheme is not AuthScheme.DIGEST:
        raise ConfigurationError(
            f'Account {name!r} wants auth = "{scheme.value}", which is not available yet in this version; use "digest".'
        )
    return scheme


def _check_scheme(account: Account) -> None:
    _scheme(account.name, account.auth.value)


def _check_server(account: Account) -> None:
    try:
        url = urlsplit(account.server)
        usable = bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
        url = urlsplit("")
    if not usable or url.scheme not in {"ws", "wss"}:
        raise ConfigurationError(
            f"Account {account.name!r}: 'server' must look like wss://host:port/, not {account.server!r}."
        )
    if url.scheme == "ws" and not account.insecure:
        raise ConfigurationError(
            f"Account {account.name!r}: {account.server} is not encrypted; use wss:// or set insecure = true."
        )


def _check_identities(account: Account) -> None:
    try:
        impu = Uri.parse(account.impu)
    except WicError as error:
        raise ConfigurationError(f"Account {account.name!r}: 'impu' is not a URI: {error}.") from error
    if impu.scheme not in {"sip", "sips"} or not impu.user:
        raise ConfigurationError(f"Account {account.name!r}: 'impu' must look like sip:user@domain.")
    if not account.impi or any(character in account.impi for character in '"\\\r\n\0'):
        raise ConfigurationError(f"Account {account.name!r}: 'impi' must look like user@domain.")


def _check_rest(account: Account) -> None:
    if account.expires < 1:
        raise ConfigurationError(f"Account {account.name!r}: 'expires' must be at least 1 second.")
    if account.instance and not _INSTANCE.fullmatch(account.instance):
        raise ConfigurationError(f"Account {account.name!r}: 'instance' must look like urn:uuid:… (RFC 4122).")


def _derive_instance(account: Account) -> str:
    """Make an instance that survives restarts, as RFC 5626 §4.1 asks, and differs between machines."""
    return uuid.uuid5(_INSTANCE_NAMESPACE, f"{uuid.getnode():x} {account.impi} {account.impu}").urn
