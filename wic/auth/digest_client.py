"""SIP Digest of a user agent client (RFC 3261 §22, RFC 7616, RFC 8760; TS 24.229 §5.1.1.5.4).

Nonces are kept by protection space: one realm behind one header (RFC 3261 §22.1). A nonce is *proved* once a response
made with it was accepted, and that is what tells a wrong password from a nonce that has expired:

- a challenge that answers a proved nonce means that the nonce is used up, whether or not it says `stale=true`; one that
  gives out the same nonce again gets one more answer, and after that the nonce has to be proved anew; each request that
  was on its way by then gets one more as well, since its challenge says no more than the first one;
- a challenge that answers an unproved nonce means that the password is wrong, unless it says `stale=true`, which is
  believed twice in a row (RFC 7616 §3.3 sets no limit; a network that calls every nonce stale would never end).

The server that chose a nonce can guess the password offline, from one answer. A REGISTER goes to the
servers of the account, so that its challenges are answered for any realm. All other requests go further: to the called
side, and past proxies of other networks. For those a realm has to be *proved*: a registrar has accepted an answer in it,
or the account names it. Whether the challenge is a 401 or a 407 makes no difference: a PBX answers calls with 401 in the
realm of the registration, and a stranger that names this realm can say 407 as well; only the network can tell them apart.

AKA is Digest with another password for each nonce (RFC 3310 §3.3), so `AkaClient` keeps its nonces here too.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from wic.auth.challenge import MAX_VALUE, explain_challenges, name_challenges, read_challenges
from wic.auth.digest import DigestAlgorithm, DigestInput, find_algorithm, make_ha1
from wic.auth.secret import Secret
from wic.errors import AuthenticationFailed, ChallengeUnsupported, ConfigurationError, NetworkNotTrusted
from wic.sip.errors import MalformedHeader
from wic.sip.headers import AuthValue
from wic.sip.params import AuthParams, quote

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from wic.auth.challenge import Challenge
    from wic.sip.message import Request, Response
    from wic.sip.params import Params
    from wic.sip.random_source import RandomSource

_QUOTED = frozenset({"username", "realm", "nonce", "uri", "response", "cnonce", "opaque", "auts"})
_INFO_OF = {"Authorization": "Authentication-Info", "Proxy-Authorization": "Proxy-Authentication-Info"}
_INFO_KEYS = frozenset(name.lower() for name in _INFO_OF.values())
_CREDENTIALS_KEYS = frozenset(name.lower() for name in _INFO_OF)

_MAX_SPACES = 16  # realms whose nonces are kept; one more takes the place of the oldest
_MAX_PROVED_REALMS = 16
_COUNTED_NONCES = 32  # whose counts are kept; a server that gives out one again expects the next count
_STALE_STRIKES = 2  # times in a row that `stale=true` is believed of nonces that were never accepted
_PROVED_KEPT = 8  # requests that were under way with an older nonce may be challenged late


@dataclass(frozen=True, slots=True)
class Ha1:
    """A password in the form a server keeps it: good for one realm and one algorithm."""

    algorithm: str
    realm: str
    value: Secret


@dataclass(frozen=True, kw_only=True, slots=True)
class DigestCredentials:
    """User name and password, or its hash.

    Raises:
        ConfigurationError: a control character in a name, which no header can carry.
    """

    username: str
    """The private user identity (IMPI) in IMS."""
    secret: Secret | Ha1
    realm: str | None = None
    """Realm to announce before any challenge; None = the host of the request's URI."""
    realms: frozenset[str] = frozenset()
    """Realms in which challenges to any request are answered, besides those that a registration proves."""

    def __post_init__(self) -> None:
        if not (self.username + (self.realm or "")).isprintable():
            raise ConfigurationError("the user name and the realm must not hold control characters")

    def ha1(self, algorithm: DigestAlgorithm, realm: str) -> Secret:
        """Return H(A1) for an algorithm and a realm that these credentials fit."""
        if isinstance(self.secret, Secret):
            return make_ha1(algorithm, self.username, realm, self.secret)
        return self.secret.value

    def fit(self, algorithm: DigestAlgorithm, realm: str) -> bool:
        """Return whether these credentials can answer for an algorithm and a realm."""
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
        self._spaces = ProtectionSpaces(credentials.username, random_source, named=credentials.realms)

    def authorize(self, request: Request) -> None:
        """Put credentials for every realm that has asked for them into `request`."""
        answered = self._spaces.authorize(request)
        if self._announce and request.method == "REGISTER" and "Authorization" not in answered:
            realm = self._credentials.realm or request.uri.host
            request.set_auth("Authorization", [announcement(self._credentials.username, realm, request)])

    def forget(self) -> None:
        """Forget all challenges."""
        self._spaces.clear()

    def challenged(self, request: Request, response: Response) -> None:
        """Take in the challenges of a 401 or 407.

        Raises:
            ChallengeUnsupported: none of them can be answered with these credentials, or a stranger has made them.
            AuthenticationFailed: they answer credentials that were right in form and fresh, so the
                user name or the password is wrong, or the network keeps calling fresh nonces stale.
        """
        credentials = self._credentials
        challenges = self._spaces.of_friends(
            request, read_challenges(response, lambda each: credentials.fit(each.algorithm, each.realm))
        )
        if not challenges:
            asked = f"the network asks for {name_challenges(response)}, which this password cannot answer"
            raise ChallengeUnsupported(explain_challenges(response, f"{asked}; see the account's 'auth'"))
        for challenge in challenges:
            blame = f"the network does not accept the password of {credentials.username} for {challenge.realm}"
            self._spaces.judge(request, challenge, blame)
            self._spaces.enter(request, challenge, credentials.ha1(challenge.algorithm, challenge.realm))

    def accepted(self, request: Request, response: Response) -> None:
        """Take in a success: the nonces used are good, and a nextnonce replaces them.

        Raises:
            NetworkNotTrusted: the response's rspauth is wrong.
        """
        for space, params, info in self._spaces.proved_by(request, response):
            space.check_rspauth(params, info, response)
            space.prove(params.get("nonce") or "")
            nonce = None if info is None else info.get("nextnonce")
            if nonce and len(nonce) <= MAX_VALUE and nonce.isprintable() and nonce != space.challenge.nonce:
                space.use(replace(space.challenge, nonce=nonce, stale=False), space.ha1)
                # RFC 7616 §3.5: it may expire before its first use, which says nothing about the password.
                space.prove(nonce)

    def advice(self, request: Request, response: Response) -> str:
        """Name what the user should check when a response refuses a request."""
        if response.status != 403:  # a 401 is a challenge, and says itself what is wrong
            return ""
        if any(value.params.get("response") for value in request.auth("Authorization")):
            # TS 24.229 §5.4.1.2.3B: what a wrong response to a challenge gets.
            return "check the private identity and the password"
        return f"check that the network knows {self._credentials.username} together with the public identity"


