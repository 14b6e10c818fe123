"""USIM of an account: its keys, its functions, and the algorithms it accepts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.accounts.schema import ALGORITHMS, DEFAULT_ALGORITHM, UsimKind
from wic.auth.keys import make_functions, parse_key
from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from wic.accounts.reader import AccountTable
    from wic.auth.aka import AkaFunctions
    from wic.auth.secret import Secret

__all__ = ["K_OCTETS", "OP_OCTETS", "AkaSettings"]

_AMF = re.compile("[0-9a-fA-F]{4}")
# TS 35.206 (MILENAGE), TS 35.231 (TUAK).
K_OCTETS = {UsimKind.MILENAGE: (16,), UsimKind.TUAK: (16, 32)}
"""Lengths of the key K."""
OP_OCTETS = {UsimKind.MILENAGE: (16,), UsimKind.TUAK: (32,)}
"""Lengths of OP and OPc, or of TOP and TOPc."""


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
    """The AMF of the network, four hexadecimal digits, for the explanation of a failed challenge."""
    algorithm: str = DEFAULT_ALGORITHM
    """Algorithm that the first REGISTER asks for."""
    accept: tuple[str, ...] = ALGORITHMS
    """Algorithms that a challenge may name; the strongest that the network offers is taken."""
    usim: UsimKind = UsimKind.MILENAGE
    """Functions that the keys are for."""

    def __post_init__(self) -> None:
        for key, names in (("algorithm", (self.algorithm,)), ("accept", self.accept)):
            if unknown := [name for name in names if name not in ALGORITHMS]:
                raise ConfigurationError(f"{key!r} takes {', '.join(ALGORITHMS)}, and not {unknown[0]!r}.")
        if (self.op is None) == (self.opc is None):  # TS 35.206 §4.1: OPc is derived from OP
            raise ConfigurationError("AKA needs either 'op' or 'opc', and not both.")
        if self.amf and not _AMF.fullmatch(self.amf):
            raise ConfigurationError(f"'amf' must be four hexadecimal digits such as 8000, not {self.amf!r}.")
        self.functions()  # refuses wrong keys now

    def functions(self) -> AkaFunctions:
        """Return the functions of the USIM with its keys.

        Raises:
            ConfigurationError: a key has the wrong length or form.
        """
        op = parse_key("op", self.op, sizes=OP_OCTETS[self.usim]) if self.op else None
        opc = parse_key("opc", self.opc, sizes=OP_OCTETS[self.usim]) if self.opc else None
        return make_functions(self.usim.value, self.key, op=op, opc=opc)

    @property
    def key(self) -> bytes:
        """K as octets."""
        return parse_key("k", self.k, sizes=K_OCTETS[self.usim])

    @classmethod
    def read(cls, table: AccountTable) -> AkaSettings:
        """Read the USIM of an account.

        Raises:
            ConfigurationError: something is missing or cannot work.
        """
        k = table.secret("k")
        if k is None:
            raise ConfigurationError(f"Account {table.name!r} with auth = \"aka\" needs 'k', 'k_file' or 'k_env'.")
        usim = UsimKind(table.choice("usim"))
        try:
            return cls(
                k=k,
                op=table.secret("op"),
                opc=table.secret("opc"),
                amf=table.text("amf"),
                algorithm=table.text("algorithm"),
                accept=table.texts("accept"),
                usim=usim,
            )
        except ConfigurationError as error:
            sentence = str(error).rstrip(".")  # of a class that does not know the account
            raise ConfigurationError(f"Account {table.name!r}: {sentence}.") from None
