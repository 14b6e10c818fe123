"""Settings out of a file, read by type; who reads one of the wrong type hears the account's name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wic.client.secret_sources import FORMS, read_secret
from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wic.auth.secret import Secret

__all__ = ["Settings"]

_T = TypeVar("_T", str, int, bool)
_KINDS: dict[type, str] = {str: "text", int: "number", bool: "boolean (true or false)"}


class Settings:
    """The table of one account.

    Args:
        name: what messages call the account.
        values: the table.
        folder: what relative file names in it are relative to.
    """

    def __init__(self, name: str, values: Mapping[str, object], *, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self._values = values

    def keys(self) -> set[str]:
        """Return the names of what is set."""
        return set(self._values)

    def text(self, key: str, default: str = "") -> str:
        """Return a text.

        Raises:
            ConfigurationError: it is something else.
        """
        return self._typed(key, str, default)

    def number(self, key: str, default: int) -> int:
        """Return a whole number.

        Raises:
            ConfigurationError: it is something else.
        """
        return self._typed(key, int, default)

    def flag(self, key: str, default: bool = False) -> bool:
        """Return true or false.

        Raises:
            ConfigurationError: it is something else.
        """
        return self._typed(key, bool, default)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts.

        Raises:
            ConfigurationError: it is something else.
        """
        value = self._values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            raise ConfigurationError(f'Account {self.name!r}: {key!r} must be a list of texts, such as ["…", "…"].')
        return tuple(value)

    def file(self, key: str) -> Path | None:
        """Return the path of a file, if it is set.

        Raises:
            ConfigurationError: it is no text.
        """
        value = self.text(key)
        return self.folder / Path(value).expanduser() if value else None

    def secret(self, key: str) -> Secret | None:
        """Return what `key`, `key_file` or `key_env` gives, or None if none of them is set.

        Raises:
            ConfigurationError: two of them are set, or the one that is set gives nothing.
        """
        return read_secret(self.name, self._values, key, folder=self.folder)

    def _typed(self, key: str, kind: type[_T], default: _T) -> _T:
        value = self._values.get(key, default)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ConfigurationError(f"Account {self.name!r}: {key!r} must be a {_KINDS[kind]}.")
        return value


def secret_keys(*names: str) -> frozenset[str]:
    """Return every key that may give one of these secrets."""
    return frozenset(name + form for name in names for form in FORMS)