@dataclass(slots=True)
class ProtectionSpace:
    """One realm behind one header, and the nonce in use there."""

    challenge: Challenge
    ha1: Secret
    uri: str
    """Request-URI that was challenged last."""
    count: int = 0
    """Responses made since the nonce in use was given out."""
    proved: tuple[str, ...] = ()
    """Nonces that were accepted, the newest last."""
    stale_strikes: int = 0
    """Challenges in a row that called an unproved nonce stale."""
    doubted: tuple[str, int] = ("", 0)
    """The last proved nonce that was given out again, and the highest `nc` that had been sent with it by then."""

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
            self.proved = (*self.proved, nonce)[-_PROVED_KEPT:]
        self.stale_strikes = 0

    def check_rspauth(self, params: Params, info: AuthParams | None, response: Response) -> None:
        """Check what a response says about its sender (RFC 7616 §3.5).

        Raises:
            NetworkNotTrusted: its rspauth is wrong.
        """
        rspauth = None if info is None else info.get("rspauth")
        qop = None if rspauth is None else params.get("qop")
        if rspauth is None or qop is None:  # RFC 7616 §3.5: optional, and only with qop
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


@dataclass(slots=True)
class ProtectionSpaces:
    """Protection spaces of one user, by header and realm (RFC 3261 §22.1)."""

    username: str
    random_source: RandomSource
    """Source of the `cnonce`."""
    named: frozenset[str] = frozenset()
    """Realms that the account names."""
    _spaces: dict[tuple[str, str], ProtectionSpace] = field(default_factory=dict)
    _proved_realms: dict[str, None] = field(default_factory=dict)
    """Realms in which a registrar has accepted an answer, the last one at the end."""
    _counts: dict[tuple[str, str], int] = field(default_factory=dict)
    """Uses of nonces, by realm and nonce, the last one used at the end."""

    def authorize(self, request: Request) -> Collection[str]:
        """Put into `request` credentials for every realm that has asked for them, and no others.

        Returns:
            The headers that it put them into.
        """
        answers: dict[str, list[AuthValue]] = {}
        for (header, _), space in self._spaces.items():
            # RFC 3261 §22.1: a UAS protects the Request-URI it challenged; a proxy all that passes it.
            if header == "Proxy-Authorization" or space.uri == request.uri_text:
                space.count += 1
                challenge, ha1, source = space.challenge, space.ha1, self.random_source
                count = self.next_count(challenge)
                answer = digest_answer(challenge, ha1, self.username, request, source, count=count)
                answers.setdefault(header, []).append(answer)
        has_old = request.headers.has_any(_CREDENTIALS_KEYS)
        for header in _INFO_OF if has_old else answers:
            request.set_auth(header, answers.get(header, ()))
        return answers

    def next_count(self, challenge: Challenge) -> int:
        """Return the `nc` of the next answer to a challenge.

        RFC 7616 §3.4: it counts the requests sent with a nonce, so that it goes on where the nonce is challenged again,
        or given out once more to a registration that begins anew.
        """
        key = challenge.realm, challenge.nonce
        count = self._counts.pop(key, 0) + 1
        self._counts[key] = count
        if len(self._counts) > _COUNTED_NONCES:
            del self._counts[next(iter(self._counts))]
        return count

    def clear(self) -> None:
        """Forget all nonces; what was proved, and what was counted, stays."""
        self._spaces.clear()

    def of_friends(self, request: Request, challenges: Sequence[Challenge]) -> Sequence[Challenge]:
        """Leave out the challenges that a stranger may have made, to guess the password from the answer.

        Raises:
            ChallengeUnsupported: there are no others.
        """
        if request.method == "REGISTER":  # it goes to the servers of the account
            return challenges
        friends = [each for each in challenges if each.realm in self.named or each.realm in self._proved_realms]
        if challenges and not friends:
            realm = challenges[0].realm
            raise ChallengeUnsupported(
                f"a server asks for the credentials of {self.username} in the realm {realm[:80]!r}, which the registration did not"
                " use. It gets no answer, since a password can be guessed from one. If you trust it, add this to the account:"
                f" realms = [{realm!r}]"
            )
        return friends

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
        sent = _sent(request, challenge.header, challenge.realm)
        if space is None or sent is None or not sent.get("response"):
            return  # nothing was answered yet
        used, nc = sent.get("nonce") or "", sent.get("nc")
        if used in space.proved:
            if challenge.nonce == used:  # not used up: one more refusal is about the password
                space.proved = tuple(nonce for nonce in space.proved if nonce != used)
                space.doubted = used, self._counts.get((challenge.realm, used), 0)
            return
        if nc and used == space.doubted[0] and int(nc, 16) <= space.doubted[1]:
            return  # it was on its way before
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
            self._spaces.pop(next(iter(self._spaces)))  # the oldest
        self._spaces[key] = ProtectionSpace(challenge, ha1, request.uri_text)

    def leave(self, challenge: Challenge) -> None:
        """Forget what was used for the realm of a challenge."""
        self._spaces.pop((challenge.header, challenge.realm), None)

    def proved_by(
        self, request: Request, response: Response
    ) -> Iterator[tuple[ProtectionSpace, Params, AuthParams | None]]:
        """Go through the spaces whose credentials in `request` a success accepts.

        Gives each with the credentials that were sent and what (Proxy-)Authentication-Info says; none where that is
        nothing new, as after nearly every refresh.
        """
        if all(space.settled for space in self._spaces.values()) and not response.headers.has_any(_INFO_KEYS):
            return
        for (header, realm), space in self._spaces.items():
            sent = _sent(request, header, realm)
            if sent is not None and sent.get("response"):
                if request.method == "REGISTER":
                    self._prove_realm(realm)
                yield space, sent, _read_info(response.headers.get(_INFO_OF[header]))

    def _prove_realm(self, realm: str) -> None:
        self._proved_realms.pop(realm, None)
        self._proved_realms[realm] = None
        if len(self._proved_realms) > _MAX_PROVED_REALMS:
            del self._proved_realms[next(iter(self._proved_realms))]


