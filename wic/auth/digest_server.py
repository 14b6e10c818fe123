"""SIP Digest of a registrar (RFC 3261 §22, RFC 7616, RFC 8760; TS 24.229 §5.4.1.2.3B).

A check goes from cheap to dear: form, then the response, then the nonce and its count. A nonce that is too old is told
apart from a wrong password only after a right response, so that `stale=true` proves nothing to a client that does not
know the password. A new challenge mends a nonce, and an algorithm or qop that was offered before a restart; it mends no
other fault of form. So credentials that cannot be checked although they answer a challenge that is still good are
`MALFORMED`, and get no other challenge: a client that repeats them would be challenged without end. `AkaVerifier` reads and checks credentials by the same functions.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from wic.auth.digest import DigestAlgorithm, DigestInput, find_algorithm
from wic.auth.nonce import NonceFactory, ReplayGuard
from wic.auth.secret import Secret
from wic.sip.errors import MalformedHeader, MalformedUri
from wic.sip.headers import AuthValue
from wic.sip.params import AuthParams
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Collection

    from wic.sip.message import Request
    from wic.sip.params import Params
    from wic.sip.random_source import RandomSource

MAX_USERNAME = 255
"""Longest user name that is looked up, in characters."""

_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")  # RFC 7616 §3.4: of nc

Ha1Lookup = Callable[[str, DigestAlgorithm], Secret | None]
"""Finds H(A1) of a user name for an algorithm; None if there is no such user, or no such hash."""


class AuthOutcome(Enum):
    """Finding of a server that checks credentials."""

    OK = "right"
    MISSING = "no credentials, or only a user name with an empty response"
    MALFORMED = "they answer a good challenge, and cannot be checked: another one would not mend that"
    STALE = "right, but with a nonce that is too old or not ours: challenge with stale=true"
    REPLAYED = "right, but used before: challenge with stale=true"
    WRONG = "the user or the response is wrong"
    OUT_OF_SYNC = "the USIM has refused the sequence number: resynchronise, and challenge with a new vector (AKA)"
    MAC_FAILURE = "the USIM has refused the challenge as not made with its keys (AKA)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Result of a check of credentials."""

    outcome: AuthOutcome
    username: str = ""
    """As the credentials say; proved only if the outcome is OK."""
    authentication_info: str | None = field(default=None, repr=False)
    """Value of Authentication-Info for the 200, when the client gave a cnonce (RFC 7616 §3.5)."""
    auts: bytes | None = None
    """For the HSS to resynchronise (OUT_OF_SYNC), together with `rand`."""
    rand: bytes | None = None
    """The RAND that `auts` belongs to."""
    fault: str = ""
    """What is wrong with MALFORMED credentials, for the client."""

    @property
    def stale(self) -> bool:
        """Whether a new challenge should say stale=true."""
        return self.outcome in (AuthOutcome.STALE, AuthOutcome.REPLAYED)


class DigestVerifier:
    """Challenges and checks credentials for one realm."""

    def __init__(
        self,
        realm: str,
        *,
        key: bytes,
        random_source: RandomSource,
        algorithms: tuple[str, ...] = ("SHA-256", "MD5"),
        qop: str = "auth",
        nonce_lifetime: float = 300.0,
        capacity: int = 65536,
    ) -> None:
        """Keep the rules.

        Args:
            realm: the realm.
            key: secret of the nonces, at least 16 octets.
            random_source: for nonces.
            algorithms: those to challenge with, most preferred first (RFC 8760 §2.3).
            qop: what to offer: `auth`, `auth-int` or `auth,auth-int`.
            nonce_lifetime: seconds for which a nonce may be used.
            capacity: nonces whose counts are remembered.

        Raises:
            ValueError: an algorithm is unknown.
        """
        found = [find_algorithm(name) for name in algorithms]
        if None in found:
            raise ValueError(f"unknown algorithm among {', '.join(algorithms)}")
        self._algorithms = tuple(algorithm for algorithm in found if algorithm is not None)
        self.realm = realm
        self._key = key
        self._random_source = random_source
        self._qop = qop
        self._qops = frozenset(qop.replace(" ", "").split(","))
        self._nonces = NonceFactory(key, lifetime=nonce_lifetime)
        self._guard = ReplayGuard(capacity)

    def make_challenges(
        self, *, now: float, stale: bool = False, usable: Callable[[DigestAlgorithm], bool] = lambda algorithm: True
    ) -> list[AuthValue]:
        """Return the challenges of one 401 or 407, one header line each, most preferred first.

        Args:
            now: seconds.
            stale: tells the client that its password was not the fault.
            usable: whether there is a hash of the user's for an algorithm. A client answers the topmost challenge
                (RFC 8760 §2.4), so one that it can never answer rightly must not be there.
        """
        nonce = self._nonces.make(self._random_source.hex(8), now=now)
        pairs = {"realm": self.realm, "nonce": nonce, "qop": self._qop} | ({"stale": "true"} if stale else {})
        return [
            AuthValue(
                "Digest", AuthParams((pairs | {"algorithm": each.name}).items(), quoted=("realm", "nonce", "qop"))
            )
            for each in tuple(filter(usable, self._algorithms)) or self._algorithms
        ]

    def verify(self, request: Request, lookup: Ha1Lookup, *, now: float) -> Verdict:
        """Check the credentials of a request, at a time of the clock that `make_challenges` was given."""
        try:
            ours = find_credentials(request, self.realm)
        except MalformedHeader as error:
            return Verdict(outcome=AuthOutcome.MALFORMED, fault=str(error))
        if ours is None:
            return Verdict(outcome=AuthOutcome.MISSING)
        # TS 24.229 §5.1.1.2.3: a first REGISTER names the user with an empty response; the challenge is for that user.
        username = ours.get("username") or ""
        if not ours.get("response"):
            return Verdict(outcome=AuthOutcome.MISSING, username=username[:MAX_USERNAME])
        try:
            parts = self._read(ours, username, request)
        except MalformedHeader as error:
            fault = str(error)
            answers_ours = self._nonces.issued(ours.get("nonce") or "", now=now) is not None
            outcome = AuthOutcome.MALFORMED if answers_ours else AuthOutcome.MISSING
            return Verdict(outcome=outcome, username=username[:MAX_USERNAME], fault=fault)
        return self._judge(username, ours, parts, lookup, now)

    def _read(self, params: Params, username: str, request: Request) -> DigestInput:
        if not 0 < len(username) <= MAX_USERNAME:
            raise MalformedHeader("username missing or too long")
        algorithm = find_algorithm(params.get("algorithm"))
        if algorithm is None or algorithm not in self._algorithms:
            raise MalformedHeader("algorithm was not offered")
        return read_input(params, request, algorithm, self._qops)

    def _judge(self, username: str, params: Params, parts: DigestInput, lookup: Ha1Lookup, now: float) -> Verdict:
        known = lookup(username, parts.algorithm)
        # An unknown user costs the same computation as a subscriber, so that time does not tell which names exist.
        ha1 = known or Secret(parts.algorithm.hash(hmac.digest(self._key, username.encode(), "sha256")))
        right = is_right(parts, ha1, params)
        if known is None or not right:
            return Verdict(outcome=AuthOutcome.WRONG, username=username)
        issued = self._nonces.issued(parts.nonce, now=now)
        if issued is None:  # RFC 7616 §3.3: only the nonce is at fault, so the client need not ask for the password
            return Verdict(outcome=AuthOutcome.STALE, username=username)
        if not self._guard.use(parts.nonce, int(parts.nc, 16), issued):  # RFC 7616 §3.4
            return Verdict(outcome=AuthOutcome.REPLAYED, username=username)
        return Verdict(outcome=AuthOutcome.OK, username=username, authentication_info=authentication_info(parts, ha1))


