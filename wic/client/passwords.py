"""Where an account's password comes from: its file, another file, or the environment."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from wic.auth.secret import Secret
from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["no_password", "read_password", "read_password_file", "warn_of_shared"]

_log = logging.getLogger(__name__)
_SOURCES = ("password", "password_file", "password_env")
_MAX_PASSWORD_FILE = 4096


def no_password() -> Secret:
    """Return the empty secret, of an account that was given none."""
    return Secret("")


def read_password(name: str, settings: Mapping[str, object], *, folder: Path) -> Secret:
    """Take the password that exactly one of the settings names; none gives the empty secret.

    Raises:
        ConfigurationError: two sources, one of the wrong type, or one that holds nothing.
    """
    given = [source for source in _SOURCES if source in settings]
    if not given:
        return no_password()
    if len(given) > 1:
        raise ConfigurationError(f"Account {name!r} has more than one of {', '.join(given)}; keep one.")
    source, value = given[0], settings[given[0]]
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"Account {name!r}: {source!r} must be a text that is not empty.")
    if source == "password_file":
        return read_password_file(folder / Path(value).expanduser())
    if source == "password_env":
        return _from_environment(name, value)
    return Secret(value)


def read_password_file(path: Path) -> Secret:
    """Read the first line of a file as a password; logs a warning where others may read the file.

    Raises:
        ConfigurationError: it cannot be read, or its first line is empty.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_MAX_PASSWORD_FILE).decode()
    except OSError as error:
        raise ConfigurationError(f"The password file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"The password file {path} is not UTF-8 text.") from None
    _warn_if_shared(path, mode)
    password = text.split("\n", 1)[0].rstrip("\r")
    if not password:
        raise ConfigurationError(f"The password file {path} has an empty first line.")
    return Secret(password)


def warn_of_shared(path: Path, settings: Mapping[str, object]) -> None:
    """Log a warning where an account's password stands in an accounts file that others may read."""
    if "password" in settings:
        _warn_if_shared(path, path.stat().st_mode)


def _warn_if_shared(path: Path, mode: int) -> None:
    if mode & (stat.S_IRGRP | stat.S_IROTH) and os.name == "posix":
        _log.warning("other users can read the passwords in %s; chmod 600 it", path)


def _from_environment(name: str, variable: str) -> Secret:
    value = os.environ.get(variable)
    if not value:
        raise ConfigurationError(f"Account {name!r} takes its password from ${variable}, which is not set.")
    return Secret(value)