def digest_answer(
    challenge: Challenge, ha1: Secret, username: str, request: Request, random_source: RandomSource, *, count: int = 1
) -> AuthValue:
    """Return the credentials that answer a challenge to a request whose URI and body are final (RFC 7616 §3.4)."""
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
    return digest_value(pairs)


def announcement(username: str, realm: str, request: Request, algorithm: str | None = None) -> AuthValue:
    """Return the credentials of a first REGISTER: a user name and no proof (TS 24.229 §5.1.1.2.2, §5.1.1.2.3)."""
    pairs = {"username": username, "realm": realm, "nonce": "", "uri": request.uri_text, "response": ""}
    return digest_value(pairs if algorithm is None else pairs | {"algorithm": algorithm})


def digest_value(pairs: Mapping[str, str | None]) -> AuthValue:
    """Return Digest credentials without those that are None, with quotes where RFC 3261 §25.1 has them.

    What has no quotes must be a token.
    """
    written = {name: quote(value) if name in _QUOTED else value for name, value in pairs.items() if value is not None}
    return AuthValue("Digest", AuthParams.of_written(written))


def _sent(request: Request, header: str, realm: str) -> Params | None:
    """Return the credentials for a realm that a request carried."""
    return next((value.params for value in request.auth(header) if value.params.get("realm") == realm), None)


def _read_info(text: str | None) -> AuthParams | None:
    try:
        return None if text is None else AuthParams.parse(text)
    except MalformedHeader:
        return None
