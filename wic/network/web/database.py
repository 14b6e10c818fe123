"""Database file of a web server, and the store around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from wic.network.sqlite_file import SqliteFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


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

    def make_room(self, table: str, most: int, condition: str, *values: str | None) -> None:
        """Make room for one row among those that a condition selects: those that end first go."""
        chosen = f"SELECT id FROM {table} WHERE {condition} ORDER BY expires_at DESC LIMIT -1 OFFSET {most - 1}"
        self.change(f"DELETE FROM {table} WHERE id IN ({chosen})", *values)


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
