"""How far a call is, and waiting for it to get there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wic.errors import CallFailed

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Progress"]


class Progress:
    """What those who wait for a call want to know; everything in it happens once and stays."""

    def __init__(self) -> None:
        self.rang = False
        """The other side is being alerted."""
        self.accepted = False
        """A 2xx has come, or the ACK of ours."""
        self.connected = False
        """The media are connected."""
        self.over = False
        """The call has ended for its user."""
        self.released = False
        """Nothing more will be sent for it."""
        self.error: CallFailed | None = None
        """Why it failed, if it did."""
        self._changed = asyncio.Event()

    def note(self) -> None:
        """Let everybody who waits look again."""
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        while not holds():
            self._changed.clear()
            await self._changed.wait()

    async def reach(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds that the end of the call makes impossible.

        Raises:
            CallFailed: the call ended before.
        """
        await self.until(lambda: holds() or self.over)
        if not holds():
            raise self.error or CallFailed("the call has ended")
