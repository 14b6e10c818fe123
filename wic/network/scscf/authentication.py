"""Authentication of REGISTER requests at the S-CSCF (TS 33.203 Annex P, TS 24.229 §5.4.1.2).

What the eP-CSCF says in `integrity-protected` and the credentials that the HSS has decide on the scheme. Each scheme
lets a REGISTER pass, or raises the answer that it gets instead:

- trusted node: the eP-CSCF has authenticated the user, and its word is enough unless the authorization entity is barred;
- IMS AKA over TLS: a vector of the HSS, of which the network and the USIM prove to each other that they have its keys;
- SIP Digest: a password.

Within a TLS association a registered user is not challenged again, until that is due or the operator demands it.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from wic.auth.aka import RAND, AkaAlgorithm, AutsRefused, find_aka_algorithm
from wic.auth.aka_server import AkaUser, AkaVerifier
from wic.auth.digest_server import AuthOutcome, DigestVerifier
from wic.auth.secret import Secret
from wic.network.scscf.received_register import Protection, RegistrationRefused
from wic.sip.state_table import StateTable

if TYPE_CHECKING:
    from wic.auth.digest import DigestAlgorithm
    from wic.auth.digest_server import Verdict
    from wic.network.hss import Hss
    from wic.network.scscf.options import RegistrarOptions
    from wic.network.scscf.received_register import ReceivedRegister
    from wic.sip.random_source import RandomSource

_log = logging.getLogger(__name__)

AKA_FALLBACK = "AKAv1-MD5"
"""Algorithm for a UE that asks for no version of AKA, or for one that is not offered (RFC 3310)."""

_MAX_AKA_USERS = 1 << 17
_UNANSWERED = (AuthOutcome.MISSING, AuthOutcome.STALE, AuthOutcome.REPLAYED)
"""Outcomes of credentials that fail to prove anything, without being wrong."""


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Success of an authentication."""

    proved: bool = True
    """Whether this REGISTER proves the identity, or only an earlier one did."""
    authentication_info: str | None = None
    """Value of Authentication-Info for the 200."""


class RegisterAuthenticator:
    """Chooses the scheme for a REGISTER and runs it.

    Args:
        hss: has the credentials.
        realm: of the challenges.
        options: of the registrar.
        random_source: source of nonces and RANDs; has to be unpredictable.
        key: makes the nonces of Digest, at least 16 octets.
        algorithms: Digest algorithms to challenge with, most preferred first (RFC 8760 §2.3).
    """

    def __init__(
        self,
        hss: Hss,
        realm: str,
        options: RegistrarOptions,
        random_source: RandomSource,
        *,
        key: bytes,
        algorithms: tuple[str, ...],
    ) -> None:
        self._hss = hss
        digest = DigestVerifier(realm, key=key, random_source=random_source, algorithms=algorithms)
        self._digest = DigestScheme(hss, digest, options)
        self._aka = AkaScheme(hss, AkaVerifier(realm, answer_within=options.answer_within), random_source, options)
        self._barred = options.barred_entities  # for all subscribers; the HSS has those of one

    def authenticate(self, register: ReceivedRegister) -> Authenticated:
        """Authenticate the sender of a REGISTER.

        Raises:
            RegistrationRefused: a challenge has to be answered first (401), or authentication has failed (403).
            StorageFailed: the HSS cannot store the sequence number of a vector.
        """
        impi = register.subscriber.impi
        # TS 33.203 Annex U, TS 24.371 §6.4.2: the eP-CSCF has taken an access token.
        if register.protection is Protection.DONE:
            # TS 24.371 §A.3.2 step 6: it names the WAF of a third party; without a name it was the operator's own.
            entity = register.credentials and register.credentials.get("authorization-entity")
            if entity and (entity in self._barred or not self._hss.may_authorize(impi, entity)):
                _log.warning("%s may not vouch for %s", entity, impi)
                raise RegistrationRefused(403, "Authorization Entity Barred")
            return Authenticated()
        has_password = bool(self._hss.algorithms(impi))
        # TS 24.371 §6.4.1.3: `tls-connected` marks a REGISTER of AKA over TLS.
        asks_for_aka = register.protection is Protection.CONNECTED or find_aka_algorithm(register.algorithm) is not None
        if (asks_for_aka or not has_password) and self._hss.has_usim(impi):
            return self._aka.authenticate(register)
        if has_password:
            return self._digest.authenticate(register)
        # Without credentials at the HSS only an eP-CSCF can vouch for the subscriber (TS 33.203 Annex U).
        raise RegistrationRefused(403, "Authentication Failed")


