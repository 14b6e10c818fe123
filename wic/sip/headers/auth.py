"""Challenges and credentials: WWW-Authenticate, Authorization and their kin (RFC 3261 §20.44, RFC 7235, RFC 8898)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from wic.sip.errors import MalformedHeader
from wic.sip.grammar import PARAM, QUOTED, TOKEN, WS
from wic.sip.params import AuthParams, Params, unquote

_PARAMETERS = rf"{PARAM}(?:{WS},(?:{WS}{PARAM})?+)*+"  # RFC 9110 §5.6.1: a recipient passes over empty elements
_BEFORE = rf"(?:[ \t]++|{WS},[ \t,]*+(?={TOKEN}{WS}=))"  # empty elements right after the scheme as well
_WITH_PARAMS = re.compile(rf"{WS}({TOKEN}){_BEFORE}({_PARAMETERS}){WS}", re.DOTALL)
_WITH_TOKEN = re.compile(rf"{WS}({TOKEN})(?:[ \t]++([A-Za-z0-9\-._~+/]++=*+))?{WS}")
_NEXT = re.compile(rf"{TOKEN}[ \t]++{TOKEN}", re.DOTALL)
_BARE_PARAM = re.compile(rf"{TOKEN}{WS}=", re.DOTALL)
_ELEMENT = re.compile(rf'(?:[^",]++|{QUOTED})++(?:".*+)?+|".*+', re.DOTALL)
# Each matches from the start, once: a search would try again at every quote, for the rest of the text.
_CLOSED = re.compile(rf'(?:[^"]++|{QUOTED})*+', re.DOTALL)
_COMMAS = re.compile(rf'(?:[^"]++|{QUOTED}(?!{WS}{TOKEN}{WS}=))*+', re.DOTALL)
_REALM = re.compile(rf"\brealm{WS}={WS}({QUOTED}|{TOKEN})", re.DOTALL | re.IGNORECASE)

_NONE: Final = AuthParams()
_USED: Final = frozenset(
    ("username", "realm", "nonce", "uri", "response", "algorithm", "qop", "nc", "cnonce", "auts", "access_token")
) | {"authorization-entity"}
"""Parameters, by their names in lower case, that a proof is made of, or that something is decided by."""


@dataclass(frozen=True, slots=True)
class UnreadableAuth:
    """A challenge or credentials that do not follow the grammar."""

    realm: str | None
    """The realm, where it can be made out."""
    fault: str
    """The fault, for a message."""

    @classmethod
    def of(cls, text: str) -> UnreadableAuth:
        """Find the realm and the fault of a text that is no `AuthValue`.

        >>> UnreadableAuth.of('Digest realm="a" nonce="b"')
        UnreadableAuth(realm='a', fault='a comma is missing')
        """
        realm = _REALM.search(text)
        if _CLOSED.fullmatch(text) is None:
            fault = "a quote is not closed"
        elif "\ufffd" in text:
            fault = "it has octets that are not UTF-8"
        elif _COMMAS.fullmatch(text) is None:
            fault = "a comma is missing"
        else:
            fault = "it is no list of parameters"
        return cls(None if realm is None else unquote(realm[1]), fault)


@dataclass(frozen=True, slots=True)
class AuthValue:
    """A challenge or credentials: a scheme with parameters, or with one opaque token.

    >>> challenge = AuthValue.parse('Digest realm="ims.example", qop="auth,auth-int", algorithm=SHA-256')
    >>> challenge.scheme, challenge.params.get("qop")
    ('Digest', 'auth,auth-int')
    >>> AuthValue.parse("Bearer abc.def==").token
    'abc.def=='
    """

    scheme: str
    """`Digest`, `Bearer` or another, as it came; compare without regard to case."""
    params: Params = _NONE
    """Parameters, separated by commas on the wire."""
    token: str | None = None
    """The opaque token that stands instead of parameters (RFC 6750 §2.1: b64token)."""

    @classmethod
    def parse(cls, text: str) -> AuthValue:
        """Parse one challenge or one set of credentials.

        Raises:
            MalformedHeader: it does not follow the grammar.
        """
        value = cls._read(text)
        if value is None:
            raise MalformedHeader("malformed challenge or credentials")
        return value

    @classmethod
    def _read(cls, text: str) -> AuthValue | None:
        match = _WITH_TOKEN.fullmatch(text)
        if match is not None:
            return cls(match[1], token=match[2])
        match = _WITH_PARAMS.fullmatch(text)
        if match is None:
            return None
        params = AuthParams.of_checked(match[2])
        if "\ufffd" in text:  # a proof is made of octets, and here they are lost
            lost = {name.lower() for name, value in params.items() if value is not None and "\ufffd" in value}
            if not lost.isdisjoint(_USED):
                return None
        return cls(match[1], params)

    @classmethod
    def parse_list(cls, text: str) -> list[AuthValue]:
        """Parse a header line that may hold several challenges (RFC 7235 §4.1).

        Raises:
            MalformedHeader: one of them does not follow the grammar.
        """
        values = cls.read_list(text)
        read = [value for value in values if isinstance(value, AuthValue)]
        if len(read) < len(values) or not read:
            raise MalformedHeader("malformed challenge or credentials")
        return read

    @classmethod
    def read_list(cls, text: str) -> list[AuthValue | UnreadableAuth]:
        """Read a header line that may hold several challenges, each for itself: one that is malformed hides no other."""
        only = cls._read(text)
        if only is not None:
            return [only]
        challenges: list[list[str]] = []
        for item in _split(text):
            if challenges and (_BARE_PARAM.match(item) or not _NEXT.match(item)):  # RFC 7235 §4.1: a comma is ambiguous
                challenges[-1].append(item)
            else:
                challenges.append([item])
        joined = map(", ".join, challenges)
        return [cls._read(each) or UnreadableAuth.of(each) for each in joined]

    def __str__(self) -> str:
        rest = self.token if self.token is not None else self.params.text
        return f"{self.scheme} {rest}" if rest else self.scheme

    def __repr__(self) -> str:
        # Credentials are no matter for logs: names only.
        return f"AuthValue({self.scheme!r}, {', '.join(self.params)})"


def _split(text: str) -> list[str]:
    """Split at the commas that are not within quotes; after a quote that is not closed, all is one element."""
    elements = (element.strip(" \t") for element in _ELEMENT.findall(text))
    return [element for element in elements if element]  # RFC 9110 §5.6.1: empty elements are passed over
