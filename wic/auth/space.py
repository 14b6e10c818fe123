"""The client's side of what all Digest schemes share: nonces in use, credentials made with them, and their proof."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.auth.digest import DigestInput
from wic.errors import AuthenticationFailed, NetworkNotTrusted
from wic.sip.errors import MalformedHeader
from wic.sip.grammar import quote
from wic.sip.headers import AuthValue
from wic.sip.params import AuthParams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wic.auth.challenge import Challenge
    from wic.auth.secret import Secret
    from wic.sip.message import Request, Response
    from wic.sip.params import Params
    from wic.sip.random_source import RandomSource

_QUOTED = frozenset({"username", "realm", "nonce", "uri", "response", "cnonce", "opaque", "auts"})
_INFO_OF = {"Authorization": "Authentication-Info", "Proxy-Authorization": "Proxy-Authentication-Info"}
_INFO_KEYS = frozenset(name.lower() for name in _INFO_OF.values())
_MAX_SPACES = 16
_STALE_STRIKES = 2
_PROVED = 8


@dataclass(slots=True)
class Space:
    """A protection space: one realm behind one header, and the nonce in use there."""

    challenge: Challenge
    ha1: Secret
    uri: str
    count: int = 0
    proved: tuple[str, ...] = ()
    stale_strikes: int = 0

    def use(self, challenge: Challenge, ha1: Secret) -> None:
        """Go on with another nonce."""
        self.challenge = challenge
        self.ha1 = ha1
        self.count = 0

    @property
    def settled(self) -> bool:
        """Whether the nonce in use has been accepted, and nothing speaks against it since."""
        return self.stale_strikes == 0 and self.challenge.nonce in self.proved

    def prove(self, nonce: str) -> None:
        """Remember that a response made with this nonce was accepted, or will be."""
        if nonce not in self.proved:
            self.proved = (*self.proved, nonce)[-_PROVED:]
        self.stale_strikes = 0

    def answer(self, username: str, request: Request, random_source: RandomSource) -> AuthValue:
        """Return credentials for a request whose URI and body are final."""
        self.count += 1
        return digest_answer(self.challenge, self.ha1, username, request, random_source, count=self.count)

    def check_rspauth(self, params: Params, info: AuthParams | None, response: Response) -> None:
        """Check what a response says about who sends it.

        Raises:
            NetworkNotTrusted: its rspauth is wrong.
        """
        rspauth = None if info is None else info.get("rspauth")
        qop = None if rspauth is None else params.get("qop")
        if rspauth is None or qop is None:
            return
        parts = DigestInput(
            algorithm=self.challenge.algorithm,
            nonce=params.get("nonce") or "",
            uri=params.get("uri") or "",
            method="",
            qop=qop,
            nc=params.get("nc") or "",
            cnonce=params.get("cnonce") or "",
            body=response.body,
        )
        if not hmac.compare_digest(parts.rspauth(self.ha1).encode(), rspauth.lower().encode("utf-8", "replace")):
            raise NetworkNotTrusted("the network could not prove that it knows the password")


class Spaces:
    """The protection spaces of one user."""

    __slots__ = ("_random_source", "_spaces", "username")

    def __init__(self, username: str, random_source: RandomSource) -> None:
        self.username = username
        self._random_source = random_source
        self._spaces: dict[tuple[str, str], Space] = {}

    def authorize(self, request: Request) -> None:
        """Put into `request` credentials for every realm that has asked for them, and no others."""
        answers: dict[str, list[AuthValue]] = {header: [] for header in _INFO_OF}
        for (header, _), space in self._spaces.items():
            # RFC 3261 §22.1: a UAS protects the Request-URI it challenged; a proxy all that passes it.
            if header == "Proxy-Authorization" or space.uri == request.uri_text:
                answers[header].append(space.answer(self.username, request, self._random_source))
        for header, values in answers.items():
            request.set_auth(header, values)

    def clear(self) -> None:
        """Forget all nonces."""
        self._spaces.clear()

    def drop_unproved(self, request: Request) -> None:
        """Forget the nonces that were used towards the URI of `request` and have not been accepted."""
        for (header, realm), space in list(self._spaces.items()):
            tried = space.count > 0 and space.challenge.nonce not in space.proved
            if tried and header == "Authorization" and space.uri == request.uri_text:
                del self._spaces[header, realm]

    def judge(self, request: Request, challenge: Challenge, blame: str) -> None:
        """Decide whether a challenge to `request` leaves hope; if not, the next attempt begins without a nonce.

        Raises:
            AuthenticationFailed: it answers credentials that were right in form and fresh, so `blame` is
                to be said; or the network keeps calling fresh nonces stale.
        """
        space = self._spaces.get((challenge.header, challenge.realm))
        used = _nonce_used(request, challenge)
        if space is None or used is None or used in space.proved:
            return
        if space.count > 1:  # its first use got some other answer, so that it was neither stale nor wrong then
            space.stale_strikes = 0
            return
        if challenge.stale:
            space.stale_strikes += 1
            if space.stale_strikes <= _STALE_STRIKES:
                return
            blame = f"the network calls every nonce stale that it gives out for {challenge.realm}"
        self.leave(challenge)
        raise AuthenticationFailed(blame)

    def enter(self, request: Request, challenge: Challenge, ha1: Secret) -> None:
        """Answer this challenge, which `request` got, from now on."""
        key = (challenge.header, challenge.realm)
        space = self._spaces.get(key)
        if space is not None:
            space.use(challenge, ha1)
            space.uri = request.uri_text
            return
        if len(self._spaces) >= _MAX_SPACES:
            self._spaces.pop(next(iter(self._spaces)))
        self._spaces[key] = Space(challenge, ha1, request.uri_text)

    def leave(self, challenge: Challenge) -> None:
        """Forget what was used for the realm of a challenge."""
        self._spaces.pop((challenge.header, challenge.realm), None)

    def proved_by(self, request: Request, response: Response) -> Iterator[tuple[Space, Params, AuthParams | None]]:
        """Go through the spaces whose credentials in `request` a success accepts.

        Gives each with the credentials that were sent and what (Proxy-)Authentication-Info says; none where that is
        nothing new, as after nearly every refresh.
        """
        if all(space.settled for space in self._spaces.values()) and not response.headers.has_any(_INFO_KEYS):
            return
        for header, info_header in _INFO_OF.items():
            sent = _sent(request, header)
            info = _read_info(response.headers.get(info_header)) if sent else None
            for params in sent:
                space = self._spaces.get((header, params.get("realm") or ""))
                if space is not None and params.get("response"):
                    yield space, params, info


def digest_answer(
    challenge: Challenge, ha1: Secret, username: str, request: Request, random_source: RandomSource, *, count: int = 1
) -> AuthValue:
    """Return the credentials that answer a challenge (RFC 7616 §3.4)."""
    parts = DigestInput(
        algorithm=challenge.algorithm,
        nonce=challenge.nonce,
        uri=request.uri_text,
        method=request.method,
        qop=challenge.qop,
        nc=f"{count:08x}" if challenge.qop else "",
        cnonce=random_source.hex(16) if challenge.qop or challenge.algorithm.session else "",
        body=request.body,
    )
    pairs = {
        "username": username,
        "realm": challenge.realm,
        "nonce": challenge.nonce,
        "uri": request.uri_text,
        "response": parts.response(ha1),
        "algorithm": challenge.algorithm.name if challenge.algorithm_named else None,
        "cnonce": parts.cnonce or None,
        "qop": challenge.qop,
        "nc": parts.nc or None,
        "opaque": challenge.opaque,
    }
    return digest_value({name: value for name, value in pairs.items() if value is not None})


def announcement(username: str, realm: str, request: Request) -> AuthValue:
    """Return the credentials of a first REGISTER: who it is, and no proof (TS 24.229 §5.1.1.2.2, §5.1.1.2.3)."""
    return digest_value({"username": username, "realm": realm, "nonce": "", "uri": request.uri_text, "response": ""})


def digest_value(pairs: dict[str, str]) -> AuthValue:
    """Return Digest credentials, with quotes where RFC 3261 §25.1 has them; what has none must be a token."""
    written = [(name, quote(value) if name in _QUOTED else value) for name, value in pairs.items()]
    return AuthValue("Digest", AuthParams.of_written(tuple(written)))


def credentials_for(request: Request, challenge: Challenge) -> Params | None:
    """Return the credentials that a request carried for the realm of a challenge."""
    return next((params for params in _sent(request, challenge.header) if params.get("realm") == challenge.realm), None)


def _sent(request: Request, header: str) -> list[Params]:
    return [value.params for value in request.auth(header)]


def _nonce_used(request: Request, challenge: Challenge) -> str | None:
    """The nonce of the response that `request` carried for the realm; None if it carried none."""
    params = credentials_for(request, challenge)
    return params.get("nonce") if params is not None and params.get("response") else None


def _read_info(text: str | None) -> AuthParams | None:
    try:
        return None if text is None else AuthParams.parse(text)
    except MalformedHeader:
        return None