class DigestScheme:
    """SIP Digest (TS 24.229 §5.4.1.2.1B, §5.4.1.2.2A, §5.4.1.2.3B)."""

    def __init__(self, hss: Hss, verifier: DigestVerifier, options: RegistrarOptions) -> None:
        self._hss = hss
        self._verifier = verifier
        self._challenge_every = options.challenge_every

    def authenticate(self, register: ReceivedRegister) -> Authenticated:
        """Check the response of a REGISTER; see `RegisterAuthenticator.authenticate`."""
        verdict = self._verifier.verify(register.request, self._ha1, now=register.now)
        # The response may be right for another subscriber: it has to be the one that the REGISTER is about.
        if verdict.outcome is AuthOutcome.OK and verdict.username == register.subscriber.impi:
            return Authenticated(authentication_info=verdict.authentication_info)
        # TS 24.229 §5.4.1.2.2A: the TLS association was made by an earlier authentication.
        if verdict.outcome in _UNANSWERED and register.may_go_unproved(self._challenge_every):
            return Authenticated(proved=False)
        if verdict.outcome in (AuthOutcome.WRONG, AuthOutcome.OK):
            # TS 24.229 §5.4.1.2.3B: a wrong response ends the attempt.
            _log.info("wrong credentials for %s", register.identity.impu)
            raise RegistrationRefused(403, "Authentication Failed")
        if verdict.outcome is AuthOutcome.MALFORMED:
            raise _malformed(register, verdict)
        # RFC 7616 §3.7: one challenge for each algorithm of which there is a hash, the most preferred first.
        known = self._hss.algorithms(register.subscriber.impi)
        challenges = self._verifier.make_challenges(
            now=register.now, stale=verdict.stale, usable=lambda algorithm: _base(algorithm) in known
        )
        raise RegistrationRefused(401, None, *(("WWW-Authenticate", challenge) for challenge in challenges))

    def _ha1(self, username: str, algorithm: DigestAlgorithm) -> Secret | None:
        ha1 = self._hss.ha1(username, _base(algorithm))
        return None if ha1 is None else Secret(ha1)


def _malformed(register: ReceivedRegister, verdict: Verdict) -> RegistrationRefused:
    """Return the answer to credentials that another challenge would not mend (RFC 7616 §3.4.6: 400)."""
    _log.info("credentials that cannot be checked, for %s: %s", register.identity.impu, verdict.fault)
    return RegistrationRefused(400, f"Bad Credentials: {verdict.fault}")


def _base(algorithm: DigestAlgorithm) -> str:
    """Return the hash algorithm behind a -sess variant, which starts from the same H(A1) (RFC 7616 §3.4.2)."""
    return algorithm.name.removesuffix("-sess")


class AkaAttemptState(Enum):
    """State of an attempt at AKA: a challenge, and those that followed because the USIM refused it."""

    CHALLENGED = "Challenged"
    REFUSED_ONCE = "RefusedOnce"
    REFUSED_TWICE = "RefusedTwice"
    ENDED = "Ended"


class AkaInput(Enum):
    """Input of an attempt at AKA."""

    CHALLENGE_REFUSED = "MAC failure, or SQN out of range"
    ANSWERED = "right answer"
    RESTARTED = "REGISTER without an answer"


