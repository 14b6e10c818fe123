"""Every command that the documentation shows exists, with these words and options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from wic_cli.app import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts)]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(wic [^`]+)`")


def shown(page: Path) -> Iterator[str]:
    """The commands of a page: after a prompt, and within sentences."""
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.match(r"\$ (?:\w+=\S+ )*(wic .*)", line)
            if found:
                yield found[1]
    for command in INLINE.findall(BLOCK.sub("", text)):
        yield command.replace("\n", " ")


COMMANDS = sorted({command for page in PAGES for command in shown(page)})


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 50


@pytest.mark.parametrize("text", COMMANDS)
def test_a_command_that_is_shown_exists(text: str) -> None:
    _, *words = shlex.split(text, comments=True)
    command: click.Command = cli
    while isinstance(command, click.Group) and words:
        inner = command.get_command(click.Context(command), words[0])
        assert inner is not None, f"no command {words[0]}"
        command, words = inner, words[1:]
    command.make_parser(click.Context(command)).parse_args(words)


@pytest.mark.parametrize("text", ["wic register --nonsense", "wic network reboot"])
def test_one_that_does_not_would_be_found(text: str) -> None:
    with pytest.raises((click.NoSuchOption, AssertionError)):
        test_a_command_that_is_shown_exists(text)
