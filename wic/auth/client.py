"""The client's side of SIP Digest (RFC 3261 §22, RFC 7616, RFC 8760; TS 24.229 §5.1.1.5.4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wic.auth.challenge import MAX_VALUE, name_challenges, read_challenges
from wic.auth.digest import DigestAlgorithm, find_algorithm, make_ha1
from wic.auth.secret import Secret
from wic.auth.space import Spaces, announcement
from wic.errors import ChallengeUnsupported, ConfigurationError

if TYPE_CHECKING:
    from wic.auth.challenge import Challenge
    from wic.auth.space import Space
    from wic.sip.message import Request, Response
    from wic.sip.params import AuthParams
    from wic.sip.random_source import RandomSource


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

    def ha1(self, algorithm: DigestAlgorithm, realm: str) -> Secret:
        """Return H(A1) for an algorithm and a realm that these credentials fit."""
        if isinstance(self.secret, Secret):
            return make_ha1(algorithm, self.username, realm, self.secret)
        return self.secret.value

    def fit(self, algorithm: DigestAlgorithm, realm: str) -> bool:
        """Whether these credentials can answer for an algorithm and a realm."""
        if isinstance(self.secret, Secret):
            return True
        known = find_algorithm(self.secret.algorithm)
        return known is not None and known.hash_name == algorithm.hash_name and self.secret.realm == realm


class DigestClient:
    """Answers Digest challenges and keeps the nonces; an `Authenticator`.

    One object serves a registration and all calls of its user.
    """

    __slots__ = ("_announce", "_credentials", "_spaces")

    def __init__(self, credentials: DigestCredentials, *, random_source: RandomSource, announce: bool = True) -> None:
        """Keep credentials.

        Args:
            credentials: the user's.
            random_source: source of the `cnonce`.
            announce: put the user name with an empty nonce and response into a first REGISTER, as
                TS 24.229 §5.1.1.2.3 wants it of "SIP Digest without TLS".
        """
        self._credentials = credentials
        self._announce = announce
        self._spaces = Spaces(credentials.username, random_source)

    def authorize(self, request: Request) -> None:
        """Put credentials for every realm that has asked for them into `request`."""
        self._spaces.authorize(request)
        if self._announce and request.method == "REGISTER" and "Authorization" not in request.headers:
            realm = self._credentials.realm or request.uri.host
            request.set_auth("Authorization", [announcement(self._credentials.username, realm, request)])

    def forget(self) -> None:
        """Forget all challenges."""
        self._spaces.clear()

    def challenged(self, request: Request, response: Response) -> None:
        """Take in the challenges of a 401 or 407.

        Raises:
            ChallengeUnsupported: none of them can be answered with these credentials.
            AuthenticationFailed: they answer credentials that were right in form and fresh, so the
                user name or the password is wrong, or the network keeps calling fresh nonces stale.
        """
        credentials = self._credentials
        challenges = read_challenges(response, lambda each: credentials.fit(each.algorithm, each.realm))
        if not challenges:
            raise ChallengeUnsupported(
                f"the network asks for {name_challenges(response)}, which this password cannot answer; see the account's 'auth'"
            )
        for challenge in challenges:
            self._spaces.judge(request, challenge, self._blame(challenge))
            self._spaces.enter(request, challenge, credentials.ha1(challenge.algorithm, challenge.realm))

    def accepted(self, request: Request, response: Response) -> None:
        """Take in a success: the nonces used are good, and a nextnonce replaces them.

        Raises:
            NetworkNotTrusted: the response's rspauth is wrong.
        """
        for space, params, info in self._spaces.proved_by(request, response):
            space.check_rspauth(params, info, response)
            space.prove(params.get("nonce") or "")
            _next_nonce(space, info)

    def advice(self, request: Request, response: Response) -> str:
        """Say what to look at when a response refuses a request."""
        if response.status != 403:
            return ""
        if any(value.params.get("response") for value in request.auth("Authorization")):
            # TS 24.229 §5.4.1.2.3B: what a wrong response to a challenge gets.
            return "check the private identity and the password"
        return f"check that the network knows {self._credentials.username} together with the public identity"

    def _blame(self, challenge: Challenge) -> str:
        return f"the network does not accept the password of {self._credentials.username} for {challenge.realm}"


def _next_nonce(space: Space, info: AuthParams | None) -> None:
    nonce = None if info is None else info.get("nextnonce")
    if nonce and len(nonce) <= MAX_VALUE and nonce.isprintable() and nonce != space.challenge.nonce:
        space.use(replace(space.challenge, nonce=nonce, stale=False), space.ha1)
        # RFC 7616 §3.5: it may expire before its first use, which says nothing about the password.
        space.prove(nonce)