def find_credentials(request: Request, realm: str) -> Params | None:
    """Return the Digest credentials for one realm that a request has in Authorization.

    Raises:
        MalformedHeader: the header does not follow the grammar, or a parameter of these occurs twice.
    """
    values = (value for value in request.auth("Authorization") if value.scheme.lower() == "digest")
    found = next((value.params for value in values if value.params.get("realm") == realm), None)
    if found is not None:
        refuse_repetition(found)
    return found


def refuse_repetition(params: Params) -> None:
    """Refuse credentials with a repeated parameter: another element may read the other value (RFC 7616 §3.4).

    Raises:
        MalformedHeader: a parameter occurs twice.
    """
    if len({name.lower() for name in params}) != len(params):
        raise MalformedHeader("a parameter of the credentials occurs twice")


def read_input(params: Params, request: Request, algorithm: DigestAlgorithm, qops: Collection[str]) -> DigestInput:
    """Read the input of a response to a challenge that offered `qops`.

    Raises:
        MalformedHeader: it does not fit the challenge or the request.
    """
    qop = params.get("qop")
    nc, cnonce = params.get("nc") or "", params.get("cnonce") or ""
    if qop not in qops:
        raise MalformedHeader("qop was not offered")
    if not cnonce:  # RFC 7616 §3.4: it must be there where qop was offered
        raise MalformedHeader("cnonce missing")
    if len(nc) != 8 or not _HEXADECIMAL.issuperset(nc) or int(nc, 16) == 0:  # RFC 7616 §3.4: 8LHEX, from 1
        raise MalformedHeader("nc is not eight hexadecimal digits from 00000001")
    uri = params.get("uri") or ""
    if not _same_uri(uri, request):  # RFC 7616 §3.4.6: else a response could be used for another target
        raise MalformedHeader("uri of the credentials is not the Request-URI")
    nonce, method = params.get("nonce") or "", request.method
    return DigestInput(
        algorithm=algorithm, nonce=nonce, uri=uri, method=method, qop=qop, nc=nc, cnonce=cnonce, body=request.body
    )


def is_right(parts: DigestInput, ha1: Secret, params: Params) -> bool:
    """Compare the response of credentials with the right one, in constant time."""
    response = (params.get("response") or "").lower()
    return hmac.compare_digest(parts.response(ha1).encode(), response.encode("utf-8", "replace"))


def authentication_info(parts: DigestInput, ha1: Secret) -> str | None:
    """Return the Authentication-Info that proves the server (RFC 7616 §3.5)."""
    if parts.qop != "auth":
        return None  # the response's body, which auth-int protects, is not known here
    pairs = {"qop": "auth", "rspauth": parts.rspauth(ha1), "cnonce": parts.cnonce, "nc": parts.nc}
    return str(AuthParams(pairs.items(), quoted=("rspauth", "cnonce")))


def _same_uri(text: str, request: Request) -> bool:
    if text == request.uri_text:
        return True
    try:
        return Uri.parse(text).matches(request.uri)
    except MalformedUri:
        return False
