"""Bindings that the network ends or cuts short (TS 24.229 §5.4.1.5, §5.4.1.6)."""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from wic.network.scscf.changes import BindingChange
from wic.registration.reg_event.reginfo import ContactEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wic.network.hss import Hss, StoredBinding
    from wic.network.scscf.changes import BindingObserver

_log = logging.getLogger(__name__)


class Removals:
    """Changes bindings without having been asked by the UE, and tells those who watch.

    Args:
        hss: has the bindings.
        observer: is told.
    """

    def __init__(self, hss: Hss, observer: BindingObserver) -> None:
        self._hss = hss
        self._observer = observer

    def expire(self, *, now: float) -> None:
        """Remove the bindings whose time is over."""
        for impi, bindings in groupby(self._hss.expire(now=now), key=lambda binding: binding.impi):
            changes = [BindingChange(binding, ContactEvent.EXPIRED) for binding in bindings]
            self._observer.changed(impi, changes, now=now)

    def flow_failed(self, binding: StoredBinding, *, now: float) -> None:
        """Remove a binding whose flow is gone (RFC 5626 §5.3), unless it has got another one in the meantime."""
        known = self._hss.bindings(binding.impi, registration_set=binding.registration_set, now=now)
        if any((each.key, each.path) == (binding.key, binding.path) for each in known):
            _log.info("the flow of a binding of %s has failed", binding.impi)
            self._remove(binding.impi, [binding], ContactEvent.DEACTIVATED, now=now)

    def deregister(self, impi: str, event: ContactEvent, *, retry_after: int | None = None, now: float) -> bool:
        """End all bindings of a subscriber; return whether there was any (TS 24.229 §5.4.1.5).

        Args:
            impi: of the subscriber.
            event: tells the UE whether it may come back.
            retry_after: after how many seconds, with `PROBATION`.
            now: seconds of the epoch.
        """
        bindings = self._hss.bindings(impi, now=now)
        self._remove(impi, bindings, event, retry_after=retry_after, now=now)
        return bool(bindings)

    def reauthenticate(self, impi: str, *, within: int, now: float) -> bool:
        """Have a subscriber prove anew who it is; return whether it is registered (TS 24.229 §5.4.1.6).

        Args:
            impi: of the subscriber.
            within: seconds after which the bindings end if nothing comes.
            now: seconds of the epoch.
        """
        known = self._hss.bindings(impi, now=now)
        shorter = [replace(each, prove=True, expires_at=min(each.expires_at, now + within)) for each in known]
        self._hss.change_bindings(impi, store=shorter)
        self._observer.changed(impi, [BindingChange(each, ContactEvent.SHORTENED) for each in shorter], now=now)
        return bool(known)

    def _remove(
        self,
        impi: str,
        bindings: Iterable[StoredBinding],
        event: ContactEvent,
        *,
        retry_after: int | None = None,
        now: float,
    ) -> None:
        changes = [BindingChange(binding, event, retry_after) for binding in bindings]
        for registration_set, group in groupby(changes, key=lambda change: change.binding.registration_set):
            keys = [change.binding.key for change in group]
            self._hss.change_bindings(impi, remove=keys, registration_set=registration_set)
        self._observer.changed(impi, changes, now=now)
