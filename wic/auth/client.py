"""The client's side of SIP Digest (RFC 3261 §22, RFC 7616, RFC 8760; TS 24.229 §5.1.1.5.4)."""

from __future__ import annotations

import hmac
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from wic.auth.challenge import Challenge, read_challenges
from wic.auth.digest import DigestAlgorithm, DigestInput, find_algorithm, make_ha1
from wic.auth.secret import Secret
from wic.errors import AuthenticationFailed, ChallengeUnsupported, ConfigurationError, NetworkNotTrusted
from wic.sip.errors import MalformedHeader
from wic.sip.headers import AuthValue
from wic.sip.params import AuthParams

if TYPE_CHECKING:
    from wic.sip.message import Request, Response
    from wic.sip.params import Params
    from wic.sip.tokens import Tokens

_QUOTED = ("username", "realm", "nonce", "uri", "response", "cnonce", "opaque")
_INFO_OF = {"Authorization": "Authentication-Info", "Proxy-Authorization": "Proxy-Authentication-Info"}
_MAX_SPACES = 16
_MAX_NONCE = 4096
_STALE_STRIKES = 2


@dataclass(frozen=True, slots=True)
class Ha1:
    """A password in the form a server keeps it: good for one realm and one algorithm."""

    algorithm: str
    realm: str
    value: Secret


@dataclass(frozen=True, kw_only=True, slots=True)
class DigestCredentials:
    """Who the user is, and how it can be proved.

    Raises:
        ConfigurationError: a control character in a name, which no header can carry.
    """

    username: str
    """The private user identity (IMPI) in IMS."""
    secret: Secret | Ha1
    realm: str | None = None
    """Realm to announce before any challenge; None = the host of the request's URI."""

    def __post_init__(self) -> None:
        if not (self.username + (self.realm or "")).isprintable():
            raise ConfigurationError("the user name and the realm must not hold control characters")

    def ha1(self, algorithm: DigestAlgorithm, realm: str) -> Secret | None:
        """Return H(A1) for an algorithm and a realm, or None if these credentials cannot make it."""
        if isinstance(self.secret, Secret):
            return make_ha1(algorithm, self.username, realm, self.secret)
        known = find_algorithm(self.secret.algorithm)
        fits = known is not None and known.hash_name == algorithm.hash_name and self.secret.realm == realm
        return self.secret.value if fits else None


@dataclass(slots=True)
class _Space:
    """A protection space: one realm behind one header, and the nonce in use there."""

    challenge: Challenge
    uri: str
    count: int = 0
    proved: deque[str] = field(default_factory=lambda: deque(maxlen=8))
    stale_strikes: int = 0

    def use(self, challenge: Challenge) -> None:
        """Go on with another nonce."""
        self.challenge = challenge
        self.count = 0

    def prove(self, nonce: str) -> None:
        """Remember that a response made with this nonce was accepted, or will be."""
        if nonce not in self.proved:
            self.proved.append(nonce)
        self.stale_strikes = 0