AKA_ATTEMPT: Final = StateTable(
    name="AKA at the S-CSCF",
    clause="TS 24.229 §5.4.1.2.3A: the third refusal in a row gets 403",
    initial=AkaAttemptState.CHALLENGED,
    final=AkaAttemptState.ENDED,
    rows={
        (AkaAttemptState.CHALLENGED, AkaInput.CHALLENGE_REFUSED): AkaAttemptState.REFUSED_ONCE,
        (AkaAttemptState.CHALLENGED, AkaInput.ANSWERED): AkaAttemptState.ENDED,
        (AkaAttemptState.CHALLENGED, AkaInput.RESTARTED): AkaAttemptState.ENDED,
        (AkaAttemptState.REFUSED_ONCE, AkaInput.CHALLENGE_REFUSED): AkaAttemptState.REFUSED_TWICE,
        (AkaAttemptState.REFUSED_ONCE, AkaInput.ANSWERED): AkaAttemptState.ENDED,
        (AkaAttemptState.REFUSED_ONCE, AkaInput.RESTARTED): AkaAttemptState.ENDED,
        (AkaAttemptState.REFUSED_TWICE, AkaInput.CHALLENGE_REFUSED): AkaAttemptState.ENDED,
        (AkaAttemptState.REFUSED_TWICE, AkaInput.ANSWERED): AkaAttemptState.ENDED,
        (AkaAttemptState.REFUSED_TWICE, AkaInput.RESTARTED): AkaAttemptState.ENDED,
    },
)


@dataclass(slots=True)
class _AkaSubscriber:
    """Challenges of one subscriber, and the state of its present attempt."""

    challenges: AkaUser
    state: AkaAttemptState = field(default=AKA_ATTEMPT.initial)

    def take(self, given: AkaInput) -> AkaAttemptState:
        """Move the attempt; one that has ended makes room for the next, which begins with the next challenge."""
        following = AKA_ATTEMPT.rows[self.state, given]
        _log.debug("AKA of %s: %s -> %s", self.challenges.impi, self.state.value, following.value)
        self.state = AKA_ATTEMPT.initial if following is AKA_ATTEMPT.final else following
        return following


