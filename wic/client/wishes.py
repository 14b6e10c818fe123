"""Which identities the user wants to come and go, and who waits for that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from wic.errors import RegistrationFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wic.errors import WicError
    from wic.sip.uri import Uri

__all__ = ["Wishes"]

_NONE: Final[frozenset[str]] = frozenset()  # every empty set would be one of its own


class Wishes:
    """Remembers the identities that are to be added, that are leaving, and that shall not come back by themselves."""

    __slots__ = ("_forsaken", "_given_up", "_joining", "_leaving", "_left")

    def __init__(self) -> None:
        self._joining: dict[str, asyncio.Future[WicError | None]] = {}
        self._given_up = _NONE
        self._leaving = _NONE
        self._forsaken: dict[str, WicError] = {}
        self._left: asyncio.Event | None = None

    # coming

    def joining(self, impu: Uri) -> asyncio.Future[WicError | None] | None:
        """Return what will have come of an identity that is being added; None if it is not."""
        return self._joining.get(_key(impu))

    def join(self, impu: Uri) -> asyncio.Future[WicError | None]:
        """Want an identity; return what will have come of it: None if it is registered."""
        key = _key(impu)
        self._given_up -= {key}
        joining = self._joining[key] = asyncio.get_running_loop().create_future()
        return joining

    def joined(self, impu: Uri, error: WicError | None) -> bool:
        """Tell who waits for an identity what came of it; return whether anybody does."""
        joining = self._joining.pop(_key(impu), None) if self._joining else None
        if joining is not None:
            joining.set_result(error)
        return joining is not None

    # going

    def is_given_up(self, impu: Uri) -> bool:
        """Whether an identity shall not come back by itself."""
        return bool(self._given_up) and _key(impu) in self._given_up

    def give_up(self, impu: Uri) -> None:
        """Want an identity no more."""
        self._given_up |= {_key(impu)}

    def leave(self, impus: Iterable[Uri]) -> None:
        """Want identities no more, and wait until they are deregistered."""
        for impu in impus:
            self.joined(impu, RegistrationFailed(f"{impu} was deregistered meanwhile"))
            self.give_up(impu)
            self._leaving |= {_key(impu)}

    def left(self, impu: Uri, error: WicError | None) -> WicError | None:
        """Take note that an identity is gone; return why the network has not confirmed it, if it has not."""
        key = _key(impu)
        forsaken = self._forsaken.pop(key, None)
        self._leaving -= {key}
        if self._left is not None:
            self._left.set()
        return error and (forsaken or error)

    def forsake(self, error: WicError) -> None:
        """Wait no longer for those that leave; unless the network confirms it yet, this is why it did not."""
        self._forsaken |= dict.fromkeys(self._leaving, error)
        self._leaving = _NONE

    async def all_left(self) -> None:
        """Wait until those that leave are gone."""
        self._left = self._left or asyncio.Event()
        while self._leaving:
            self._left.clear()
            await self._left.wait()


def _key(impu: Uri) -> str:
    return str(impu.aor())
