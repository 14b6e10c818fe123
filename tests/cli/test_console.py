from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from wic_cli.console import PLAIN_WIDTH, Console, ElapsedTime, clean, plain
from wic_cli.failures import CommandFailure
from wic_cli.ladder import Arrow

HOSTILE = "\x1b[2J\x1b]0;owned\x07bob\x9b31m\u202egnp\ud800"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def terminal_console(monkeypatch, **options):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out, err = Terminal(), Terminal()
    return Console(out=out, err=err, **options), out, err


def pipe_console(**options):
    out, err = io.StringIO(), io.StringIO()
    return Console(out=out, err=err, **options), out, err


def say_everything(console: Console) -> None:
    console.say("done", style="bold green")
    console.facts({"a": 1, "long name": "x"})
    console.table("Figures", ["name", "n"], [["one", 1], ["two", 22.5], ["three", "-"]])
    console.ladder(["alice", "bob"], [Arrow(at=0, source="alice", target="bob", label="INVITE")])
    with console.progress("Calling [bold]") as progress:
        progress.update("Talking")
    console.document({"name": "ü"})
    console.error("it broke [bold].")
    console.trace("INVITE sip:x SIP/2.0\r\n\r\n")


def test_a_pipe_gets_plain_text() -> None:
    console, out, err = pipe_console()
    say_everything(console)
    assert not console.is_terminal
    text = out.getvalue()
    assert "\x1b" not in text + err.getvalue()
    assert "Calling" not in text
    assert "{" not in text
    assert "Figures\n" in text
    assert "  long name  x\n" in text
    assert "22.50" in text
    assert "|-" in text or "│─" in text
    assert err.getvalue().startswith("Error: it broke [bold].\nINVITE sip:x SIP/2.0\n")


def test_a_terminal_gets_colour_and_progress(monkeypatch) -> None:
    console, out, err = terminal_console(monkeypatch)
    say_everything(console)
    assert console.is_terminal
    assert "\x1b[1;32mdone" in out.getvalue()
    assert " Talking" in out.getvalue()
    assert "\x1b[1;31mError:" in err.getvalue()
    assert "◀" in out.getvalue() or "▶" in out.getvalue()


def test_no_color_switches_colour_off(monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    Console(out=out, err=Terminal()).say("done", style="green")
    assert "32m" not in out.getvalue()


def test_json_keeps_standard_output_pure() -> None:
    console, out, err = pipe_console(as_json=True)
    say_everything(console)
    assert out.getvalue().isascii()
    assert json.loads(out.getvalue()) == {"name": "ü"}
    assert "done" in err.getvalue()


def test_a_peer_cannot_control_the_terminal(monkeypatch) -> None:
    console, out, err = terminal_console(monkeypatch)
    console.say(HOSTILE)
    console.facts({"contact": HOSTILE})
    console.table("T", ["c"], [[HOSTILE]])
    console.ladder(["alice", "bob"], [Arrow(at=0, source="alice", target="bob", label=HOSTILE)])
    console.trace(HOSTILE)
    with console.progress(HOSTILE) as progress:
        progress.update(HOSTILE)
    console.error(HOSTILE)
    for text in (out.getvalue(), err.getvalue()):
        assert "\x1b[2J" not in text
        assert "\x1b]" not in text
        assert not set(text) & {"\x07", "\x9b", "\u202e", "\ud800"}
    assert "owned" in out.getvalue()


AS_WRITTEN = [
    "tel:abc",
    ":smile:",
    "sip:x:5060",
    "[bold red]x[/]",
    "[/]",
    "[link=http://evil]y[/link]",
    "C:\\",
    "\\[x]",
]


@pytest.mark.parametrize("where", [pipe_console, terminal_console])
@pytest.mark.parametrize("text", AS_WRITTEN)
def test_a_text_is_printed_as_it_is_written(monkeypatch, text: str, where) -> None:
    """Each way to print; rich knows names of emoji and markup, which users and peers write without meaning them."""
    uses = [
        lambda console: console.say(text, style="bold"),
        lambda console: console.error(text),
        lambda console: console.trace(text),
        lambda console: console.facts({"name": text}),
        lambda console: console.facts({text: "value"}),
        lambda console: console.table("title", ["column"], [[text]]),
        lambda console: console.table("title", [text], [["cell"]]),
        lambda console: console.table(text, ["column"], [["cell"]]),
        lambda console: console.ladder([text, "bob"], [Arrow(at=0, source=text, target="bob", label=f"{text} X")]),
        lambda console: console.failure(CommandFailure(outcome="failed", reason=text, error="X")),
    ]
    for use in uses:
        console, out, err = where(monkeypatch) if where is terminal_console else where()
        use(console)
        shown = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue() + err.getvalue())
        assert text in shown


def test_a_progress_line_is_printed_as_it_is_written(monkeypatch) -> None:
    for text in AS_WRITTEN:
        console, out, _ = terminal_console(monkeypatch)
        with console.progress("begin") as progress:
            progress.update(text, timed=True)
        assert f"{text} 0:00" in out.getvalue()


def test_a_line_may_show_the_time_since_it_began(monkeypatch) -> None:
    now = [10.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    elapsed = ElapsedTime(plain("Ringing"))
    shown = []
    for now[0] in (10.0, 10.9, 75.0, 3700.0):
        shown.append(str(elapsed.__rich__()))
    assert shown == ["Ringing 0:00", "Ringing 0:00", "Ringing 1:05", "Ringing 61:30"]


def test_only_the_console_prints() -> None:
    for path in (Path(__file__).parents[2] / "cli").rglob("*.py"):
        text = path.read_text()
        assert (
            path.name == "console.py" or re.search(r"\brich\b.*import|click[.]s?echo|(?<![._\w])print\(", text) is None
        )


def test_a_failure_is_documented_once() -> None:
    console, out, err = pipe_console(as_json=True)
    failure = CommandFailure(outcome="failed", reason="It broke.", error="X")
    console.failure_document({"outcome": "rejected"})
    console.failure(failure)
    assert json.loads(out.getvalue()) == {"outcome": "rejected"}
    assert err.getvalue() == "Error: It broke.\n"


@pytest.mark.parametrize(
    ("text", "shown"), [("a\r\nb", "a\nb"), ("a\tb", "a\tb"), ("a\rb", "a�b"), ("\x00", "�"), ("é", "é")]
)
def test_clean(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_stream_without_unicode_gets_ascii() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(out=out, err=out).ladder(["a", "b"], [Arrow(at=0, source="a", target="b", label="BYE")])
    out.seek(0)
    lines = out.read().splitlines()
    assert "->|" in lines[1]
    assert max(map(len, lines)) <= PLAIN_WIDTH
