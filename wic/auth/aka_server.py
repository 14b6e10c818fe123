"""AKA in Digest of a registrar (RFC 3310, RFC 4169; TS 24.229 §5.4.1.2.1A, §5.4.1.2.3A, TS 33.102 §6.3.2)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wic.auth.aka import aka_password, find_aka_algorithm, make_nonce, parse_auts, xor
from wic.auth.digest import make_ha1
from wic.auth.digest_server import (
    MAX_USERNAME,
    AuthOutcome,
    Verdict,
    authentication_info,
    find_credentials,
    is_right,
    read_input,
)
from wic.auth.nonce import UNUSED, CountWindow
from wic.errors import ConfigurationError
from wic.sip.errors import MalformedHeader
from wic.sip.headers import AuthValue
from wic.sip.params import AuthParams

if TYPE_CHECKING:
    from wic.auth.aka import AkaAlgorithm, AkaFunctions
    from wic.auth.secret import Secret
    from wic.sip.message import Request
    from wic.sip.params import Params

_QOP = "auth"  # the only one: the body of a REGISTER says nothing
_QUOTED = ("realm", "nonce", "qop", "ik", "ck")


@dataclass(frozen=True, slots=True)
class AuthenticationVector:
    """Authentication vector of an HSS, for one challenge (TS 33.102 §6.3.2)."""

    rand: bytes
    autn: bytes
    xres: bytes = field(repr=False)
    ck: bytes = field(repr=False)
    ik: bytes = field(repr=False)


def make_vector(functions: AkaFunctions, sqn: int, amf: bytes, rand: bytes) -> AuthenticationVector:
    """Make a vector of a SQN of 48 bits, an AMF of 2 octets and 16 octets of chance.

    Raises:
        ConfigurationError: the functions make a MAC that an AUTN cannot hold.
    """
    if functions.mac_octets != 8:
        raise ConfigurationError(f"an AUTN holds a MAC of 64 bits, not {8 * functions.mac_octets}")
    xres, ck, ik, ak = functions.f2345(rand)
    octets = sqn.to_bytes(6)
    autn = xor(octets, ak) + amf + functions.f1(rand, octets, amf)  # TS 33.102 §6.3.2
    return AuthenticationVector(rand, autn, xres, ck, ik)


@dataclass(slots=True)
class IssuedChallenge:
    """A challenge that was sent."""

    nonce: str
    rand: bytes
    algorithm: AkaAlgorithm
    ha1: Secret
    """H(A1) with the password of its vector, made once."""
    issued: float
    """Time, in seconds."""
    source: str
    """Connection over which it was asked for."""
    proved: bool = False
    """Whether it was answered rightly."""
    counts: CountWindow = UNUSED


@dataclass(slots=True, eq=False, repr=False)
class AkaUser:
    """The challenges of one private identity: those that wait for an answer, and those in use.

    They live in memory only. After a restart every answer is `STALE`, and gets a new challenge.
    """

    impi: str
    capacity: int = field(default=32, kw_only=True)  # challenges to remember
    _issued: dict[str, IssuedChallenge] = field(default_factory=dict, init=False)  # by their nonces

    def __len__(self) -> int:
        return len(self._issued)

    def remember(self, challenge: IssuedChallenge) -> None:
        """Keep a challenge.

        A full table drops the oldest unanswered challenge of the source that has asked for most: an attacker that
        asks in the name of another user drops only its own.
        """
        if len(self._issued) >= self.capacity:
            del self._issued[self._dispensable(challenge)]
        self._issued[challenge.nonce] = challenge

    def _dispensable(self, newest: IssuedChallenge) -> str:
        waiting = [each for each in self._issued.values() if not each.proved]
        ((source, _),) = Counter(each.source for each in (*waiting, newest)).most_common(1)
        return next((each.nonce for each in waiting if each.source == source), next(iter(self._issued)))

    def find(self, nonce: str) -> IssuedChallenge | None:
        """Return the challenge of that nonce."""
        return self._issued.get(nonce)

    def drop(self, nonce: str) -> None:
        """Forget the challenge of that nonce, which has to be there."""
        del self._issued[nonce]

    def forget(self) -> None:
        """Forget all challenges: the next request needs a new one."""
        self._issued.clear()


@dataclass(frozen=True, slots=True)
class AkaVerifier:
    """Challenges and checks answers for one realm; what belongs to a user is in its `AkaUser`."""

    realm: str
    answer_within: float = field(default=240.0, kw_only=True)
    """Seconds in which a challenge has to be answered (reg-await-auth, TS 24.229 §7.8); once it was, it can be used as
    long as `AkaUser` keeps it."""

    def challenge(
        self,
        user: AkaUser,
        vector: AuthenticationVector,
        algorithm: AkaAlgorithm,
        *,
        now: float,
        source: str = "",
        stale: bool = False,
        keys: bool = False,
    ) -> AuthValue:
        """Return the challenge of a 401, and remember it.

        Args:
            user: the identity to challenge.
            vector: never used before.
            algorithm: to answer with.
            now: seconds.
            source: names the connection over which it is asked for; never a value that the client can choose.
            stale: tells the client that its response was not looked at.
            keys: whether to add IK and CK, for a P-CSCF that removes them (TS 24.229 §5.4.1.2.1A); never for others.
        """
        nonce = make_nonce(vector.rand, vector.autn)
        password = aka_password(algorithm, res=vector.xres, ck=vector.ck, ik=vector.ik)
        ha1 = make_ha1(algorithm, user.impi, self.realm, password)
        user.remember(IssuedChallenge(nonce, vector.rand, algorithm, ha1, now, source))
        pairs = {"realm": self.realm, "nonce": nonce, "algorithm": algorithm.name, "qop": _QOP}
        if stale:
            pairs["stale"] = "true"  # RFC 7616 §3.3
        if keys:
            pairs |= {"ik": vector.ik.hex(), "ck": vector.ck.hex()}
        return AuthValue("Digest", AuthParams(pairs.items(), quoted=_QUOTED))

    def verify(self, request: Request, user: AkaUser, *, now: float) -> Verdict:
        """Check the credentials of a request of `user`, at a time of the clock that `challenge` was given.

        A challenge is used up by a refusal of the USIM, by a wrong response, and by time.
        """
        try:
            params = find_credentials(request, self.realm)
        except MalformedHeader as error:
            return Verdict(outcome=AuthOutcome.MALFORMED, fault=str(error))
        if params is None:
            return Verdict(outcome=AuthOutcome.MISSING)
        username = (params.get("username") or "")[:MAX_USERNAME]
        nonce = params.get("nonce")
        if not nonce:
            return Verdict(outcome=AuthOutcome.MISSING, username=username)
        challenge = user.find(nonce)
        # A nonce of another identity, of before a restart, or one that came too late: a new challenge with stale=true
        # costs the USIM one more vector, where WRONG would end the attempt.
        if challenge is None:
            return Verdict(outcome=AuthOutcome.STALE, username=username)
        if username != user.impi:  # it has our challenge and answers for another user: no further one would mend that
            return Verdict(outcome=AuthOutcome.MALFORMED, username=username, fault="username is not the challenged one")
        if not challenge.proved and not 0 <= now - challenge.issued <= self.answer_within:  # reg-await-auth
            return Verdict(outcome=AuthOutcome.STALE, username=username)
        return self._judge(request, params, user, challenge)

    def _judge(self, request: Request, params: Params, user: AkaUser, challenge: IssuedChallenge) -> Verdict:
        if (text := params.get("auts")) is not None:  # RFC 3310 §3.4: with any response, or none
            auts = parse_auts(text)
            if auts is None:
                fault = "auts is not Base64 of 14 octets"
                return Verdict(outcome=AuthOutcome.MALFORMED, username=user.impi, fault=fault)
            user.drop(challenge.nonce)
            return Verdict(outcome=AuthOutcome.OUT_OF_SYNC, username=user.impi, auts=auts, rand=challenge.rand)
        if not params.get("response"):  # TS 24.229 §5.1.1.5.3: the USIM found the MAC wrong
            user.drop(challenge.nonce)
            return Verdict(outcome=AuthOutcome.MAC_FAILURE, username=user.impi)
        try:
            if find_aka_algorithm(params.get("algorithm")) is not challenge.algorithm:
                raise MalformedHeader("algorithm was not offered")
            parts = read_input(params, request, challenge.algorithm, (_QOP,))
        except MalformedHeader as error:
            return Verdict(outcome=AuthOutcome.MALFORMED, username=user.impi, fault=str(error))
        if not is_right(parts, challenge.ha1, params):
            if not challenge.proved:
                user.drop(challenge.nonce)  # a RES may have 32 bits only: no second guess
            return Verdict(outcome=AuthOutcome.WRONG, username=user.impi)
        # RFC 7616 §3.4: each count of a nonce once.
        counts = challenge.counts.use(int(parts.nc, 16))
        if counts is None:
            return Verdict(outcome=AuthOutcome.REPLAYED, username=user.impi)
        challenge.counts = counts
        challenge.proved = True  # from now on it serves refreshes
        info = authentication_info(parts, challenge.ha1)
        return Verdict(outcome=AuthOutcome.OK, username=user.impi, authentication_info=info)
