"""Help screens: the options of a command in groups, its own first, and examples at the end.

A help screen is read from the bottom of a terminal upwards, so that what most users look for, how a command is typed, comes
last. `HelpCommand` prints the groups in the order in which the command declares their first options.
"""

from __future__ import annotations

import functools
import math
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    _Number = click.ParamType[float]
else:
    _Number = click.ParamType  # which takes no type argument before click 8.5

OPTIONS, ACCOUNT, OUTPUT, TRACING = "Options", "Account", "Output", "Tracing"
"""Groups of options; a command may have others of its own."""

_FIRST_COLUMN = 30
_EXTRA = re.compile(r"Got unexpected extra arguments? \((.*)\)", re.DOTALL)
_NEVER_PROPOSED = frozenset({"--insecure"})
_DIGITS = frozenset("0123456789+-.eE")


class GroupedOption(click.Option):
    """An option that belongs to a group.

    Args:
        param_decls: its names.
        group: the heading below which the help shows it.
        attributes: those of `click.Option`.
    """

    def __init__(self, param_decls: Sequence[str] | None = None, *, group: str = OPTIONS, **attributes: Any) -> None:
        super().__init__(param_decls, **attributes)
        self.group = group
        if isinstance(self.type, Quantity):
            self.metavar = self.type.name.upper()  # click derives it too, but the reference pages ask for it

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Read the value; an empty path, as of a variable that is not set, is no word for the current directory.

        Raises:
            click.BadParameter: it is wrong.
        """
        if value == "" and isinstance(self.type, click.Path):
            raise click.BadParameter("write a path, not an empty text.", ctx, self)
        return super().type_cast_value(ctx, value)


option = functools.partial(click.option, cls=GroupedOption)
"""Decorator that adds an option; `group` names its group."""


class Quantity(_Number):
    """A number with a unit, which the help shows in the place of a type.

    Args:
        unit: `seconds`, or what else is counted.
        limits: the type of the number, and the least and the most that it may be.
    """

    def __init__(self, unit: str, limits: click.IntRange | click.FloatRange) -> None:
        self.name = unit
        self._limits = limits

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the number.

        Raises:
            click.BadParameter: it is none, or beyond the limits.
        """
        with suppress(click.BadParameter):  # whose words are a formula
            if not _DIGITS.issuperset(str(value).strip()):  # Python reads 1_0 and the digits of other scripts
                raise click.BadParameter("")
            number = self._limits.convert(value, param, ctx)
            if isinstance(number, int) or math.isfinite(number):  # a whole number may be too large for a float
                return number
        kind = "whole number" if isinstance(self._limits, click.IntRange) else "number"
        least, most = self._limits.min, self._limits.max
        limits = f" of at least {least}" if most is None else f" from {least} to {most}"
        self.fail(f"write a {kind}{limits}, not {str(value)[:40]!r}.", param, ctx)


def seconds(*, at_least: float = 0) -> Quantity:
    """Return the type of a duration."""
    return Quantity("seconds", click.FloatRange(min=at_least))


def refuse_without_effect(where: str, *names: str) -> None:
    """Refuse options of the running command that are given and would have no effect.

    Args:
        where: the other option that decides that, such as `goes with --record`.
        names: the options, by the names of their parameters.

    Raises:
        click.UsageError: one of them is given, also with the value that it has by default.
    """
    ctx = click.get_current_context()
    for each in ctx.command.params:
        if each.name in names and ctx.get_parameter_source(each.name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{each.opts[0]} {where}.", ctx)


def examples(*commands: str) -> str:
    """Return the epilog of a command: lines as a user types them."""
    return "\n".join(["Examples:", "", "\b", *(f"$ {command}" for command in commands)])


def unexpected(ctx: click.Context | None, word: str, *, expected: str = "") -> click.UsageError:
    """Return the error of an argument too many; most often it was meant as the value of a flag, such as `--trace raw`."""
    flags = [
        each.opts[0]
        for each in (ctx.command.params if ctx else ())
        if ctx and isinstance(each, click.Option) and each.is_flag and ctx.params.get(each.name or "")
    ]
    hint = f"; {' and '.join(flags)} {'take' if flags[1:] else 'takes'} no value" if flags else ""
    return click.UsageError(f"Unexpected argument {word!r}{expected and f': expected {expected}'}{hint}.")


class _WithExamples(click.Command):
    """A command or group whose epilog is made by `examples`."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below a heading of their own."""
        if self.epilog:
            heading, _, lines = self.epilog.partition(":\n\n")
            with formatter.section(heading):
                formatter.write_text(lines)


class HelpCommand(_WithExamples):
    """A command that shows its options in groups."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; no mistyped option may lead to one that gives up security."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            near = [each for each in error.possibilities or () if each not in _NEVER_PROPOSED]
            raise click.NoSuchOption(error.option_name, possibilities=near or None, ctx=error.ctx) from None
        except click.UsageError as error:
            if found := _EXTRA.fullmatch(error.message):
                raise unexpected(ctx, found[1]) from None
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group of options below its heading, in columns that all groups share."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)  # None for hidden ones
            if record is not None and isinstance(parameter, click.Option):
                group = parameter.group if isinstance(parameter, GroupedOption) else OUTPUT  # --help is click's own
                groups.setdefault(group, []).append(record)
        # Click measures each list by itself; padding makes the columns of all groups equal.
        longest = max((len(names) for rows in groups.values() for names, _ in rows), default=0)
        for group, rows in groups.items():
            with formatter.section(group):
                width = min(longest, _FIRST_COLUMN)
                formatter.write_dl([(names.ljust(width), text) for names, text in rows], col_max=_FIRST_COLUMN)


class HelpGroup(_WithExamples, click.Group):
    """A group of commands that show their options in groups."""

    command_class = HelpCommand
