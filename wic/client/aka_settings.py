"""What an account says of its USIM: keys, algorithms, and what a challenge may ask for."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.client.settings import Settings, secret_keys
from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from wic.auth.secret import Secret

__all__ = ["AKA_KEYS", "AkaSettings", "UsimKind"]

ALGORITHMS = ("AKAv2-SHA-512-256", "AKAv2-SHA-256", "AKAv2-MD5", "AKAv1-MD5")
"""What can be asked for, strongest first."""
DEFAULT_ALGORITHM = "AKAv2-SHA-256"  # TS 24.371 §6.2.1.3
AKA_KEYS = frozenset({"algorithm", "amf", "usim"}) | secret_keys("k", "op", "opc")
_DEFAULT_AMF = "8000"


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
    amf: str = _DEFAULT_AMF
    """The AMF that the network uses, four hexadecimal digits (TS 33.102 Annex H: the first bit is set)."""
    algorithm: str = DEFAULT_ALGORITHM
    """What the first REGISTER asks for; nothing weaker is accepted."""
    usim: UsimKind = UsimKind.MILENAGE
    """Which functions the keys are for."""

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise ConfigurationError(f"'algorithm' must be one of {', '.join(ALGORITHMS)}, not {self.algorithm!r}.")
        _check_hex("k", self.k, _K_OCTETS[self.usim])
        if (self.op is None) == (self.opc is None):
            raise ConfigurationError("AKA needs either 'op' or 'opc', and not both.")
        _check_hex("op" if self.op else "opc", self.op or self.opc, _OP_OCTETS[self.usim])
        if _octets(self.amf) != 2:
            raise ConfigurationError(f"'amf' must be four hexadecimal digits such as 8000, not {self.amf!r}.")

    @property
    def acceptable(self) -> tuple[str, ...]:
        """The algorithms a challenge may name, strongest first: the one asked for and what is stronger."""
        return ALGORITHMS[: ALGORITHMS.index(self.algorithm) + 1]

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
                amf=settings.text("amf", _DEFAULT_AMF),
                algorithm=settings.text("algorithm", DEFAULT_ALGORITHM),
                usim=usim,
            )
        except ConfigurationError as error:
            raise ConfigurationError(f"Account {settings.name!r}: {error}") from None


def _check_hex(key: str, secret: Secret | None, octets: tuple[int, ...]) -> None:
    found = _octets(secret.reveal()) if secret is not None else None
    if found not in octets:
        wanted = " or ".join(str(2 * each) for each in octets)
        given = "something else" if secret is None or found is None else f"{2 * found} of them"
        raise ConfigurationError(f"'{key}' must be {wanted} hexadecimal digits, and holds {given}.")


def _octets(text: str) -> int | None:
    """How many octets hexadecimal digits stand for; None if they are none."""
    try:
        return len(bytes.fromhex(text)) if text.isalnum() else None
    except ValueError:
        return None
