"""Messages as they were on the wire, with what differs in each run replaced by names, beside the text they shall have.

A golden file holds messages, each below a title such as `=== W2 alice -> REGISTER 1` or `=== Mw <- 401 REGISTER 1`: where
it was seen, the direction from there, the status of a response, the method and the number of CSeq. Lines that begin with
`#` are notes. What is random, or an address, has a name in braces: `{branch}` is the first branch of the file, `{branch-2}`
the second one. Everything else is compared, with the order of the headers.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wic import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wic.sip.flow import Flow
    from wic.sip.trace import Direction

GOLDEN = Path(__file__).parent / "golden"
TITLE = "=== "

VARYING = [
    # The name of what differs in each run, and where it stands.
    ("version", r"\bwic/(\S+)"),
    ("host", r"\b([0-9a-f]{12})\.invalid"),
    ("branch", r"branch=z9hG4bK([\w.]+)"),
    ("tag", r";tag=(\w+)"),
    ("call-id", r'(?:Call-ID: |callid=")(\w+)'),
    ("instance", r"urn:uuid:([0-9a-f-]{36})"),
    ("temporary", r"sip:([\w-]{43})@"),
    ("nonce", r'\bnonce="([^"]+)"'),
    ("cnonce", r'\bcnonce="([^"]+)"'),
    ("response", r'\bresponse="([^"]+)"'),
    ("proof", r'\brspauth="([^"]+)"'),
    ("key", r'\b[ic]k="([^"]+)"'),
    ("token", r"Bearer (\S+)"),
    ("icid", r'icid-value="(\w+)"'),
    ("flow", r"<sip:([0-9a-f]{32})@"),
    ("leg", r";leg=(\w+)"),
    ("port", r"(?:127\.0\.0\.1:|\brport=)(\d+)"),
    ("remaining", r'(?:Expires: |expires="?)(3[56]\d\d)\b'),
    ("element", r'\bid="[rc]([0-9a-f]{16})"'),
    ("session", r"(?m)^o=- (\d+) "),
    ("port", r"(?m)^m=\w+ (\d+) "),
    ("ufrag", r"ice-ufrag:(\S+)"),
    ("password", r"ice-pwd:(\S+)"),
    ("fingerprint", r"fingerprint:sha-256 (\S+)"),
    ("tls-id", r"tls-id:(\S+)"),
    ("foundation", r"candidate:(\S+)"),
    ("port", r" 127\.0\.0\.1 (\d+) typ"),
    ("path", r"msrp://127\.0\.0\.1:\S+/(\w+);tcp"),
]


@dataclass(frozen=True)
class Seen:
    """One message, where it was seen, and its direction from there."""

    place: str
    sent: bool
    text: str

    def header(self, name: str) -> str:
        found = re.search(rf"(?m)^{name}: (.*)$", self.text)
        return found[1] if found else ""

    @property
    def status(self) -> int:
        """Of a response; 0 for a request."""
        return int(self.text.split(" ", 2)[1]) if self.text.startswith("SIP/2.0 ") else 0

    @property
    def title(self) -> str:
        number, method = self.header("CSeq").split()
        method = method if self.status else self.text.split(" ", 1)[0]
        return f"{self.place} {'->' if self.sent else '<-'} {f'{self.status} ' if self.status else ''}{method} {number}"


class Transcript(list[Seen]):
    """All messages of a test."""

    def at(self, place: str) -> Callable[[float, Direction, bytes, Flow], None]:
        """Make an observer of a client, which notes its messages."""

        def note(now: float, direction: Direction, data: bytes, flow: Flow) -> None:
            self.note(place, data, sent=direction.name == "SENT")

        return note

    def note(self, place: str, data: bytes, *, sent: bool) -> None:
        """Note a message with its lines ended by LF; its Content-Length is checked here, and that of a body hidden.

        So is its date, for two messages may be of one second.
        """
        head, _, body = data.partition(b"\r\n\r\n")
        lines = [re.sub(r"^Date: .+ GMT$", "Date: {date}", line) for line in head.decode().split("\r\n")]
        assert f"Content-Length: {len(body)}" in lines
        if body:
            lines[lines.index(f"Content-Length: {len(body)}")] = "Content-Length: {length}"
        self.append(Seen(place, sent, "\n".join(lines) + "\n\n" + body.decode().replace("\r\n", "\n")))

    def of(self, start: str, place: str = "W2") -> list[Seen]:
        """Return the messages of the one dialog, or series of REGISTERs, that a request with this start began there."""
        (call_id,) = {each.header("Call-ID") for each in self if each.text.startswith(start) and place in each.place}
        return [each for each in self if each.header("Call-ID") == call_id]

    def answered(self, method: str) -> int:
        """Count the final answers to requests of a method, once at each place."""
        finals = [each for each in self if each.status >= 200 and each.header("CSeq").endswith(f" {method}")]
        return len({(each.place, each.header("Call-ID"), each.header("CSeq")) for each in finals})


class Names:
    """Names for what differs in each run, given in the order of the messages."""

    def __init__(self, known: dict[str, str] | None = None) -> None:
        """Begin with ports that have names."""
        self._names = {("port", value): name for value, name in (known or {}).items()}
        self._names["version", __version__] = "version"
        self._counts: Counter[str] = Counter()

    def put(self, text: str) -> str:
        """Replace values by names."""
        for kind, pattern in VARYING:
            text = re.sub(pattern, lambda found, kind=kind: self._replace(found, kind), text)  # type: ignore[misc]
        return text

    def _replace(self, found: re.Match[str], kind: str) -> str:
        start, end = found.start(1) - found.start(), found.end(1) - found.start()
        return f"{found[0][:start]}{{{self._name(kind, found[1])}}}{found[0][end:]}"

    def _name(self, kind: str, value: str) -> str:
        if (kind, value) not in self._names:
            self._counts[kind] += 1
            number = self._counts[kind]
            self._names[kind, value] = kind if number == 1 else f"{kind}-{number}"
        return self._names[kind, value]


def golden(name: str) -> dict[str, str]:
    """Read a golden file: texts of messages by their titles."""
    text = (GOLDEN / f"{name}.sip").read_text(encoding="utf-8")
    lines = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    blocks = [block.partition("\n") for block in lines.split(TITLE)[1:]]
    assert len({title for title, _, _ in blocks}) == len(blocks), "a title is there twice"
    return {title: f"{message.strip()}\n" for title, _, message in blocks}


def expect_recorded(name: str, seen: Iterable[Seen], names: Names) -> None:
    """See that these messages, and no others, are those of a golden file.

    A 100 is sent only when the answer takes long, and what is lost is sent again; neither counts.
    """
    found = {each.title: each.text for each in seen if each.status != 100}
    expected = golden(name)
    written = [(title, names.put(found[title]).strip() + "\n") for title in expected if title in found]
    written += [(title, names.put(text).strip() + "\n") for title, text in found.items() if title not in expected]
    actual = [line for title, text in written for line in f"{TITLE}{title}\n{text}".splitlines()]
    wanted = [line for title, text in expected.items() for line in f"{TITLE}{title}\n{text}".splitlines()]

    difference = difflib.unified_diff(wanted, actual, f"{name}.sip", "on the wire", lineterm="", n=30)
    assert actual == wanted, "\n".join(["", *difference])
