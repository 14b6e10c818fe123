"""Database file of a web server, with one-line statements and queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeAlias

from wic.network.sqlite_file import SqliteFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Value: TypeAlias = "str | int | float | None"


class WebDatabase(SqliteFile):
    """A database file.

    Args:
        path: the file; made with mode 0600 if it is missing.
        migrations: one script per schema version, its statements separated by semicolons.

    Raises:
        ConfigurationError: the file cannot be opened, is no database or was written by a newer version.
    """

    def __init__(self, path: Path, migrations: Sequence[str]) -> None:
        super().__init__(path, [tuple(filter(str.strip, script.split(";"))) for script in migrations])

    def change(self, statement: str, *values: Value) -> int:
        """Run a statement that changes rows; return how many.

        Raises:
            StorageFailed: the disk is full or fails, or another process holds the file.
        """
        with self._writing():
            return self._db.execute(statement, values).rowcount

    def row(self, query: str, *values: Value) -> tuple[Value, ...] | None:
        """Return the first row of a query."""
        found: tuple[Value, ...] | None = self._db.execute(query, values).fetchone()
        return found

    def rows(self, query: str, *values: Value) -> list[tuple[Value, ...]]:
        """Return all rows of a query."""
        return self._db.execute(query, values).fetchall()


class WebStore:
    """Store of a web server in one database file, as a context manager."""

    def __init__(self, path: Path, migrations: Sequence[str]) -> None:
        self.database = WebDatabase(path, migrations)

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.database.close()
