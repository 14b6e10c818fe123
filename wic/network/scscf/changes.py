"""What happened to bindings, for those who watch registrations (TS 24.229 §5.4.2.1.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wic.network.hss import StoredBinding
    from wic.registration.reg_event.reginfo import ContactEvent


@dataclass(frozen=True, slots=True)
class BindingChange:
    """One binding came, changed or went."""

    binding: StoredBinding
    """As it is stored now, or as it was before it went."""
    event: ContactEvent
    retry_after: int | None = None
    """Seconds to wait before registering again, with `PROBATION`."""


class BindingObserver(Protocol):
    """Is told of changes, after the HSS has committed them."""

    def changed(self, impi: str, changes: Sequence[BindingChange], *, now: float) -> None:
        """Take note of changes to the bindings of one subscriber.

        Args:
            impi: of the subscriber.
            changes: in the order in which they were asked for.
            now: seconds of the epoch.
        """
        ...


class Observers:
    """Passes changes on to whoever asked for them; a `BindingObserver` itself."""

    def __init__(self) -> None:
        self._observers: list[BindingObserver] = []

    def add(self, observer: BindingObserver) -> None:
        """Tell an observer of changes from now on."""
        self._observers.append(observer)

    def changed(self, impi: str, changes: Sequence[BindingChange], *, now: float) -> None:
        """Tell every observer, unless nothing has changed."""
        if changes:
            for observer in self._observers:
                observer.changed(impi, changes, now=now)
