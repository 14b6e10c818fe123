"""`accounts.toml`: where it is, and what is in it."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["default_path", "read_account"]


def default_path() -> Path:
    """Tell where the accounts file is when nobody names one."""
    named = os.environ.get("WIC_ACCOUNTS")
    if named:
        return Path(named).expanduser()
    home = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    return (Path(home) if home else Path.home() / ".config") / "wic" / "accounts.toml"


def read_account(file: Path, name: str) -> Mapping[str, object]:
    """Return the table `[accounts.NAME]` of a file.

    Raises:
        ConfigurationError: there is no such file, or no such table in it.
    """
    accounts = _read(file)
    if name not in accounts:
        known = ", ".join(sorted(accounts)) or "none"
        raise ConfigurationError(f"{file} has no account named {name!r}; it has: {known}.")
    settings = accounts[name]
    if not isinstance(settings, dict):
        raise ConfigurationError(f"In {file}, accounts.{name} must be a table: [accounts.{name}].")
    return settings


def _read(file: Path) -> Mapping[str, object]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no accounts file {file}; name one with --accounts or $WIC_ACCOUNTS."
        ) from None
    except OSError as error:
        raise ConfigurationError(f"The accounts file {file} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # TOML and UTF-8 errors alike, and arrays in arrays without end
        raise ConfigurationError(f"The accounts file {file} is not valid TOML: {error}.") from error
    accounts = document.get("accounts", {})
    if not isinstance(accounts, dict):
        raise ConfigurationError(f"In {file}, `accounts` must be a table: write [accounts.NAME].")
    return accounts
