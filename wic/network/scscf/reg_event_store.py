"""Reg-event subscriptions in the database, where they outlive a restart of the S-CSCF."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.network.sqlite_file import read_json
from wic.sip.dialog import Dialog, DialogId, DialogState
from wic.sip.headers.address import NameAddr
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from wic.network.sqlite_file import SqliteFile


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSubscription:
    """Subscription with its dialog, as far as a notifier needs it to continue."""

    call_id: str
    local_tag: str
    remote_tag: str
    impi: str
    """Private identity of the subscriber that is watched."""
    registration_set: int
    watcher: str
    """Name of the watcher; see `AuthorizedWatcher`."""
    event: str
    """Value of the Event header field."""
    version: int
    """Version of the next document."""
    told: tuple[str, ...]
    """Keys of the bindings that the watcher knows of."""
    expires_at: float
    """In seconds of the epoch."""
    local: str
    remote: str
    remote_target: str
    routes: tuple[str, ...]
    local_cseq: int
    remote_cseq: int | None
    secure: bool

    def dialog(self) -> Dialog:
        """Return the dialog in the state in which it was stored."""
        return Dialog(
            id=DialogId(self.call_id, self.local_tag, self.remote_tag),
            # A subscription is stored when its 200 is about to be sent, which confirms the dialog.
            state=DialogState.CONFIRMED,
            local=NameAddr.parse(self.local),
            remote=NameAddr.parse(self.remote),
            remote_target=Uri.parse(self.remote_target),
            route_set=tuple(map(NameAddr.parse, self.routes)),
            local_cseq=self.local_cseq,
            remote_cseq=self.remote_cseq,
            secure=self.secure,
        )


_COLUMNS = ("call_id", "local_tag", "remote_tag", "impi")
"""Fields with a column of their own; the others are one JSON document."""


class SubscriptionStore:
    """Table of subscriptions, in the database of the HSS."""

    def __init__(self, database: SqliteFile) -> None:
        self._database = database

    def save(self, stored: StoredSubscription) -> None:
        """Store a subscription, or its present state.

        Raises:
            StorageFailed: the database cannot be written.
        """
        values = {name: getattr(stored, name) for name in stored.__slots__}
        columns = [values.pop(name) for name in _COLUMNS]
        with self._database.transaction() as db:
            # Another process may have removed the subscriber in the meantime: then there is nothing to store.
            db.execute(
                "INSERT OR REPLACE INTO reg_event_subscription (call_id, local_tag, remote_tag, impi, state)"
                " SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM subscriber WHERE impi = ?4)",
                (*columns, json.dumps(values)),
            )

    def remove(self, id: DialogId) -> None:
        """Remove a subscription.

        Raises:
            StorageFailed: the database cannot be written.
        """
        with self._database.transaction() as db:
            db.execute(
                "DELETE FROM reg_event_subscription WHERE call_id = ? AND local_tag = ? AND remote_tag = ?",
                (id.call_id, id.local_tag, id.remote_tag),
            )

    def load(self) -> list[StoredSubscription]:
        """Return every subscription.

        Raises:
            StorageFailed: another process holds the database.
        """
        with self._database.transaction() as db:
            rows = db.execute(f"SELECT {', '.join(_COLUMNS)}, state FROM reg_event_subscription").fetchall()
        found = []
        for *columns, state in rows:
            values = dict(zip(_COLUMNS, columns, strict=True)) | read_json(state)
            # JSON has no tuples.
            lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
            found.append(StoredSubscription(**values | lists))
        return found
