"""Callers that wait for the answer of the network to the registration of an identity."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wic.errors import RegistrationFailed

if TYPE_CHECKING:
    from wic.errors import WicError
    from wic.sip.uri import Uri

__all__ = ["RegistrationWaiters"]


@dataclass(slots=True, eq=False, repr=False)
class RegistrationWaiters:
    """Answers to callers of `Client.register`, by identity."""

    _answers: dict[str, asyncio.Future[WicError | None]] = field(default_factory=dict)

    def join(self, impu: Uri) -> asyncio.Future[WicError | None]:
        """Return the answer for an identity, which may come later: None, or the error."""
        # Two callers may add the same identity: one REGISTER answers both.
        return self._answers.setdefault(str(impu.aor()), asyncio.get_running_loop().create_future())

    def answer(self, impu: Uri, error: WicError | None) -> bool:
        """Give the callers that wait for an identity their answer; return whether there are any."""
        # Seldom: making the key takes time at each refresh of a fleet.
        return bool(self._answers) and self._settle(str(impu.aor()), error)

    def end(self, error: WicError | None) -> None:
        """Give all callers the error, or tell them that their identity was deregistered."""
        for key in tuple(self._answers):
            self._settle(key, error or RegistrationFailed(f"{key} was deregistered meanwhile"))

    def _settle(self, key: str, error: WicError | None) -> bool:
        answer = self._answers.pop(key, None)
        if answer is not None and not answer.done():
            answer.set_result(error)
        return answer is not None
