"""A USIM that the user supplies: foreign code, which may fail in any way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.auth.usim import AkaResult
from wic.errors import AuthenticationFailed, UsimFailed

if TYPE_CHECKING:
    from wic.auth.usim import Usim

__all__ = ["PluggedUsim"]


class PluggedUsim:
    """Adapter of a card reader: turns its exceptions into errors that end no registration."""

    __slots__ = ("_usim",)

    def __init__(self, usim: Usim) -> None:
        self._usim = usim

    def authenticate(self, rand: bytes, autn: bytes) -> AkaResult:
        """Have the USIM answer a challenge.

        Raises:
            AuthenticationFailed: the USIM refuses the challenge.
            UsimFailed: the USIM gives no answer.
        """
        try:
            result = self._usim.authenticate(rand, autn)
            return AkaResult(bytes(result.res), bytes(result.ck), bytes(result.ik))  # a reader may give lists of octets
        except AuthenticationFailed:  # the card has checked the challenge (TS 33.102 §6.3.3)
            raise
        except Exception as error:  # a reader has exceptions of its own
            raise UsimFailed(f"the USIM did not answer: {str(error) or type(error).__name__}") from error
