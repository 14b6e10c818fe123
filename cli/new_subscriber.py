"""Options that describe a new subscriber, and the subscriber they make."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import click

from wic.accounts import AuthScheme, UsimKind, read_secret_file
from wic.accounts.aka_settings import K_OCTETS, OP_OCTETS
from wic.accounts.schema import ALGORITHMS
from wic.auth.aka import find_aka_algorithm
from wic.auth.keys import parse_key
from wic.errors import ConfigurationError
from wic.network.enrolment import SubscriberIdentities
from wic.network.hss import UsimKeys

from .accounts import new_password
from .help import option

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.network.hss import SubscriberProfile
    from wic.network.provisioning import Provisioning


P = ParamSpec("P")

_FILE = click.Path(dir_okay=False, path_type=Path)
IDENTITIES, CREDENTIALS = "Identities", "Credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscriber:
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

    def add(self, name: str, provisioning: Provisioning) -> SubscriberProfile:
        """Add the subscriber.

        Raises:
            ConfigurationError: options exclude each other, or a value cannot work.
        """
        further = (*((self.tel,) if self.tel else ()), *self.impu)
        new = SubscriberIdentities(name=name, further=further, separate=self.separate, barred=self.barred)
        self._check()
        subscriber = self._add(new, provisioning)
        if self.allow_waf or self.bar_waf:
            provisioning.hss.set_entities(subscriber.impi, allowed=self.allow_waf, barred=self.bar_waf)
        return subscriber

    def _add(self, new: SubscriberIdentities, provisioning: Provisioning) -> SubscriberProfile:
        if self.pool:
            return provisioning.add_to_pool(new)
        if self.auth == AuthScheme.AKA.value:
            return provisioning.add_with_usim(new, usim=self._keys(), algorithm=self.algorithm)
        password = new_password(self.password_file)  # None has one generated
        if self.auth == AuthScheme.BEARER.value:
            return provisioning.add_web_user(new, password=password)
        return provisioning.add(new, password=password, algorithm=self.algorithm)

    def _check(self) -> None:
        # TS 23.228 §5.2.1: a barred identity serves registrations only, so there has to be another one.
        if self.barred and not (self.tel or self.impu):
            raise ConfigurationError("--barred leaves no identity to call with: give another one with --impu or --tel.")
        if (self.k_file or self.op_file or self.opc_file) and self.auth != AuthScheme.AKA.value:
            raise ConfigurationError("--k-file, --op-file and --opc-file go with --auth aka.")
        if self.auth == AuthScheme.BEARER.value and self.algorithm:
            raise ConfigurationError("--algorithm goes with --auth digest or aka.")
        if self.auth == AuthScheme.AKA.value and self.algorithm and find_aka_algorithm(self.algorithm) is None:
            raise ConfigurationError(
                f"{self.algorithm!r} is not an AKA algorithm; choose among {', '.join(ALGORITHMS)}."
            )

    def _keys(self) -> UsimKeys:
        if self.k_file is None and self.op_file is None and self.opc_file is None:
            return UsimKeys.made_up(self.usim)
        # TS 35.206 §4.1: OPc is derived from OP, so that one of them is enough.
        if self.k_file is None or (self.op_file is None) == (self.opc_file is None):
            raise ConfigurationError("A USIM has K and one of OP and OPc: give --k-file, and --op-file or --opc-file.")
        return UsimKeys(
            functions=self.usim,
            k=parse_key("K", read_secret_file(self.k_file, what="K"), sizes=K_OCTETS[UsimKind(self.usim)]),
            op=self._operator_value("OP", self.op_file),
            opc=self._operator_value("OPc", self.opc_file),
        )

    def _operator_value(self, name: str, file: Path | None) -> bytes | None:
        if file is None:
            return None
        return parse_key(name, read_secret_file(file, what=name), sizes=OP_OCTETS[UsimKind(self.usim)])


def new_subscriber_options(command: Callable[Concatenate[Path, str, NewSubscriber, P], None]) -> Callable[P, None]:
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
        metavar="ENTITY",
        multiple=True,
        group=CREDENTIALS,
        help="Accept tokens of this third-party WAF and of no other (repeatable).",
    )
    @option(
        "--bar-waf",
        metavar="ENTITY",
        multiple=True,
        group=CREDENTIALS,
        help="Refuse tokens of this third-party WAF (repeatable).",
    )
    @functools.wraps(command)
    def with_options(*args: P.args, **kwargs: P.kwargs) -> None:
        values = {each.name: kwargs.pop(each.name) for each in fields(NewSubscriber)}
        command(*args, new=NewSubscriber(**values), **kwargs)  # type: ignore[arg-type]

    return with_options
