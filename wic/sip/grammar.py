"""Named fragments of the grammar of RFC 3261 §25.1, to be composed into patterns.

Every repetition is possessive (`++`, `*+`): a pattern made of them never goes back over what it
has read, so the time to match or to refuse is linear in the length of the text.
"""

from __future__ import annotations

import re

from wic.sip.errors import MalformedHeader

TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]++"
"""A method, a header name, a tag."""
WS = r"[ \t]*+"
"""White space within a line; folding is undone before any value is parsed."""
QUOTED = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
"""A quoted string with its escapes."""
PLAIN = r'[^\x00-\x20\x7f\ufffd;,"<>?\\]*+'
"""The value of a parameter without quotes: a token or a host, and what is met in the field (`=`, `/`).

U+FFFD, which stands for an octet that is no text, is left out here and in the patterns of other identifiers: two that have it
could not be told apart.
"""
PARAM = rf"{TOKEN}(?:{WS}={WS}(?:{QUOTED}|{PLAIN}))?"
"""One `name` or `name=value`."""
PARAMS = rf"(?:{WS};{WS}{PARAM})*+"
"""The parameters of a header field value."""
HOST = r"[A-Za-z0-9_.\-]++|\[[0-9A-Fa-f:.]++\]"
"""A name, an IPv4 address, or an IPv6 reference (not yet checked as an address)."""
REQUEST_URI = r"[!-~]++"
"""What can stand in a start line between two spaces; whether it is a URI is seen when it is read."""
URI_PARAMS = r"(?:;[A-Za-z0-9\-_.!~*'()\[\]/:&+$%]++(?:=[A-Za-z0-9\-_.!~*'()\[\]/:&+$%=]*+)?)*+"
"""The parameters of a URI; `=` in a value is met in the field."""
URI_HEADERS = r"(?:\?[A-Za-z0-9\-_.!~*'()\[\]/?:+$%=;,]++(?:&[A-Za-z0-9\-_.!~*'()\[\]/?:+$%=;,]++)*+)?"
"""The header fields of a URI; `;` and `,` should be escaped and often are not."""

_ITEM = re.compile(rf'(?:[^",<]++|{QUOTED}|<[^<>]*+>)++', re.DOTALL)
_TOKEN = re.compile(TOKEN)


def is_token(text: str) -> bool:
    """Whether `text` is a token (RFC 3261 §25.1)."""
    return _TOKEN.fullmatch(text) is not None


def split_list(text: str) -> list[str]:
    """Split a header field value at its commas, but not at those within quotes or angle brackets.

    Raises:
        MalformedHeader: an element is empty, or a quote or bracket is not closed (RFC 3261 §7.3.1).
    """
    if "," not in text:
        return [text]
    items: list[str] = []
    position = 0
    while True:
        match = _ITEM.match(text, position)
        if match is None or not match[0].strip(" \t"):
            raise MalformedHeader(f"empty or broken element in a list at character {position}")
        items.append(match[0].strip(" \t"))
        position = match.end() + 1
        if position > len(text):
            return items
        if text[position - 1] != ",":
            raise MalformedHeader(f"quote or bracket not closed at character {position - 1}")


def split_usable(text: str) -> list[str]:
    """Split like `split_list`, but leave out what is empty, and all from a quote or bracket on that is not closed.

    >>> split_usable('<sip:a@x>, , "b, <sip:c@x>')
    ['<sip:a@x>']
    """
    items: list[str] = []
    position = 0
    while position < len(text):
        match = _ITEM.match(text, position)
        end = position if match is None else match.end()
        if end < len(text) and text[end] != ",":
            break
        if match is not None and (item := match[0].strip(" \t")):
            items.append(item)
        position = end + 1
    return items