class AkaScheme:
    """IMS AKA over TLS (TS 24.229 §5.4.1.2.1A, §5.4.1.2.2, §5.4.1.2.3A, TS 24.371 §6.2.1.3).

    A registered UE that answers the last challenge once more, with a higher count, is authenticated: a vector is used
    until re-authentication is due, the S-CSCF is restarted, or the UE registers initially.
    """

    def __init__(self, hss: Hss, verifier: AkaVerifier, random_source: RandomSource, options: RegistrarOptions) -> None:
        self._hss = hss
        self._verifier = verifier
        self._random_source = random_source
        self._options = options
        self._subscribers: OrderedDict[str, _AkaSubscriber] = OrderedDict()

    def authenticate(self, register: ReceivedRegister) -> Authenticated:
        """Check the answer of a REGISTER; see `RegisterAuthenticator.authenticate`."""
        subscriber = self._subscriber(register.subscriber.impi)
        verdict = self._verifier.verify(register.request, subscriber.challenges, now=register.now)
        every = self._options.challenge_every
        match verdict.outcome:
            # An initial registration needs a vector of its own; a refresh may use the last one again.
            case AuthOutcome.OK if register.is_first_answer or (register.bindings and not register.needs_proof(every)):
                subscriber.take(AkaInput.ANSWERED)
                return Authenticated(register.is_first_answer, verdict.authentication_info)
            # TS 24.229 §5.4.1.2.2: the TLS association was made by an earlier authentication.
            case outcome if outcome in _UNANSWERED and register.may_go_unproved(every):
                return Authenticated(proved=False)
            case AuthOutcome.WRONG:
                # TS 24.229 §5.4.1.2.3A: a response that is not the expected one ends the attempt.
                _log.info("wrong credentials for %s", register.identity.impu)
                raise RegistrationRefused(403, "Authentication Failed")
            case AuthOutcome.MALFORMED:
                raise _malformed(register, verdict)
            case AuthOutcome.MAC_FAILURE | AuthOutcome.OUT_OF_SYNC:
                if subscriber.take(AkaInput.CHALLENGE_REFUSED) is AkaAttemptState.ENDED:
                    impi = register.subscriber.impi
                    _log.warning("the USIM of %s refuses every challenge; compare its K and its OP or OPc", impi)
                    raise RegistrationRefused(403, "Authentication Failed")
                if verdict.outcome is AuthOutcome.OUT_OF_SYNC:
                    self._resynchronise(register, subscriber, verdict)
            # A UE that has given up an attempt, or has lost its state, begins another one.
            case AuthOutcome.MISSING:
                subscriber.take(AkaInput.RESTARTED)
        # RFC 7616 §3.3: stale=true tells the UE that its keys are not in doubt, only the nonce.
        raise self._challenge(register, subscriber, stale=verdict.stale or verdict.outcome is AuthOutcome.OK)

    def _subscriber(self, impi: str) -> _AkaSubscriber:
        """Return the record of a subscriber; the one that was not asked for the longest gives way to a new one."""
        found = self._subscribers.get(impi)
        if found is None:
            found = self._subscribers[impi] = _AkaSubscriber(AkaUser(impi))
            if len(self._subscribers) > _MAX_AKA_USERS:
                self._subscribers.popitem(last=False)
        self._subscribers.move_to_end(impi)
        return found

    def _resynchronise(self, register: ReceivedRegister, subscriber: _AkaSubscriber, verdict: Verdict) -> None:
        """Continue with the sequence number of the USIM (TS 24.229 §5.4.1.2.3A, TS 33.102 §6.3.5)."""
        try:
            self._hss.resynchronise(register.subscriber.impi, verdict.rand or b"", verdict.auts or b"")
        except AutsRefused as error:
            _log.warning("%s sends %s", register.subscriber.impi, error)
            raise RegistrationRefused(403, "Authentication Failed") from error
        # Challenges with the old sequence numbers would be refused as well.
        subscriber.challenges.forget()

    def _challenge(self, register: ReceivedRegister, subscriber: _AkaSubscriber, *, stale: bool) -> RegistrationRefused:
        algorithm = self._algorithm(register.algorithm)
        # The random source gives text; hashed, it fills the 128 bits of RAND (TS 33.102 §6.3.7).
        rand = hashlib.sha256(self._random_source.hex(16).encode()).digest()[:RAND]
        vector = self._hss.next_vector(register.subscriber.impi, rand)
        if vector is None:
            return RegistrationRefused(403, "Authentication Failed")  # the USIM was removed a moment ago
        challenge = self._verifier.challenge(
            subscriber.challenges,
            vector,
            algorithm,
            now=register.now,
            source=register.source,
            stale=stale,
            # TS 33.203 §6.1.1: the keys of the user are for a P-CSCF of the trust domain; over another hop they would leak.
            keys=register.trusted,
        )
        return RegistrationRefused(401, None, ("WWW-Authenticate", challenge))

    def _algorithm(self, asked: str | None) -> AkaAlgorithm:
        """Return the algorithm to challenge with: AKAv2 only for a UE that asks for it (TS 24.229 §5.4.1.2.1A)."""
        known = find_aka_algorithm(asked)
        if known is not None and known.name in self._options.aka_algorithms:
            return known
        if asked and self._options.refuse_unknown_algorithms:
            raise RegistrationRefused(403, "Algorithm Not Supported")
        fallback = find_aka_algorithm(AKA_FALLBACK)
        assert fallback is not None, "it is one of ours"
        return fallback
