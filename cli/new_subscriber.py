"""The options that describe a new subscriber, and what is made of them."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import click

from wic.accounts import read_secret_file
from wic.auth.aka import AKA_ALGORITHMS, find_aka_algorithm
from wic.auth.keys import FUNCTION_SETS, parse_key
from wic.errors import ConfigurationError
from wic.network.enrolment import Auth, SubscriberIdentities
from wic.network.hss import UsimKeys

from .accounts import new_password

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.network.hss import SubscriberProfile
    from wic.network.provisioning import Provisioning

    from .options import Common

P = ParamSpec("P")

_FILE = click.Path(dir_okay=False, path_type=Path)
_K_OCTETS = {"milenage": (16,), "tuak": (16, 32)}
_OP_OCTETS = {"milenage": (16,), "tuak": (32,)}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscriber:
    """What the options say."""

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
            ConfigurationError: the options do not go together, or something that they say cannot be.
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
        if self.auth == Auth.AKA.value:
            return provisioning.add_with_usim(new, usim=self._keys(), algorithm=self.algorithm)
        password = new_password(self.password_file)
        if self.auth == Auth.BEARER.value:
            return provisioning.add_web_user(new, password=password)
        return provisioning.add(new, password=password, algorithm=self.algorithm)

    def _check(self) -> None:
        if self.barred and not (self.tel or self.impu):
            raise ConfigurationError(
                "--barred leaves no identity to be known by: give another one with --impu or --tel."
            )
        if (self.k_file or self.op_file or self.opc_file) and self.auth != Auth.AKA.value:
            raise ConfigurationError("--k-file, --op-file and --opc-file go with --auth aka.")
        if self.auth == Auth.BEARER.value and self.algorithm:
            raise ConfigurationError("--algorithm goes with --auth digest or aka.")
        if self.auth == Auth.AKA.value and self.algorithm and find_aka_algorithm(self.algorithm) is None:
            known = ", ".join(each.name for each in AKA_ALGORITHMS)
            raise ConfigurationError(f"{self.algorithm!r} is no algorithm of AKA; choose among {known}.")

    def _keys(self) -> UsimKeys:
        if self.k_file is None and self.op_file is None and self.opc_file is None:
            return UsimKeys.made_up(self.usim)
        if self.k_file is None or (self.op_file is None) == (self.opc_file is None):
            raise ConfigurationError("A USIM has K and one of OP and OPc: give --k-file, and --op-file or --opc-file.")
        return UsimKeys(
            functions=self.usim,
            k=parse_key("K", read_secret_file(self.k_file, what="K"), sizes=_K_OCTETS[self.usim]),
            op=self._operator_value("OP", self.op_file),
            opc=self._operator_value("OPc", self.opc_file),
        )

    def _operator_value(self, name: str, file: Path | None) -> bytes | None:
        if file is None:
            return None
        return parse_key(name, read_secret_file(file, what=name), sizes=_OP_OCTETS[self.usim])


def new_subscriber_options(
    command: Callable[Concatenate[Common, Path, str, NewSubscriber, P], None],
) -> Callable[Concatenate[Common, P], None]:
    """Give a command the options that describe a new subscriber."""

    @click.option(
        "--auth",
        type=click.Choice([each.value for each in Auth]),
        default=Auth.DIGEST.value,
        show_default=True,
        help="How it proves who it is: a password, a USIM, or access tokens of the WAF.",
    )
    @click.option("--algorithm", metavar="NAME", help="The only Digest algorithm; or the one of AKA to ask for.")
    @click.option("--tel", metavar="URI", help="A telephone number of the subscriber, such as tel:+4930123.")
    @click.option("--impu", metavar="URI", multiple=True, help="Another identity that is registered together with it.")
    @click.option("--separate", metavar="URI", multiple=True, help="An identity that is registered by itself.")
    @click.option("--barred", is_flag=True, help="sip:NAME@DOMAIN may only be registered, neither used nor called.")
    @click.option("--pool", is_flag=True, help="The WWSF lends the identities to its visitors; there is no account.")
    @click.option("--password-file", type=_FILE, metavar="FILE", help="Holds the password; else one is made up.")
    @click.option("--k-file", type=_FILE, metavar="FILE", help="Holds K in hexadecimal; else keys are made up.")
    @click.option("--op-file", type=_FILE, metavar="FILE", help="Holds OP (TUAK: TOP).")
    @click.option("--opc-file", type=_FILE, metavar="FILE", help="Holds OPc (TUAK: TOPc).")
    @click.option(
        "--usim",
        type=click.Choice(FUNCTION_SETS),
        default=FUNCTION_SETS[0],
        show_default=True,
        help="The functions of --auth aka.",
    )
    @click.option("--allow-waf", metavar="ENTITY", multiple=True, help="Only these third parties may vouch for it.")
    @click.option("--bar-waf", metavar="ENTITY", multiple=True, help="This third party may not vouch for it.")
    @functools.wraps(command)
    def with_options(settings: Common, /, *args: P.args, **kwargs: P.kwargs) -> None:
        options = {each.name: kwargs.pop(each.name) for each in fields(NewSubscriber)}
        command(settings, *args, new=NewSubscriber(**options), **kwargs)  # type: ignore[arg-type]

    return with_options
