"""Reader of SIP messages that is independent of wic's parser."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PARAMETER = re.compile(r'[,\s]*([\w.+-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,;"]+)')


@dataclass(frozen=True)
class Message:
    """One message as it was on the wire."""

    raw: bytes

    @property
    def start(self) -> str:
        return self.raw.partition(b"\r\n")[0].decode()

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def method(self) -> str:
        """Method of a request, or of the request that a response answers."""
        return self.one("CSeq").split()[1]

    @property
    def status(self) -> int:
        """Status of a response; 0 for a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self._lines()}

    def all(self, name: str) -> list[str]:
        """Return the unparsed values of all lines with a name."""
        return [value for each, value in self._lines() if each == name.lower()]

    def one(self, name: str) -> str:
        """Return the value of the only line with a name."""
        (value,) = self.all(name)
        return value

    def credentials(self, name: str = "Authorization") -> tuple[str, dict[str, str]]:
        """Return the scheme of credentials or of a challenge, and its parameters with their quotes."""
        scheme, _, rest = self.one(name).partition(" ")
        pairs = _PARAMETER.findall(rest)
        parameters = dict(pairs)
        assert len(parameters) == len(pairs), f"repeated parameter: {rest}"
        return scheme, parameters

    def parameter(self, line: str, name: str) -> str | None:
        """Return a parameter of the only line with a name: "" if it has no value, None if it is missing."""
        found = re.search(rf";\s*{re.escape(name)}(?:=(\"[^\"]*\"|[^;,\s>]*))?(?=[;,\s]|$)", self.one(line))
        return None if found is None else found[1] or ""

    def _lines(self) -> list[tuple[str, str]]:
        head = self.raw.partition(b"\r\n\r\n")[0].decode()
        assert not re.search(r"\r\n[ \t]", head), "wic folds no lines"
        pairs = (line.partition(":") for line in head.split("\r\n")[1:])
        return [(name.strip().lower(), value.strip()) for name, _, value in pairs]
