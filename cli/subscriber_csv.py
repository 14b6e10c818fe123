"""CSV file of new subscribers: one in each row, below a header row that names the columns.

The columns are named as the options of `wic network subscriber add`, and an empty cell leaves what the option says. Only
`name` is needed; secrets stand in the file itself. Some spreadsheets separate cells by semicolons.

An option applies to the rows that have a use for it: the password to those without a USIM, the keys to those with one, and
the algorithm to those with the scheme that `--auth` names.
"""

from __future__ import annotations

import csv
import difflib
from contextlib import contextmanager
from dataclasses import replace
from io import StringIO
from itertools import chain
from typing import TYPE_CHECKING, TextIO, TypeAlias

from wic.accounts import AuthScheme, UsimKind
from wic.accounts.reader import warn_if_shared
from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.files import read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from wic.network.enrolment import NewSubscriber, SubscriptionData

    from .new_subscriber import SubscriberOptions, SubscriberSecrets

Row: TypeAlias = "dict[str, str]"

MOST_SUBSCRIBERS = 100_000
"""Most subscribers to be added at once: they are held in memory until the last one is checked."""
SECRETS = ("password", "k", "op", "opc")
LISTS = ("impu", "separate", "allow-waf", "bar-waf")
"""Columns of several values, which spaces separate: no identity or URL has one."""
FLAGS = ("barred", "pool")
COLUMNS = ("name", "auth", "algorithm", *SECRETS, "usim", "tel", *LISTS, *FLAGS)
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")
_CHOICES: dict[str, tuple[str, ...]] = {
    "auth": tuple(each.value for each in AuthScheme),
    "usim": tuple(each.value for each in UsimKind),
    **dict.fromkeys(FLAGS, _YES + _NO),
}


def read_subscribers(
    path: Path, options: SubscriberOptions, prepare: Callable[[NewSubscriber], SubscriptionData]
) -> list[SubscriptionData]:
    """Read and check all subscribers of a CSV file.

    Args:
        path: the file.
        options: those of the command line, for empty cells.
        prepare: checks a subscriber (see `Enrolment.prepare`).

    Raises:
        ConfigurationError: the file or a row of it cannot be used; the message names the line.
    """
    secrets = options.read_secrets()
    lines: dict[str, int] = {}
    found: list[SubscriptionData] = []
    has_secrets = False
    try:
        text = StringIO(read_file(path).decode("utf-8-sig"), newline="")
        for line, row in _rows(path, text):
            has_secrets = has_secrets or any(row.get(each) for each in SECRETS)
            with _located(path, line):
                if len(found) == MOST_SUBSCRIBERS:
                    raise ConfigurationError(f"At most {MOST_SUBSCRIBERS} subscribers can be added at once.")
                found.append(prepare(_subscriber(row, options, secrets)))
                for each in (row["name"], *found[-1].profile.impus):
                    if lines.setdefault(each, line) != line:
                        raise ConfigurationError(f"{each} stands in line {lines[each]} already.")
        if has_secrets:
            warn_if_shared(path, path.stat().st_mode)
    except OSError as error:
        raise ConfigurationError(f"The file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"The file {path} is not UTF-8 text.") from None
    return found


@contextmanager
def _located(path: Path, line: int) -> Iterator[None]:
    """Say in an error where it is."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}, line {line}: {error}") from error


def _rows(path: Path, file: TextIO) -> Iterator[tuple[int, Row]]:
    """Return the rows that are not empty, each with the number of its last line; there is at least one."""
    first = file.readline()  # once: a pipe has no beginning to go back to
    reader = csv.reader(chain([first], file), delimiter=";" if ";" in first and "," not in first else ",", strict=True)
    columns: list[str] | None = None
    count = 0
    while True:
        with _located(path, reader.line_num + 1):
            try:
                cells = [cell.strip() for cell in next(reader)]
            except StopIteration:
                break
            except csv.Error as error:
                raise ConfigurationError(f"This is not CSV: {error}.") from error
        if not any(cells):
            continue
        with _located(path, reader.line_num):
            if columns is None:
                columns = _check_columns(cells)
                continue
            if len(cells) > len(columns):
                raise ConfigurationError(f"There are {len(cells)} cells below {len(columns)} columns.")
            count += 1
        # A row that ends early leaves the rest of its cells empty.
        yield reader.line_num, dict(zip(columns, cells + [""] * len(columns), strict=False))
    if not count:
        raise ConfigurationError(
            f"The file {path} names no subscriber: write a header row, and a row for each of them."
        )


def _check_columns(columns: list[str]) -> list[str]:
    for column in columns:
        if column not in COLUMNS:
            near = difflib.get_close_matches(column, COLUMNS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose among {', '.join(COLUMNS)}."
            raise ConfigurationError(f"There is no column {column!r}; {hint}")
        if columns.count(column) > 1:
            raise ConfigurationError(f"The column {column!r} stands there twice.")
    if "name" not in columns:
        raise ConfigurationError("The column 'name' is missing in the header row.")
    return columns


def _subscriber(row: Row, options: SubscriberOptions, secrets: SubscriberSecrets) -> NewSubscriber:
    """Return the subscriber of a row."""
    given = {column: cell for column, cell in row.items() if cell}
    if "name" not in given:
        raise ConfigurationError("The name is missing.")
    for column, choices in _CHOICES.items():
        if given.get(column, choices[0]) not in choices:
            raise ConfigurationError(f"{column} is {given[column]!r}; choose among {', '.join(choices)}.")
    auth = given.get("auth", options.auth)
    own = replace(
        options,
        auth=auth,
        algorithm=given.get("algorithm", options.algorithm if auth == options.auth else None),
        usim=given.get("usim", options.usim),
        tel=given.get("tel"),
        impu=tuple(given.get("impu", "").split()),
        separate=tuple(given.get("separate", "").split()),
        barred=given["barred"] in _YES if "barred" in given else options.barred,
        pool=given["pool"] in _YES if "pool" in given else options.pool,
        allow_waf=tuple(given["allow-waf"].split()) if "allow-waf" in given else options.allow_waf,
        bar_waf=tuple(given["bar-waf"].split()) if "bar-waf" in given else options.bar_waf,
        password_file=None,  # it is read, and of use to some rows only
    )
    written = {each: Secret(given[each]) for each in SECRETS if each in given}
    if auth == AuthScheme.AKA.value and "password" in written:
        raise ConfigurationError("A password goes with auth digest or bearer.")
    unused: tuple[str, ...] = ("op", "opc") if "op" in written or "opc" in written else ()  # the row has one of them
    if auth != AuthScheme.AKA.value or own.pool:
        unused = ("k", "op", "opc")
    return own.subscriber(given["name"], replace(secrets, **(dict.fromkeys(unused) | written)))
