"""Why a REGISTER is not granted."""

from __future__ import annotations


class Refused(Exception):
    """A REGISTER gets another answer than 200.

    Attributes:
        status: the answer.
        reason: its phrase; None takes the usual one.
        headers: what goes with it.
    """

    def __init__(self, status: int, reason: str | None = None, *headers: tuple[str, object]) -> None:
        super().__init__(f"REGISTER refused with {status}")
        self.status = status
        self.reason = reason
        self.headers = headers
