"""One subscription as a client needs it: network, identities and credentials."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wic.accounts.aka_settings import AkaSettings
from wic.accounts.reader import AccountTable, check_url, default_path, read_account
from wic.accounts.schema import DEFAULT_EXPIRES, AuthScheme
from wic.accounts.web_authorization import WebAuthorization
from wic.auth.secret import Secret
from wic.errors import ConfigurationError, WicError
from wic.registration import parse_impu

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

__all__ = ["Account", "is_registrable"]

# Not to be changed: with it every derived instance would, and each client would look like a second device.
_INSTANCE_NAMESPACE = uuid.UUID("6f7f2f3c-5a0e-5d0b-9c0e-2d8f7c1f3a11")
_UNQUOTABLE = frozenset('"\\\r\n\0')
_INSTANCE = re.compile(r"urn:uuid:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


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
    """Further public user identities to register, where the network does not register them by itself."""
    name: str = "unnamed"
    """The account's name in error messages."""
    auth: AuthScheme = AuthScheme.DIGEST
    """Authentication scheme of the account."""
    password: Secret = field(default_factory=lambda: Secret(""))
    """The secret of SIP Digest."""
    aka: AkaSettings | None = None
    """The USIM, for IMS AKA; None with a card reader (`ClientOptions.usim`)."""
    web: WebAuthorization | None = None
    """Source of access tokens; with them come the server and the identities that the account does not name."""
    realms: tuple[str, ...] = ()
    """Realms in which challenges to any request are answered, besides those that a registration proves."""
    ca: Path | None = None
    """A PEM file with further trust anchors."""
    insecure: bool = False
    """Allow `ws://`: every host on the path can then read and change all messages."""
    expires: int = DEFAULT_EXPIRES
    """Seconds of registration asked for."""
    edge_route: bool = True
    """Whether requests name the eP-CSCF in Route, in front of the Service-Route; False for a server that minds."""
    instance: str = ""
    """The `+sip.instance` of RFC 5626 §4.1; left empty, one that stays the same on this machine is derived.

    It stays empty as long as the identities are unknown.
    """
    derived_instance: str = field(init=False, repr=False, compare=False, default="")
    """The instance of this user on this machine: the one in use, unless another was chosen."""
    domain: str = field(init=False, repr=False, compare=False, default="")
    """The home domain: the host of the public identity; empty as long as that is unknown."""

    def __post_init__(self) -> None:
        # Both forms are always set, so that no reader has to know which of them the user wrote.
        servers = tuple(dict.fromkeys(filter(None, (self.server, *self.servers))))
        object.__setattr__(self, "servers", servers)
        object.__setattr__(self, "server", servers[0] if servers else "")
        self._check()
        if self.impu:  # a pool, or a token, may give it later
            object.__setattr__(self, "domain", parse_impu(self.impu).host)
            object.__setattr__(self, "derived_instance", _derive_instance(self.impi, self.impu))
        if not self.instance:
            object.__setattr__(self, "instance", self.derived_instance)

    @classmethod
    def load(cls, name: str, path: str | os.PathLike[str] | None = None) -> Account:
        """Read the account `name` from an accounts file.

        Args:
            name: the table's name below `[accounts]`.
            path: the file; without it `$WIC_ACCOUNTS`, else `accounts.toml` in the user's configuration directory.

        Raises:
            ConfigurationError: no such file or account, or a value in it cannot work.
        """
        return cls._from_table(read_account(Path(path) if path is not None else default_path(), name))

    @classmethod
    def from_settings(cls, name: str, settings: Mapping[str, object], *, folder: Path) -> Account:
        """Build an account from the keys an accounts file may hold.

        Args:
            name: the account's name in error messages.
            settings: keys of `wic.accounts.schema`; a secret may also be in a file or a variable, as in
                `password_file` and `password_env`.
            folder: the directory at which relative file names start.

        Raises:
            ConfigurationError: a key is missing, unknown or has a value that cannot work.
        """
        return cls._from_table(AccountTable(name, settings, folder=folder))

    @classmethod
    def _from_table(cls, table: AccountTable) -> Account:
        # TS 24.371 §6.2.3: the WWSF assigns the identities of a pool, so that an account cannot ask for its own.
        web = WebAuthorization.read(table) if table.auth is AuthScheme.BEARER else None
        if web is not None and web.pool is not None and any(key in table for key in ("impu", "impi", "impus")):
            raise ConfigurationError(
                f"Account {table.name!r}: with 'pool' the WWSF assigns the identities; leave out 'impu', 'impi' and 'impus'."
            )
        account = cls(
            name=table.name,
            server=table.text("server"),
            servers=table.texts("servers"),
            impu=table.text("impu"),
            impi=table.text("impi"),
            impus=table.texts("impus"),
            auth=table.auth,
            password=table.secret("password") or Secret(""),  # missing is refused below, where the scheme needs it
            aka=AkaSettings.read(table) if table.auth is AuthScheme.AKA else None,
            web=web,
            realms=table.texts("realms"),
            ca=table.file("ca"),
            insecure=table.flag("insecure"),
            expires=table.number("expires"),
            edge_route=table.flag("edge_route"),
            instance=table.text("instance"),
        )
        if table.auth is AuthScheme.DIGEST and not account.password.reveal():
            raise ConfigurationError(
                f"Account {table.name!r} with auth = \"digest\" needs 'password', 'password_file' or 'password_env'."
            )
        return account

    def _check(self) -> None:
        """Refuse values that cannot work."""
        web = self.web
        if self.auth is AuthScheme.BEARER and web is None:
            raise ConfigurationError(f"Account {self.name!r} with auth = \"bearer\" needs 'waf', 'wwsf' or 'token'.")
        needed = [] if web is not None and web.wwsf else ["server"]  # the WWSF names its eP-CSCF
        # TS 24.371 §6.2.3: a pool's identities come from the WWSF; those of a web user come with the token.
        needed += [] if web is not None and web.token is None else ["impu", "impi"]
        for key in needed:
            if not getattr(self, key):
                raise ConfigurationError(f"Account {self.name!r} needs {key!r}.")
        for server in self.servers:  # RFC 7118 §5: SIP over WebSocket
            check_url(server, account=self.name, key="server", schemes=("wss", "ws"), insecure=self.insecure)
        for key, impu in (("impu", self.impu), *(("impus", each) for each in self.impus)):
            if (impu or key == "impus") and not is_registrable(impu):
                raise ConfigurationError(
                    f"Account {self.name!r}: {key!r} must look like sip:user@domain, not {impu!r}."
                )
        # The private identity stands in quotes in Authorization, where these would end it, or the header line.
        if not _UNQUOTABLE.isdisjoint(self.impi):
            raise ConfigurationError(f"Account {self.name!r}: 'impi' must look like user@domain.")
        # RFC 3261 §10.2.2: 0 would deregister; §20.19: no span is longer than 2**32-1.
        if not 1 <= self.expires < 1 << 32:
            raise ConfigurationError(f"Account {self.name!r}: 'expires' must be from 1 to {(1 << 32) - 1} seconds.")
        if self.instance and not _INSTANCE.fullmatch(self.instance):
            raise ConfigurationError(f"Account {self.name!r}: 'instance' must look like urn:uuid:… (RFC 4122).")


def is_registrable(text: str) -> bool:
    """Tell whether a text is an identity that a REGISTER can name: the SIP URI of a user (RFC 3261 §10.2)."""
    try:
        impu = parse_impu(text)
    except WicError:
        return False
    return impu.scheme in {"sip", "sips"} and bool(impu.user)  # TS 23.003 §13.4


def _derive_instance(impi: str, impu: str) -> str:
    """Make an instance that survives restarts, as RFC 5626 §4.1 asks, and differs between machines."""
    # RFC 9562 §5.5: a hash of names. The node number tells machines apart that share an accounts file.
    return uuid.uuid5(_INSTANCE_NAMESPACE, f"{uuid.getnode():x} {impi} {impu}").urn
