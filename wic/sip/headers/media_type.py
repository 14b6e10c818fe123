"""Media types: Content-Type and the ranges of Accept (RFC 3261 §20.15, §20.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from wic.sip.errors import MalformedHeader
from wic.sip.grammar import PARAMS, TOKEN, WS
from wic.sip.params import Params

_MEDIA_TYPE = re.compile(rf"{WS}({TOKEN}){WS}/{WS}({TOKEN})({PARAMS}){WS}", re.DOTALL)
_NONE: Final = Params()


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type, or a range of them with `*`.

    >>> MediaType.parse('multipart/mixed; boundary="a b"').params.get("boundary")
    'a b'
    """

    type: str
    """In lower case."""
    subtype: str
    """In lower case."""
    params: Params = _NONE
    """`boundary`, `charset`, `q` and others."""

    @classmethod
    def parse(cls, text: str) -> MediaType:
        """Parse one value.

        Raises:
            MalformedHeader: it does not follow the grammar.
        """
        match = _MEDIA_TYPE.fullmatch(text)
        if match is None:
            raise MalformedHeader(f"malformed media type {text[:80]!r}")
        return cls(match[1].lower(), match[2].lower(), Params.of_checked(match[3]) if match[3] else _NONE)

    def __str__(self) -> str:
        return f"{self.type}/{self.subtype}{self.params}"

    @property
    def essence(self) -> str:
        """Type and subtype without parameters, such as `application/sdp`."""
        return f"{self.type}/{self.subtype}"

    def accepts(self, essence: str) -> bool:
        """Whether this range of an Accept header field covers a type such as `application/sdp`."""
        major, _, minor = essence.lower().partition("/")
        return self.type in ("*", major) and self.subtype in ("*", minor)
