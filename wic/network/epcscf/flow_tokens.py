"""Flow tokens: what the eP-CSCF writes into Path and Record-Route to find a connection again (RFC 5626 §5.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from wic.sip.flow import Flow
    from wic.sip.random_source import RandomSource

PATH: Final = ""
"""Stands in for the private identity in the token of a connection as such, which Path holds."""
_MAX_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose token it is."""

    flow: Flow
    impi: str = PATH
    """Whose dialogs it leads to; `PATH` for the connection as such, while nobody may be registered yet."""


class FlowTokens:
    """RandomSource of connections, and of the dialogs of those who are registered over them.

    The latter go along when the WIC comes back over another connection, since Record-Route values of a dialog never
    change. Nobody can guess a token, so nobody can forge one.
    """

    def __init__(self, random_source: RandomSource) -> None:
        self._random_source = random_source
        self._owner_of: dict[str, Owner] = {}
        self._tokens_of: dict[Flow, dict[str, list[str]]] = {}

    def token(self, owner: Owner) -> str:
        """Return a token that leads to a connection; the same one each time."""
        tokens = self._tokens_of.setdefault(owner.flow, {}).setdefault(owner.impi, [])
        if not tokens:
            tokens.append(self._random_source.hex(16))
            self._owner_of[tokens[0]] = owner
        return tokens[0]

    def owner(self, token: str | None) -> Owner | None:
        """Return where a token leads now."""
        return None if token is None else self._owner_of.get(token)

    def move(self, old: Owner, new: Owner) -> None:
        """Let all tokens of one owner lead to another one; of many only the newest go along."""
        there = self._tokens_of.setdefault(new.flow, {})
        moved = [*there.get(new.impi, []), *self._tokens_of.get(old.flow, {}).pop(old.impi, [])]
        for token in moved[_MAX_TOKENS:]:
            del self._owner_of[token]
        there[new.impi] = moved[:_MAX_TOKENS]
        self._owner_of |= dict.fromkeys(there[new.impi], new)

    def forget(self, owner: Owner) -> None:
        """Let the tokens of an owner lead nowhere."""
        owned = self._tokens_of.get(owner.flow, {})
        for token in owned.pop(owner.impi, []):
            del self._owner_of[token]
        if not owned:
            self._tokens_of.pop(owner.flow, None)

    def close(self, flow: Flow, awaited: Collection[str]) -> None:
        """Let the tokens of a connection lead nowhere, but for those of the private identities that may come back."""
        for impi in self._tokens_of.get(flow, {}).keys() - awaited:
            self.forget(Owner(flow, impi))
