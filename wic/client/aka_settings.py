"""What an account says of its USIM: keys, algorithms, and what a challenge may ask for."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.auth.aka import AKA_ALGORITHMS
from wic.auth.keys import make_functions, parse_key
from wic.client.settings import Settings, secret_keys
from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from wic.auth.aka import AkaFunctions
    from wic.auth.secret import Secret

__all__ = ["AKA_KEYS", "AkaSettings", "UsimKind"]

_AMF = re.compile("[0-9a-fA-F]{4}")
_ALGORITHMS = tuple(algorithm.name for algorithm in AKA_ALGORITHMS)
_DEFAULT_ALGORITHM = "AKAv2-SHA-256"  # TS 24.371 §6.2.1.3
AKA_KEYS = frozenset({"accept", "algorithm", "amf", "usim"}) | secret_keys("k", "op", "opc")


class UsimKind(enum.Enum):
    """Which functions the USIM computes."""

    MILENAGE = "milenage"
    """TS 35.206; K and OP or OPc have 16 octets."""
    TUAK = "tuak"
    """TS 35.231; K has 16 or 32 octets, TOP or TOPc 32."""


_K_OCTETS = {UsimKind.MILENAGE: (16,), UsimKind.TUAK: (16, 32)}
_OP_OCTETS = {UsimKind.MILENAGE: (16,), UsimKind.TUAK: (32,)}


@dataclass(frozen=True, slots=True, kw_only=True)
class AkaSettings:
    """The USIM of an account.

    Raises:
        ConfigurationError: a value cannot work; the sentence says what to change and shows no key.
    """

    k: Secret
    """The subscriber's key K, in hexadecimal digits."""
    op: Secret | None = None
    """The operator's OP (TUAK: TOP), in hexadecimal digits; either this one or `opc`."""
    opc: Secret | None = None
    """OPc (TUAK: TOPc), in hexadecimal digits."""
    amf: str = ""
    """The AMF that the network is said to use, four hexadecimal digits; a challenge that fails is explained with it."""
    algorithm: str = _DEFAULT_ALGORITHM
    """What the first REGISTER asks for."""
    accept: tuple[str, ...] = _ALGORITHMS
    """What a challenge may name; the strongest that the network offers is taken."""
    usim: UsimKind = UsimKind.MILENAGE
    """Which functions the keys are for."""

    def __post_init__(self) -> None:
        for key, names in (("algorithm", (self.algorithm,)), ("accept", self.accept)):
            if unknown := [name for name in names if name not in _ALGORITHMS]:
                raise ConfigurationError(f"{key!r} takes {', '.join(_ALGORITHMS)}, and not {unknown[0]!r}.")
        if (self.op is None) == (self.opc is None):
            raise ConfigurationError("AKA needs either 'op' or 'opc', and not both.")
        if self.amf and not _AMF.fullmatch(self.amf):
            raise ConfigurationError(f"'amf' must be four hexadecimal digits such as 8000, not {self.amf!r}.")
        self.functions()  # tells now what is wrong with the keys

    def functions(self) -> AkaFunctions:
        """Return the functions of the USIM with its keys.

        Raises:
            ConfigurationError: a key is not what it should be.
        """
        op = parse_key("op", self.op, sizes=_OP_OCTETS[self.usim]) if self.op else None
        opc = parse_key("opc", self.opc, sizes=_OP_OCTETS[self.usim]) if self.opc else None
        return make_functions(self.usim.value, self.key, op=op, opc=opc)

    @property
    def key(self) -> bytes:
        """K as octets."""
        return parse_key("k", self.k, sizes=_K_OCTETS[self.usim])

    @classmethod
    def read(cls, settings: Settings) -> AkaSettings:
        """Read the USIM of an account.

        Raises:
            ConfigurationError: something is missing or cannot work.
        """
        k = settings.secret("k")
        if k is None:
            raise ConfigurationError(f"Account {settings.name!r} with auth = \"aka\" needs 'k', 'k_file' or 'k_env'.")
        kind = settings.text("usim", UsimKind.MILENAGE.value)
        try:
            usim = UsimKind(kind)
        except ValueError:
            raise ConfigurationError(
                f'Account {settings.name!r}: \'usim\' must be "milenage" or "tuak", not {kind!r}.'
            ) from None
        try:
            return cls(
                k=k,
                op=settings.secret("op"),
                opc=settings.secret("opc"),
                amf=settings.text("amf"),
                algorithm=settings.text("algorithm", _DEFAULT_ALGORITHM),
                accept=settings.texts("accept") or _ALGORITHMS,
                usim=usim,
            )
        except ConfigurationError as error:
            sentence = str(error).rstrip(".")
            raise ConfigurationError(f"Account {settings.name!r}: {sentence}.") from None
