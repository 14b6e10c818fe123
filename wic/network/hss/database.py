"""The file behind the tables of the HSS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from wic.network.hss.migrations import MIGRATIONS
from wic.network.sqlite_file import SqliteFile

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class Database(SqliteFile):
    """The file, and what all tables know.

    Args:
        path: the file; made with mode 0600 if it is missing.
        realm: the home network's domain.

    Raises:
        ConfigurationError: the file cannot be opened, is no database or was written by a newer version.
    """

    def __init__(self, path: Path, *, realm: str) -> None:
        super().__init__(path, MIGRATIONS)
        self.realm = realm

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def changes_of_others(self) -> int:
        """Return a number that is another one whenever another connection has changed the file."""
        (number,) = self._db.execute("PRAGMA data_version").fetchone()
        return int(number)
