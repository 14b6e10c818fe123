"""docs/howto/register.md shows messages of real runs: their credentials still look as they do there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Network, Visit

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "register.md"
LINE = re.compile(r"^(?:Authorization|WWW-Authenticate): (.*)$", re.MULTILINE | re.IGNORECASE)
VALUE = re.compile(r'(\w[\w-]*)=(?:"[^"]+"|\*\*\*|[^\s,"]+)')
KEPT = ("algorithm", "integrity-protected", "qop")


def shape(line: str) -> str:
    """Credentials without what differs from run to run; empty values stay."""
    text = re.sub(r"Bearer [^=\s]+$", "Bearer …", line.strip())
    return VALUE.sub(lambda found: found[0] if found[1] in KEPT else f"{found[1]}=…", text)


def test_the_messages_in_the_howto_are_those_on_the_wire(network: Network, visit: Callable[..., Visit]) -> None:
    visits = [visit(name) for name in ("bob", "alice", "carol", "guest")]
    visits.append(visit("carol", bearer_form="annex-a"))
    network.set_back("alice")
    visits.append(visit("alice"))
    messages = [
        message for each in visits for message in (*each.registers, *each.answers, *each.mw_registers, *each.mw_answers)
    ]
    seen = {shape(line) for message in messages for line in LINE.findall(message.raw.decode().replace("\r", ""))}
    shown = {shape(line) for line in LINE.findall(HOWTO.read_text(encoding="utf-8"))}
    assert len(shown) >= 10
    assert shown <= seen, shown - seen
