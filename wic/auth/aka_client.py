"""AKA in Digest of a user agent client (RFC 3310, RFC 4169; TS 24.229 §5.1.1.5.1, §5.1.1.5.3, TS 24.371 §6.2.1.3).

The nonce of a challenge holds RAND and AUTN, which the USIM judges before it answers. Its three findings lead to three
kinds of next request: a Digest response made with the password of this nonce; an `auts`, where the sequence number is
not fresh, so that the network can resynchronise; or an empty response, where the MAC is wrong. The last two may happen
twice in a row. The third invalid challenge ends the attempt, and its error says what to look at, for the keys of account
and network differ and no further request can change that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wic.auth.aka import (
    AKA_ALGORITHMS,
    AkaAlgorithm,
    MalformedNonce,
    aka_password,
    find_aka_algorithm,
    format_auts,
    parse_nonce,
)
from wic.auth.challenge import digest_challenges, explain_challenges
from wic.auth.digest import find_algorithm, make_ha1
from wic.auth.digest_client import ProtectionSpaces, announcement, digest_answer, digest_value
from wic.auth.usim import MacFailure, SynchronisationFailure
from wic.errors import (
    AuthenticationFailed,
    ChallengeUnsupported,
    ConfigurationError,
    NetworkNotTrusted,
    SequenceOutOfRange,
)
from wic.sip.headers import AuthValue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wic.auth.challenge import Challenge
    from wic.auth.digest import DigestAlgorithm
    from wic.auth.digest_client import ProtectionSpace
    from wic.auth.secret import Secret
    from wic.auth.usim import AkaResult, Usim
    from wic.sip.message import Request, Response
    from wic.sip.params import AuthParams
    from wic.sip.random_source import RandomSource

_SURVIVED = 2  # TS 24.229 §5.1.1.5.3: invalid challenges in a row that are answered

_ALL = tuple(algorithm.name for algorithm in AKA_ALGORITHMS)
_RANK = {algorithm: rank for rank, algorithm in enumerate(AKA_ALGORITHMS)}


@dataclass(frozen=True, slots=True)
class _InvalidChallenge:
    """Challenge that the USIM refused; the next request tells the network so (TS 24.229 §5.1.1.5.3)."""

    challenge: Challenge
    algorithm: AkaAlgorithm
    uri: str
    method: str
    auts: bytes | None
    """For the network to resynchronise; None after a wrong MAC."""


class AkaClient:
    """Answers AKA challenges with a USIM; an `Authenticator`."""

    def __init__(
        self,
        impi: str,
        usim: Usim,
        *,
        random_source: RandomSource,
        realm: str | None = None,
        algorithm: str = "AKAv2-SHA-256",
        accept: Iterable[str] = _ALL,
        realms: Iterable[str] = (),
    ) -> None:
        """Keep the credentials.

        Args:
            impi: private user identity.
            usim: answers challenges.
            random_source: source of the `cnonce`.
            realm: to announce before any challenge; None = the host of the request's URI.
            algorithm: to ask for in the first REGISTER (TS 24.371 §6.2.1.3).
            accept: algorithms that are answered, the strongest of those offered first. A network
                that does not support the one asked for answers with AKAv1-MD5.
            realms: in which challenges to any request are answered, besides those that a registration proves.

        Raises:
            ConfigurationError: an algorithm is unknown, or a name holds control characters.
        """
        if not (impi + (realm or "")).isprintable():
            raise ConfigurationError("the private identity and the realm must not hold control characters")
        self._impi = impi
        self._usim = usim
        self._random_source = random_source
        self._realm = realm
        self._algorithm = _known(algorithm)
        self._accept = frozenset(map(_known, accept)) | {self._algorithm}
        self._spaces = ProtectionSpaces(impi, random_source, named=frozenset(realms))
        self._refusal: _InvalidChallenge | None = None
        self._failure: MacFailure | SynchronisationFailure | None = None
        self._strikes = 0

    # an Authenticator

    def authorize(self, request: Request) -> None:
        """Put into `request` the answer to the last challenge, or the announcement of the user before the first."""
        if request.method == "REGISTER":
            # A network that has not accepted an answer has most likely forgotten the vector.
            self._spaces.drop_unproved(request)
        answered = self._spaces.authorize(request)
        refusal = self._refusal
        # The refusal answers one challenge, so it goes once, with the request that was challenged.
        if refusal is not None and (refusal.method, refusal.uri) == (request.method, request.uri_text):
            self._refusal = None
            request.headers.add(refusal.challenge.header, self._refuse(refusal, request))
        elif request.method == "REGISTER" and "Authorization" not in answered:
            self._strikes = 0
            value = announcement(self._impi, self._realm or request.uri.host, request, self._algorithm.name)
            request.headers.add("Authorization", value)

    def forget(self) -> None:
        """Forget all challenges."""
        self._spaces.clear()
        self._refusal = None

    def challenged(self, request: Request, response: Response) -> None:
        """Have the USIM answer the strongest challenge of a 401 or 407.

        An invalid challenge is answered as TS 24.229 §5.1.1.5.3 says, twice in a row.

        Raises:
            ChallengeUnsupported: no AKA challenge is among them that this side accepts, or a stranger has made them.
            NetworkNotTrusted: for the third time the MAC is wrong; the message says what to look at.
            SequenceOutOfRange: for the third time the SQN is out of range.
            UsimFailed: the USIM gave no answer.
            AuthenticationFailed: the network has rejected a response, though its own MAC was right.
        """
        challenge, algorithm, rand, autn = self._choose(request, response)
        # First whether the last response was refused: then another vector makes no difference, and costs a sequence number.
        self._spaces.judge(request, challenge, self._response_refused(algorithm))
        try:
            result = self._usim.authenticate(rand, autn)
        except (MacFailure, SynchronisationFailure) as failure:
            self._invalid(challenge, algorithm, request, failure)
        else:
            self._strikes = 0
            self._failure = None
            self._spaces.enter(request, challenge, self._ha1(challenge, algorithm, result))

    def accepted(self, request: Request, response: Response) -> None:
        """Take in a success.

        Raises:
            NetworkNotTrusted: the response's rspauth is wrong.
        """
        for space, params, info in self._spaces.proved_by(request, response):
            nonce = params.get("nonce") or ""
            if nonce == space.challenge.nonce:  # the password is that of this nonce alone (RFC 3310 §3.3)
                space.check_rspauth(params, info, response)
            space.prove(nonce)
            self._next_nonce(space, info)

    def advice(self, request: Request, response: Response) -> str:
        """Name what the user should check when a response refuses a request."""
        if response.status not in (401, 403):  # a wrong response gets either
            return ""
        sent = next((value.params for value in request.auth("Authorization")), None)
        if sent is None:
            return ""
        if not sent.get("nonce"):
            return f"check that the network knows {self._impi} together with the public identity, and its USIM"
        if self._failure is not None and ("auts" in sent or not sent.get("response")):
            return str(_final(self._failure))
        return self._response_refused(find_aka_algorithm(sent.get("algorithm")) or self._algorithm)

    # challenges

    def _choose(self, request: Request, response: Response) -> tuple[Challenge, AkaAlgorithm, bytes, bytes]:
        """Return the strongest challenge in any order of them (RFC 4169 §4.1), and its parts."""
        offered = self._spaces.of_friends(request, list(digest_challenges(response, _find_any)))
        usable = [(_RANK[c.algorithm], c, c.algorithm) for c in offered if isinstance(c.algorithm, AkaAlgorithm)]
        malformed: MalformedNonce | None = None
        for _, challenge, algorithm in sorted(usable, key=lambda each: each[0]):
            if algorithm not in self._accept:  # RFC 4169 §4.1: no downgrade by an attacker
                continue
            try:
                return challenge, algorithm, *parse_nonce(challenge.nonce)
            except MalformedNonce as error:
                malformed = malformed or error
        if malformed is not None:
            raise ChallengeUnsupported(f"the network's AKA challenge cannot be read: {malformed}") from malformed
        why = self._why_none([challenge.algorithm for challenge in offered])
        raise ChallengeUnsupported(explain_challenges(response, why))

    def _why_none(self, offered: list[DigestAlgorithm]) -> str:
        wanted = self._algorithm.name
        if not offered:
            return f"the network asks for an authentication that is not AKA, where {wanted} was asked for"
        names = ", ".join(dict.fromkeys(algorithm.name for algorithm in offered))
        # TS 24.371 §6.2.1.3, RFC 4169 §4.1: an attacker between the two could ask for the weaker algorithm.
        if any(isinstance(algorithm, AkaAlgorithm) for algorithm in offered):
            return f"the network offers {names}, which is not accepted: a downgrade from {wanted}"
        return (
            f"the network asks for a password ({names}) where {wanted} was asked for: a downgrade,"
            f" or {self._impi} has no USIM in the network"
        )

    def _invalid(
        self,
        challenge: Challenge,
        algorithm: AkaAlgorithm,
        request: Request,
        failure: MacFailure | SynchronisationFailure,
    ) -> None:
        self._failure = failure
        self._refusal = None
        # The nonce in use, if there is one, is given up too: the network wants another authentication.
        self._spaces.leave(challenge)
        self._strikes += 1
        if self._strikes > _SURVIVED:  # TS 24.229 §5.1.1.5.3
            self._strikes = 0
            raise _final(failure) from failure
        auts = failure.auts if isinstance(failure, SynchronisationFailure) else None  # TS 33.102 §6.3.5
        self._refusal = _InvalidChallenge(challenge, algorithm, request.uri_text, request.method, auts)

    def _next_nonce(self, space: ProtectionSpace, info: AuthParams | None) -> None:
        """Use a nextnonce if it is an AKA challenge itself; most networks send none, or text (RFC 3310 §3.2)."""
        nonce = None if info is None else info.get("nextnonce")
        algorithm = space.challenge.algorithm
        if not nonce or nonce == space.challenge.nonce or not isinstance(algorithm, AkaAlgorithm):
            return
        try:
            result = self._usim.authenticate(*parse_nonce(nonce))
        except (MalformedNonce, AuthenticationFailed):  # nothing undoes the success that brought it
            return
        challenge = replace(space.challenge, nonce=nonce, stale=False)
        space.use(challenge, self._ha1(challenge, algorithm, result))
        space.prove(nonce)

    # credentials

    def _ha1(self, challenge: Challenge, algorithm: AkaAlgorithm, result: AkaResult) -> Secret:
        password = aka_password(algorithm, res=result.res, ck=result.ck, ik=result.ik)  # RFC 4169 §2.1
        return make_ha1(algorithm, self._impi, challenge.realm, password)

    def _refuse(self, refusal: _InvalidChallenge, request: Request) -> AuthValue:
        challenge, algorithm = refusal.challenge, refusal.algorithm
        if refusal.auts is not None:
            # RFC 3310 §3.4: the response goes with an empty password.
            ha1 = make_ha1(algorithm, self._impi, challenge.realm, b"")
            count = self._spaces.next_count(challenge)
            value = digest_answer(challenge, ha1, self._impi, request, self._random_source, count=count)
            return AuthValue(value.scheme, value.params.with_("auts", format_auts(refusal.auts), quoted=True))
        # TS 24.229 §5.1.1.5.3: after a wrong MAC an empty response, and no auts.
        pairs = {
            "username": self._impi,
            "realm": challenge.realm,
            "nonce": challenge.nonce,
            "uri": request.uri_text,
            "response": "",  # TS 24.229 §5.1.1.5.3: says that the MAC was wrong
            "algorithm": algorithm.name,
        }
        return digest_value(pairs | ({} if challenge.opaque is None else {"opaque": challenge.opaque}))

    def _response_refused(self, algorithm: AkaAlgorithm) -> str:
        return (
            f"the network does not accept the response of {self._impi}, although its MAC was right, so K and OP or OPc"
            f" fit: see how the network makes the password of {algorithm.name} (RFC 3310 §3.3, RFC 4169 §2.1)"
            " and how long its XRES is"
        )


def _final(failure: MacFailure | SynchronisationFailure) -> AuthenticationFailed:
    """Make the error for an invalid challenge after which no further request is sent."""
    if isinstance(failure, SynchronisationFailure):
        return SequenceOutOfRange(f"the network does not take the resynchronisation: {failure}")
    return NetworkNotTrusted(str(failure))


def _known(name: str) -> AkaAlgorithm:
    algorithm = find_aka_algorithm(name)
    if algorithm is None:
        names = ", ".join(each.name for each in AKA_ALGORITHMS)
        raise ConfigurationError(f"{name!r} is not an AKA algorithm; choose among {names}")
    return algorithm


def _find_any(name: str | None) -> DigestAlgorithm | None:
    return find_aka_algorithm(name) or find_algorithm(name)
