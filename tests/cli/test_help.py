from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from wic_cli.app import cli
from wic_cli.help import HelpCommand, Quantity, examples, option, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACING = {"--trace", "--pcap"}


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command and group below a group, with the words that lead there."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


ALL = [((), cli), *commands(cli)]
LEAVES = [(path, command) for path, command in ALL if not isinstance(command, click.Group)]


def name_of(value: object) -> str | None:
    return " ".join(map(str, value)) if isinstance(value, tuple) else None


def help_of(*path: str) -> str:
    return CliRunner().invoke(cli, [*path, "--help"], prog_name="wic", terminal_width=110).stdout


@pytest.mark.parametrize(("path", "command"), ALL, ids=name_of)
def test_every_command_shows_examples_that_can_be_typed(path: tuple[str, ...], command: click.Command) -> None:
    shown = re.findall(r"^  [$] wic (.*)$", help_of(*path).partition("\nExamples:\n")[2], re.MULTILINE)
    assert shown
    for example in shown:
        _, leaf, words = max(
            (len(words), each, shlex.split(example)[len(words) :])
            for words, each in LEAVES
            if tuple(shlex.split(example)[: len(words)]) == words
        )
        leaf.make_parser(click.Context(leaf)).parse_args(words)
        assert tuple(shlex.split(example)[: len(path)]) == path


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=name_of)
def test_every_option_is_explained_by_a_sentence(path: tuple[str, ...], command: click.Command) -> None:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert re.search(r"[.](  \[default.*\])?$", parameter.help or ""), parameter.name
    text = help_of(*path)
    assert "RANGE" not in text
    assert "x>=" not in text
    assert "[default: (" not in text


@pytest.mark.parametrize(("path", "group"), [each for each in ALL if isinstance(each[1], click.Group)], ids=name_of)
def test_every_list_of_commands_has_whole_sentences(path: tuple[str, ...], group: click.Group) -> None:
    listed = CliRunner().invoke(cli, [*path, "--help"], prog_name="wic", terminal_width=80).stdout
    listed = listed.partition("\nCommands:\n")[2].partition("\n\n")[0]
    assert re.findall(r"^  ([a-z]+) ", listed, re.MULTILINE) == group.list_commands(click.Context(group))
    assert "..." not in listed


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=name_of)
def test_every_command_takes_the_common_options(path: tuple[str, ...], command: click.Command) -> None:
    assert {"--json", "--log-level", *TRACING} <= {name for each in command.params for name in each.opts}


def test_only_commands_that_send_sip_show_tracing() -> None:
    tracing = {path for path, _ in LEAVES if "\nTracing:\n" in help_of(*path)}
    assert tracing == {("demo",), ("network", "up"), ("register",), ("call",), ("answer",)}


def test_own_options_come_before_common_ones() -> None:
    headings = re.findall(r"^(\w[\w ]*):$", help_of("call"), re.MULTILINE)
    assert headings == ["Options", "Account", "Output", "Tracing", "Examples"]
    own = help_of("call").partition("\nOptions:\n")[2].partition("\nAccount:\n")[0]
    assert re.findall(r"^  (--\w+)", own, re.MULTILINE) == [
        "--duration", "--timeout", "--play", "--record", "--force", "--channel", "--send", "--ladder",
    ]  # fmt: skip
    assert "  --timeout SECONDS " in own
    assert "[default: 60]" in own


def test_groups_share_their_columns() -> None:
    starts = {
        found.start(1) for line in help_of("answer").splitlines() if (found := re.match(r"  --?\S.*?  +([A-Z])", line))
    }
    assert len(starts) == 1


def test_a_quantity_has_a_unit_and_limits() -> None:
    @click.command(cls=HelpCommand, epilog=examples("x --after 3"))
    @option("--after", type=seconds(at_least=1), group="Times", help="Wait.")
    @option("--count", type=Quantity("n", click.IntRange(0, 5)), help="Repeat.")
    def command(after: float | None, count: int | None) -> None:
        click.echo((after, count))

    runner = CliRunner()
    assert runner.invoke(command, ["--after", "1.5", "--count", "5"]).output == "(1.5, 5)\n"
    assert "'--after': write a number of at least 1, not '0.5'." in runner.invoke(command, ["--after", "0.5"]).output
    assert runner.invoke(command, ["--count", "6"]).exit_code == 2
    for wrong in ("-1", "6", "1.5", "many", "nan", "9" * 5000, ""):
        told = runner.invoke(command, ["--count", wrong]).output
        assert f"'--count': write a whole number from 0 to 5, not {wrong[:40]!r}." in told
    text = runner.invoke(command, ["--help"], prog_name="x").output
    assert text == (
        "Usage: x [OPTIONS]\n\n"
        "Times:\n  --after SECONDS  Wait.\n\n"
        "Options:\n  --count N        Repeat.\n\n"
        "Output:\n  --help           Show this message and exit.\n\n"
        "Examples:\n  $ x --after 3\n"
    )


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=name_of)
@pytest.mark.parametrize("typed", ["--insecur", "--user", "--secure", "--insecured"])
def test_a_mistyped_option_never_proposes_to_give_up_security(
    path: tuple[str, ...], command: click.Command, typed: str
) -> None:
    result = CliRunner().invoke(cli, [*path, typed], prog_name="wic")
    assert result.exit_code == 2
    assert re.search(rf"No such option:? '?{typed}\b", result.stderr)
    assert not re.search(r"--insecure\b", result.stderr)


def test_other_options_are_proposed() -> None:
    told = CliRunner().invoke(cli, ["call", "--duraton"], prog_name="wic").stderr
    assert re.search(r"Did you mean '?--duration'?\?", told)


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=name_of)
def test_no_option_takes_an_empty_path(path: tuple[str, ...], command: click.Command) -> None:
    for each in command.params:
        if isinstance(each.type, click.Path):
            result = CliRunner().invoke(cli, [*path, f"{each.opts[0]}="], prog_name="wic")
            assert result.exit_code == 2
            assert f"'{each.opts[0]}': write a path, not an empty text." in result.stderr


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (("network", "up"), "--third-party-waf"),
        (("network", "subscriber", "add"), "--allow-waf"),
        (("network", "subscriber", "add"), "--bar-waf"),
    ],
    ids=name_of,
)
def test_a_waf_is_named_by_its_issuer(path: tuple[str, ...], name: str) -> None:
    assert f"{name} ISSUER" in help_of(*path)
