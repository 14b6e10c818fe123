"""XML bodies of peers as plain trees: no DTD, no entities of their own, bounded in every direction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from wic.sip.errors import MalformedBody

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SEPARATOR: Final = " "  # stands in no name and, escaped, in no namespace


@dataclass(slots=True)
class Element:
    """One element.

    >>> root = parse_xml(b'<a xmlns="urn:x"><b c="1"> text </b></a>')
    >>> root.namespace, [(child.name, child.attributes, child.text) for child in root.children]
    ('urn:x', [('b', {'c': '1'}, 'text')])
    """

    name: str
    """Without prefix or namespace."""
    namespace: str = ""
    """Empty where the element has none."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """By name; one of a foreign namespace has that and a blank before its name."""
    text: str = ""
    """The text directly within, without the blanks around it."""
    children: list[Element] = field(default_factory=list)

    def find(self, name: str) -> Element | None:
        """Return the first child of that name in any namespace, or None."""
        return next(self.find_all(name), None)

    def find_all(self, name: str) -> Iterator[Element]:
        """Iterate over the children of that name in any namespace."""
        return (child for child in self.children if child.name == name)


def parse_xml(data: bytes, *, max_size: int = 65_536, max_elements: int = 1_000, max_depth: int = 16) -> Element:
    """Read a document; its time and memory are linear in `max_size`.

    Args:
        data: the body.
        max_size: octets.
        max_elements: elements in all.
        max_depth: elements within elements.

    Returns:
        The root.

    Raises:
        MalformedBody: it is no XML, has a document type, or exceeds a limit.
    """
    if len(data) > max_size:
        raise MalformedBody(f"XML of {len(data)} octets", status_hint=413)
    tree = _Tree(max_elements, max_depth)
    parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.characters
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:  # the latter two for encodings
        raise MalformedBody(f"malformed XML: {error}") from error
    return tree.root


def _refuse_doctype(name: str, *_: object) -> None:
    """Entities are declared in a document type, and nothing in SIP needs one."""
    raise MalformedBody("XML with a document type")


class _Tree:
    """Builds the tree from what the parser meets."""

    def __init__(self, max_elements: int, max_depth: int) -> None:
        self._room = max_elements
        self._max_depth = max_depth
        self._top = Element("")
        self._open = [self._top]
        self._texts: list[list[str]] = [[]]

    @property
    def root(self) -> Element:
        return self._top.children[0]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._room -= 1
        if self._room < 0 or len(self._open) > self._max_depth:
            raise MalformedBody("XML with too many elements", status_hint=413)
        namespace, _, local = name.rpartition(_SEPARATOR)
        element = Element(local, namespace, attributes)
        self._open[-1].children.append(element)
        self._open.append(element)
        self._texts.append([])

    def end(self, name: str) -> None:
        self._open.pop().text = "".join(self._texts.pop()).strip()

    def characters(self, text: str) -> None:
        self._texts[-1].append(text)