class DigestClient:
    """Answers Digest challenges and keeps the nonces; an `Authenticator`.

    One object serves a registration and all calls of its user.
    """

    def __init__(self, credentials: DigestCredentials, *, tokens: Tokens, announce: bool = True) -> None:
        """Keep credentials.

        Args:
            credentials: the user's.
            tokens: source of the `cnonce`.
            announce: put the user name with an empty nonce and response into a first REGISTER, as
                TS 24.229 §5.1.1.2.3 wants it of "SIP Digest without TLS".
        """
        self._credentials = credentials
        self._tokens = tokens
        self._announce = announce
        self._spaces: dict[tuple[str, str], _Space] = {}

    def authorize(self, request: Request) -> None:
        """Put credentials for every realm that has asked for them into `request`."""
        for header in _INFO_OF:
            request.headers.remove(header)
        for (header, _), space in self._spaces.items():
            # RFC 3261 §22.1: a UAS protects the Request-URI it challenged; a proxy all that passes it.
            if header == "Proxy-Authorization" or space.uri == request.uri_text:
                request.headers.add(header, self._answer(space, request))
        if self._announce and request.method == "REGISTER" and "Authorization" not in request.headers:
            request.headers.add("Authorization", self._announcement(request))

    def challenged(self, request: Request, response: Response) -> None:
        """Take in the challenges of a 401 or 407.

        Raises:
            ChallengeUnsupported: none of them can be answered with these credentials.
            AuthenticationFailed: they answer credentials that were right in form and fresh, so the
                user name or the password is wrong, or the network keeps calling fresh nonces stale.
        """
        challenges = read_challenges(response, self._can_answer)
        if not challenges:
            raise ChallengeUnsupported(f"the network asks for an authentication that is not supported ({response!r})")
        for challenge in challenges:
            self._take_in(challenge, request)

    def accepted(self, request: Request, response: Response) -> None:
        """Take in a success: the nonces used are good, and a nextnonce replaces them.

        Raises:
            NetworkNotTrusted: the response's rspauth is wrong.
        """
        for header, info_header in _INFO_OF.items():
            info = _read_info(response.headers.get(info_header))
            for params in _sent(request, header):
                space = self._spaces.get((header, params.get("realm") or ""))
                if space is None or not params.get("response"):
                    continue
                self._check_rspauth(space, params, info, response)
                space.prove(params.get("nonce") or "")
                self._next_nonce(space, info)

    def _can_answer(self, challenge: Challenge) -> bool:
        return self._credentials.ha1(challenge.algorithm, challenge.realm) is not None

    def _take_in(self, challenge: Challenge, request: Request) -> None:
        key = (challenge.header, challenge.realm)
        space = self._spaces.get(key)
        if space is None:
            if len(self._spaces) >= _MAX_SPACES:
                self._spaces.pop(next(iter(self._spaces)))
            self._spaces[key] = _Space(challenge, request.uri_text)
            return
        used = _nonce_used(request, challenge)
        if used is not None and used not in space.proved:
            self._judge(space, challenge)
        space.use(challenge)
        space.uri = request.uri_text

    def _judge(self, space: _Space, challenge: Challenge) -> None:
        """Decide about a challenge that answers a fresh nonce."""
        if not challenge.stale:
            raise AuthenticationFailed(
                f"the network does not accept the password of {self._credentials.username} for {challenge.realm}"
            )
        space.stale_strikes += 1
        if space.stale_strikes > _STALE_STRIKES:
            raise AuthenticationFailed(f"the network calls every nonce stale that it gives out for {challenge.realm}")

    def _answer(self, space: _Space, request: Request) -> AuthValue:
        challenge = space.challenge
        space.count += 1
        parts = DigestInput(
            algorithm=challenge.algorithm,
            nonce=challenge.nonce,
            uri=request.uri_text,
            method=request.method,
            qop=challenge.qop,
            nc=f"{space.count:08x}" if challenge.qop else "",
            cnonce=self._tokens.hex(16) if challenge.qop or challenge.algorithm.session else "",
            body=request.body,
        )
        ha1 = self._credentials.ha1(challenge.algorithm, challenge.realm)
        assert ha1 is not None  # only challenges that can be answered are kept
        pairs = {
            "username": self._credentials.username,
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
        return _digest({name: value for name, value in pairs.items() if value is not None})

    def _announcement(self, request: Request) -> AuthValue:
        realm = self._credentials.realm or request.uri.host
        pairs = {"username": self._credentials.username, "realm": realm, "nonce": ""}
        return _digest(pairs | {"uri": request.uri_text, "response": ""})

    def _check_rspauth(self, space: _Space, params: Params, info: AuthParams | None, response: Response) -> None:
        rspauth = None if info is None else info.get("rspauth")
        qop = params.get("qop")
        ha1 = self._credentials.ha1(space.challenge.algorithm, space.challenge.realm)
        if rspauth is None or qop is None or ha1 is None:
            return
        parts = DigestInput(
            algorithm=space.challenge.algorithm,
            nonce=params.get("nonce") or "",
            uri=params.get("uri") or "",
            method="",
            qop=qop,
            nc=params.get("nc") or "",
            cnonce=params.get("cnonce") or "",
            body=response.body,
        )
        if not hmac.compare_digest(parts.rspauth(ha1).encode(), rspauth.lower().encode("utf-8", "replace")):
            raise NetworkNotTrusted("the network could not prove that it knows the password")

    @staticmethod
    def _next_nonce(space: _Space, info: AuthParams | None) -> None:
        nonce = None if info is None else info.get("nextnonce")
        if nonce and len(nonce) <= _MAX_NONCE and nonce.isprintable() and nonce != space.challenge.nonce:
            space.use(replace(space.challenge, nonce=nonce, stale=False))
            # RFC 7616 §3.5: it may expire before its first use, which says nothing about the password.
            space.prove(nonce)


def _digest(pairs: dict[str, str]) -> AuthValue:
    return AuthValue("Digest", AuthParams(pairs.items(), quoted=_QUOTED))


def _sent(request: Request, header: str) -> list[Params]:
    return [value.params for value in request.auth(header)]


def _nonce_used(request: Request, challenge: Challenge) -> str | None:
    """The nonce of the credentials that `request` carried for the realm; None if it carried none."""
    for params in _sent(request, challenge.header):
        if params.get("realm") == challenge.realm and params.get("response"):
            return params.get("nonce")
    return None


def _read_info(text: str | None) -> AuthParams | None:
    try:
        return None if text is None else AuthParams.parse(text)
    except MalformedHeader:
        return None
