"""Credentials in the messages of docs/howto/register.md, compared with those of a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Network, RegisterRun

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "register.md"
LINE = re.compile(r"^(?:Authorization|WWW-Authenticate): (.*)$", re.MULTILINE | re.IGNORECASE)
VALUE = re.compile(r'(\w[\w-]*)=(?:"[^"]+"|\*\*\*|[^\s,"]+)')
KEPT = ("algorithm", "integrity-protected", "qop")


def shape(line: str) -> str:
    """Return credentials without the values that differ in each run; empty values stay."""
    text = re.sub(r"Bearer [^=\s]+$", "Bearer …", line.strip())
    return VALUE.sub(lambda found: found[0] if found[1] in KEPT else f"{found[1]}=…", text)


def test_the_messages_in_the_howto_are_those_on_the_wire(
    network: Network, register_once: Callable[..., RegisterRun]
) -> None:
    runs = [register_once(name) for name in ("bob", "alice", "carol", "guest")]
    runs.append(register_once("carol", bearer_form="annex-a"))
    network.reset_sqn("alice")
    runs.append(register_once("alice"))
    messages = [
        message for each in runs for message in (*each.registers, *each.answers, *each.mw_registers, *each.mw_answers)
    ]
    seen = {shape(line) for message in messages for line in LINE.findall(message.raw.decode().replace("\r", ""))}
    shown = {shape(line) for line in LINE.findall(HOWTO.read_text(encoding="utf-8"))}
    assert len(shown) >= 10
    assert shown <= seen, shown - seen
