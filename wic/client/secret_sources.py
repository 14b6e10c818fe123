"""Where an account's secrets come from: its own file, another file, or the environment."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from wic.auth.secret import Secret
from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["FORMS", "read_secret", "read_secret_file", "warn_of_shared"]

_log = logging.getLogger(__name__)
FORMS = ("", "_file", "_env")
"""What a secret's name may end in: the secret itself, a file with it, a variable with it."""
_MAX_FILE = 16_384  # access tokens are the longest


def read_secret(name: str, settings: Mapping[str, object], key: str, *, folder: Path) -> Secret | None:
    """Take the secret that exactly one of `key`, `key_file` and `key_env` names; None if none is there.

    Args:
        name: what messages call the account.
        settings: where to look.
        key: `password`, `k`, …
        folder: what a relative file name is relative to.

    Raises:
        ConfigurationError: two sources, one of the wrong type, or one that holds nothing.
    """
    given = [key + form for form in FORMS if key + form in settings]
    if not given:
        return None
    if len(given) > 1:
        raise ConfigurationError(f"Account {name!r} has more than one of {', '.join(given)}; keep one.")
    source, value = given[0], settings[given[0]]
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"Account {name!r}: {source!r} must be a text that is not empty.")
    if source == f"{key}_file":
        return read_secret_file(folder / Path(value).expanduser(), what=key)
    if source == f"{key}_env":
        return _from_environment(name, value, what=key)
    return Secret(value)


def read_secret_file(path: Path, *, what: str = "password") -> Secret:
    """Read the first line of a file as a secret; logs a warning where others may read the file.

    Args:
        path: the file.
        what: what messages call the secret.

    Raises:
        ConfigurationError: it cannot be read, or its first line is empty.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_MAX_FILE + 1)
            text = data.decode()
    except OSError as error:
        raise ConfigurationError(f"The {what} file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"The {what} file {path} is not UTF-8 text.") from None
    _warn_if_shared(path, mode)
    if len(data) > _MAX_FILE:
        raise ConfigurationError(f"The {what} file {path} has more than {_MAX_FILE} octets.")
    secret = text.split("\n", 1)[0].rstrip("\r")
    if not secret:
        raise ConfigurationError(f"The {what} file {path} has an empty first line.")
    return Secret(secret)


def warn_of_shared(path: Path, keys: Iterable[str], secrets: frozenset[str]) -> None:
    """Log a warning where an account's secret stands in an accounts file that others may read.

    Args:
        path: the accounts file.
        keys: the account's settings.
        secrets: the names of settings that are secrets themselves.
    """
    if secrets.intersection(keys):
        _warn_if_shared(path, path.stat().st_mode)


def _warn_if_shared(path: Path, mode: int) -> None:
    if mode & (stat.S_IRGRP | stat.S_IROTH) and os.name == "posix":
        _log.warning("other users can read the secrets in %s; chmod 600 it", path)


def _from_environment(name: str, variable: str, *, what: str) -> Secret:
    value = os.environ.get(variable)
    if not value:
        raise ConfigurationError(f"Account {name!r} takes its {what} from ${variable}, which is not set.")
    return Secret(value)
