"""Lines of a session description, and sections made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from wic.errors import LocalProtocolError
from wic.sip.headers.fields import readable


@dataclass(frozen=True, slots=True)
class Line:
    """One `<kind>=<value>` line, as written.

    Raises:
        LocalProtocolError: the value holds CR, LF or NUL and would break out of its line.
    """

    kind: str
    value: str

    def __post_init__(self) -> None:
        if "\n" in self.value or "\r" in self.value or "\0" in self.value:
            raise LocalProtocolError("an SDP value must not hold CR, LF or NUL")

    @property
    def name(self) -> str:
        """Name of the attribute in an `a=` line, else ""."""
        return _split_attribute(self.value)[0] if self.kind == "a" else ""

    def __str__(self) -> str:
        return f"{self.kind}={self.value}"


def attribute(name: str, value: str | None = None) -> Line:
    """Make an `a=` line.

    >>> str(attribute("sctp-port", "5000"))
    'a=sctp-port:5000'
    """
    return Line("a", name if value is None else f"{name}:{value}")


def _split_attribute(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon and " " in name:
        # The examples of RFC 8865 print "a=sctp-port 5000": a blank in place of the colon is read, never written.
        name, _, value = name.partition(" ")
    return name.strip().lower(), value.strip()


@dataclass(frozen=True)
class Section:
    """The session part or one m-line of a description: its lines in the order they came."""

    lines: tuple[Line, ...]

    @cached_property
    def _values(self) -> dict[str, list[str]]:
        """The values of every attribute, read once however often they are asked for."""
        # Names compare in any case here: some stacks write `a=Rtpmap`, though RFC 8866 has them case-sensitive.
        values: dict[str, list[str]] = {}
        for line in self.lines:
            if line.kind == "a":
                name, value = _split_attribute(readable(line.value))  # only the line keeps octets that are no text
                values.setdefault(name, []).append(value)
        return values

    def first(self, kind: str) -> str | None:
        """Return the value of the first line of this kind, or None."""
        return next((line.value for line in self.lines if line.kind == kind), None)

    def has(self, name: str) -> bool:
        """Return whether the attribute `name` is there."""
        return self.attribute(name) is not None

    def attribute(self, name: str) -> str | None:
        """Return the value of the first attribute `name`: "" for one without a value, None for none."""
        values = self._values.get(name)
        return values[0] if values else None

    def attributes(self, name: str) -> list[str]:
        """Return the values of all attributes `name`, in order."""
        return list(self._values.get(name, ()))

    def with_lines(self, *lines: Line) -> Self:
        """Return a copy with `lines` added at the end."""
        return replace(self, lines=(*self.lines, *lines))

    def with_attribute(self, name: str, value: str | None = None) -> Self:
        """Return a copy with every attribute `name` replaced by this one, at the end."""
        return self.without_attributes(name).with_lines(attribute(name, value))

    def without_attributes(self, *names: str) -> Self:
        """Return a copy without the attributes called `names`."""
        dropped = frozenset(names)
        return replace(self, lines=tuple(line for line in self.lines if line.name not in dropped))

    def without_kinds(self, kinds: str) -> Self:
        """Return a copy without the lines whose kind is one of the letters in `kinds`."""
        return replace(self, lines=tuple(line for line in self.lines if line.kind not in kinds))

    def with_first(self, kind: str, value: str) -> Self:
        """Return a copy with the value of the first line of this kind changed.

        Raises:
            LocalProtocolError: there is no such line.
        """
        for position, line in enumerate(self.lines):
            if line.kind == kind:
                return replace(self, lines=(*self.lines[:position], Line(kind, value), *self.lines[position + 1 :]))
        raise LocalProtocolError(f"there is no {kind}= line to change")
