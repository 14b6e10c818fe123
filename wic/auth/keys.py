"""Keys of a subscriber as they are written in settings, and the functions made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.auth.milenage import Milenage
from wic.auth.tuak import Tuak
from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from wic.auth.aka import AkaFunctions
    from wic.auth.secret import Secret

FUNCTION_SETS = ("milenage", "tuak")
"""Names of the function sets that a subscriber's keys may be for."""


def parse_key(name: str, secret: Secret, *, sizes: tuple[int, ...] = (16,)) -> bytes:
    """Return the octets of a key written in hexadecimal.

    Args:
        name: of the setting, for the message.
        secret: its value.
        sizes: octets that it may have.

    Raises:
        ConfigurationError: it is written otherwise, or has another size; the message does not show it.
    """
    try:
        octets = bytes.fromhex(secret.reveal())
    except ValueError:
        raise ConfigurationError(f"{name} has to be written in hexadecimal digits") from None
    if len(octets) not in sizes:
        wanted = " or ".join(str(2 * size) for size in sizes)
        raise ConfigurationError(f"{name} has {wanted} hexadecimal digits, not {2 * len(octets)}")
    return octets


def make_functions(kind: str, k: bytes, *, op: bytes | None = None, opc: bytes | None = None) -> AkaFunctions:
    """Return the functions of a subscriber.

    Args:
        kind: one of `FUNCTION_SETS`.
        k: its key.
        op: the operator's value, OP or TOP; or
        opc: what was made of it, OPc or TOPc.

    Raises:
        ConfigurationError: the kind is unknown, a length is wrong, or there is not one of `op` and `opc`.
    """
    if kind == "milenage":
        return Milenage(k, op=op, opc=opc)
    if kind == "tuak":
        return Tuak(k, top=op, topc=opc)
    raise ConfigurationError(f"{kind!r} is not a set of AKA functions; choose among {', '.join(FUNCTION_SETS)}")
