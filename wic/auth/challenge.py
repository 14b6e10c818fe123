"""Challenges of 401 and 407, and the choice among them (RFC 3261 §22, RFC 8760 §2.4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.auth.digest import DigestAlgorithm, find_algorithm
from wic.errors import RemoteProtocolError
from wic.sip.headers import AuthValue, UnreadableAuth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wic.sip.message import Response

FindAlgorithm = Callable[[str | None], DigestAlgorithm | None]
"""Finds an algorithm by the value of `algorithm=`, None if there was none."""

MAX_VALUE = 4096
"""Longest realm, nonce or opaque that is answered, in characters."""

MAX_CHALLENGES = 32
"""More challenges than this in one response are not looked at."""

_MAX_NAME = 40  # characters of a scheme in a message
_MAX_REALM = 80  # characters of a realm in a message
_MAX_FAULTS = 3  # challenges that a message speaks of

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

CREDENTIALS_OF = {"WWW-Authenticate": "Authorization", "Proxy-Authenticate": "Proxy-Authorization"}
"""Header of the credentials for each header of challenges (RFC 3261 §22.2, §22.3)."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """A Digest challenge that can be answered."""

    header: str
    """Header of the credentials: `Authorization` or `Proxy-Authorization`."""
    realm: str
    nonce: str
    algorithm: DigestAlgorithm
    qop: str | None
    """The one to use: `auth` if offered, else `auth-int`; None if the server offers none that is known."""
    opaque: str | None = None
    stale: bool = False
    algorithm_named: bool = True
    """Whether the challenge had `algorithm`; credentials repeat it only then."""

    @classmethod
    def read(cls, value: AuthValue, header: str, find: FindAlgorithm = find_algorithm) -> Challenge | None:
        """Read one challenge; None if its scheme or algorithm is unknown here.

        Args:
            value: the challenge.
            header: of the credentials.
            find: knows the algorithms.

        Raises:
            RemoteProtocolError: a Digest challenge lacks realm or nonce, or holds a value that no answer can repeat.
        """
        if value.scheme.lower() != "digest":
            return None
        params = value.params
        # RFC 7616 §3.3: a challenge with an unknown algorithm is ignored; without one it is MD5.
        name = params.get("algorithm")
        algorithm = find(name)
        opaque = params.get("opaque")
        if algorithm is None:
            return None
        return cls(
            header=header,
            realm=_repeatable(params.get("realm"), "realm"),
            nonce=_repeatable(params.get("nonce"), "nonce"),
            algorithm=algorithm,
            qop=_choose_qop(params.get("qop")),
            opaque=None if opaque is None else _repeatable(opaque, "opaque"),
            stale=(params.get("stale") or "").lower() == "true",
            algorithm_named=name is not None,
        )


def read_challenges(response: Response, answerable: Callable[[Challenge], bool]) -> tuple[Challenge, ...]:
    """Choose the challenges to answer: for each realm the topmost that can be (RFC 8760 §2.4).

    A forking proxy puts the challenges of several servers into one response (RFC 3261 §16.7), so both
    headers are read with either status. Malformed challenges are passed over.
    """
    chosen: dict[tuple[str, str], Challenge] = {}
    for challenge in digest_challenges(response):
        if answerable(challenge):
            chosen.setdefault((challenge.header, challenge.realm), challenge)  # RFC 8760 §2.4: the topmost
    return tuple(chosen.values())


def digest_challenges(response: Response, find: FindAlgorithm = find_algorithm) -> Iterator[Challenge]:
    """Go through the well-formed Digest challenges whose algorithm `find` knows, in their order."""
    for asked, header in CREDENTIALS_OF.items():
        for value in read_values(response, asked)[:MAX_CHALLENGES]:
            try:
                challenge = Challenge.read(value, header, find)
            except RemoteProtocolError:
                continue
            if challenge is not None:
                yield challenge


def read_values(response: Response, name: str) -> list[AuthValue]:
    """Return the challenges of one header, of any scheme; those that are malformed are left out."""
    return [value for value in _read_all(response, name) if isinstance(value, AuthValue)]


def name_challenges(response: Response) -> str:
    """Name the schemes of a response's challenges, with the algorithms of Digest, for a message."""
    values = [value for header in CREDENTIALS_OF for value in read_values(response, header)[:MAX_CHALLENGES]]
    names = (f"{value.scheme} {value.params.get('algorithm') or ''}".strip()[:_MAX_NAME] for value in values)
    return " or ".join(dict.fromkeys(names)) or "something that cannot be read"


def explain_challenges(response: Response, otherwise: str) -> str:
    """Explain why no challenge of a response can be answered.

    Args:
        response: a 401 or 407.
        otherwise: the explanation for challenges that can be read.
    """
    faults: dict[str, None] = {}
    readable = 0
    for asked, header in CREDENTIALS_OF.items():
        for value in _read_all(response, asked)[:MAX_CHALLENGES]:
            fault = _fault(value, header)
            if fault is None:
                readable += 1
            else:
                faults[fault] = None
    told = list(faults)[:_MAX_FAULTS]
    return "; ".join([*told, otherwise] if readable or not told else told)


def _fault(value: AuthValue | UnreadableAuth, header: str) -> str | None:
    if isinstance(value, UnreadableAuth):
        return _unreadable(value.realm, value.fault)
    try:
        Challenge.read(value, header)
    except RemoteProtocolError as error:
        return _unreadable(value.params.get("realm"), str(error))
    return None


def _read_all(response: Response, name: str) -> list[AuthValue | UnreadableAuth]:
    return [value for line in response.headers.get_all(name) for value in AuthValue.read_list(line)]


def _unreadable(realm: str | None, fault: str) -> str:
    shown = realm is not None and realm.isprintable() and len(realm) <= _MAX_REALM
    return (
        f"the challenge of realm {realm} cannot be read: {fault}" if shown else f"a challenge cannot be read: {fault}"
    )


def _choose_qop(offered: str | None) -> str | None:
    # RFC 7616 §3.3: unrecognized options are ignored, so that a list of nothing else is as none.
    options = {option.strip().lower() for option in (offered or "").split(",")}
    return next((qop for qop in ("auth", "auth-int") if qop in options), None)


def _repeatable(value: str | None, name: str) -> str:
    if value is None:
        raise RemoteProtocolError(f"it has no {name}")
    if len(value) > MAX_VALUE or _CONTROL.search(value):
        raise RemoteProtocolError(f"its {name} is too long or holds control characters")
    if "\ufffd" in value:
        raise RemoteProtocolError(f"its {name} has octets that are not UTF-8")
    return value
