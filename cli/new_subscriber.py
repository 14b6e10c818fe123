"""Options that describe new subscribers, and the subscribers they make."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

import click

from wic.accounts import AuthScheme, UsimKind, read_secret_file
from wic.accounts.aka_settings import K_OCTETS, OP_OCTETS
from wic.auth.keys import parse_key
from wic.errors import ConfigurationError
from wic.network.enrolment import NewSubscriber
from wic.network.hss import UsimKeys

from .accounts import new_password
from .help import option

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.auth.secret import Secret

P = ParamSpec("P")

_FILE = click.Path(dir_okay=False, path_type=Path)
IDENTITIES, CREDENTIALS = "Identities", "Credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberSecrets:
    """Secrets of a new subscriber; what is None is generated."""

    password: Secret | None = None
    k: Secret | None = None
    op: Secret | None = None
    opc: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberOptions:
    """Values of the options."""

    auth: str
    algorithm: str | None
    tel: str | None
    impu: tuple[str, ...]
    separate: tuple[str, ...]
    barred: bool
    pool: bool
    password_file: Path | None
    k_file: Path | None
    op_file: Path | None
    opc_file: Path | None
    usim: str
    allow_waf: tuple[str, ...]
    bar_waf: tuple[str, ...]

    def read_secrets(self) -> SubscriberSecrets:
        """Read the secrets that files and the environment hold.

        Raises:
            ConfigurationError: a file cannot be read.
        """

        def read(name: str, file: Path | None) -> Secret | None:
            return None if file is None else read_secret_file(file, what=name)

        return SubscriberSecrets(
            password=new_password(self.password_file),  # with any `auth`: rows of a CSV file may have another
            k=read("K", self.k_file),
            op=read("OP", self.op_file),
            opc=read("OPc", self.opc_file),
        )

    def subscriber(self, name: str, secrets: SubscriberSecrets) -> NewSubscriber:
        """Return the subscriber of a name with these secrets.

        Raises:
            ConfigurationError: options exclude each other, or a value cannot work.
        """
        self._check(secrets)
        auth = AuthScheme(self.auth)
        return NewSubscriber(
            name=name,
            further=(*((self.tel,) if self.tel else ()), *self.impu),
            separate=self.separate,
            barred=self.barred,
            auth=auth,
            password=secrets.password,
            usim=self._usim(secrets) if auth is AuthScheme.AKA else None,
            algorithm=self.algorithm,
            pool=self.pool,
            allowed_entities=self.allow_waf,
            barred_entities=self.bar_waf,
        )

    def _check(self, secrets: SubscriberSecrets) -> None:
        # TS 23.228 §5.2.1: a barred identity serves registrations only, so there has to be another one.
        if self.barred and not (self.tel or self.impu):
            raise ConfigurationError("--barred leaves no identity to call with: give another one with --impu or --tel.")
        if self.password_file and (self.pool or self.auth == AuthScheme.AKA.value):
            raise ConfigurationError("--password-file goes with --auth digest or bearer, and not with --pool.")
        if (secrets.k or secrets.op or secrets.opc) and (self.pool or self.auth != AuthScheme.AKA.value):
            raise ConfigurationError("K, OP and OPc go with --auth aka, and not with --pool.")
        if self.auth == AuthScheme.BEARER.value and self.algorithm:
            raise ConfigurationError("--algorithm goes with --auth digest or aka.")

    def _usim(self, secrets: SubscriberSecrets) -> UsimKeys:
        kind = UsimKind(self.usim)
        if secrets.k is None and secrets.op is None and secrets.opc is None:
            return UsimKeys.made_up(kind.value)
        # TS 35.206 §4.1: OPc is derived from OP, so that one of them is enough.
        if secrets.k is None or (secrets.op is None) == (secrets.opc is None):
            raise ConfigurationError("A USIM has K and one of OP and OPc: give --k-file, and --op-file or --opc-file.")
        return UsimKeys(
            functions=kind.value,
            k=parse_key("K", secrets.k, sizes=K_OCTETS[kind]),
            op=None if secrets.op is None else parse_key("OP", secrets.op, sizes=OP_OCTETS[kind]),
            opc=None if secrets.opc is None else parse_key("OPc", secrets.opc, sizes=OP_OCTETS[kind]),
        )


def new_subscriber_options(command: Callable[P, None]) -> Callable[P, None]:
    """Give a command the options that describe a new subscriber."""

    @option(
        "--impu",
        metavar="URI",
        multiple=True,
        group=IDENTITIES,
        help="Another identity of the implicit registration set (repeatable).",
    )
    @option("--tel", metavar="URI", group=IDENTITIES, help="Telephone number of the same set, such as tel:+4930123.")
    @option(
        "--separate",
        metavar="URI",
        multiple=True,
        group=IDENTITIES,
        help="Another identity with a registration of its own (repeatable).",
    )
    @option(
        "--barred",
        is_flag=True,
        group=IDENTITIES,
        help="Bar sip:NAME@DOMAIN: it can be registered, but cannot call or be called.",
    )
    @option(
        "--pool", is_flag=True, group=IDENTITIES, help="Add the identities to the pool of the WWSF, without an account."
    )
    @option(
        "--auth",
        type=click.Choice([each.value for each in AuthScheme]),
        default=AuthScheme.DIGEST.value,
        show_default=True,
        group=CREDENTIALS,
        help="Authenticate with a password, a USIM or access tokens of the WAF.",
    )
    @option(
        "--algorithm",
        metavar="NAME",
        group=CREDENTIALS,
        help="Digest algorithm, such as SHA-256, or AKA algorithm.  [default: any for Digest, AKAv2-SHA-256 for AKA]",
    )
    @option(
        "--password-file",
        type=_FILE,
        metavar="FILE",
        group=CREDENTIALS,
        help="File with the password in its first line.  [default: $WIC_PASSWORD, else a generated one]",
    )
    @option(
        "--k-file",
        type=_FILE,
        metavar="FILE",
        group=CREDENTIALS,
        help="File with K in hexadecimal digits, with --auth aka.  [default: generated keys]",
    )
    @option("--op-file", type=_FILE, metavar="FILE", group=CREDENTIALS, help="File with OP (TUAK: TOP).")
    @option("--opc-file", type=_FILE, metavar="FILE", group=CREDENTIALS, help="File with OPc (TUAK: TOPc).")
    @option(
        "--usim",
        type=click.Choice([each.value for each in UsimKind]),
        default=UsimKind.MILENAGE.value,
        show_default=True,
        group=CREDENTIALS,
        help="Authentication functions of the USIM, with --auth aka.",
    )
    @option(
        "--allow-waf",
        metavar="ISSUER",
        multiple=True,
        group=CREDENTIALS,
        help="Accept tokens of this third-party WAF and of no other (repeatable).",
    )
    @option(
        "--bar-waf",
        metavar="ISSUER",
        multiple=True,
        group=CREDENTIALS,
        help="Refuse tokens of this third-party WAF (repeatable).",
    )
    @functools.wraps(command)
    def with_options(*args: P.args, **kwargs: P.kwargs) -> None:
        values = {each.name: kwargs.pop(each.name) for each in fields(SubscriberOptions)}
        command(*args, new=SubscriberOptions(**values), **kwargs)  # type: ignore[arg-type]

    return with_options
