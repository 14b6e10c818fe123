"""IMS AKA over TLS at the S-CSCF (TS 24.229 §5.4.1.2.1, §5.4.1.2.2, §5.4.1.2.3, TS 24.371 §6.2.1.3)."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.auth.aka import RAND, AkaAlgorithm, AutsRefused, find_aka_algorithm
from wic.auth.aka_server import AkaUser
from wic.auth.digest_server import AuthOutcome
from wic.network.scscf.attempt import Passed
from wic.network.scscf.refusal import Refused

if TYPE_CHECKING:
    from wic.auth.aka_server import AkaVerifier
    from wic.auth.digest_server import Verdict
    from wic.network.hss import Hss
    from wic.network.scscf.attempt import Attempt
    from wic.network.scscf.options import RegistrarOptions
    from wic.sip.random_source import RandomSource

_log = logging.getLogger(__name__)

FALLBACK = "AKAv1-MD5"
"""For a UE that asks for no version, or for one that is not offered (RFC 3310)."""

_INVALID_CHALLENGES = 2
"""How many challenges in a row a USIM may refuse before the attempt has failed (TS 24.229 §5.4.1.2.2)."""
_MAX_USERS = 1 << 17
_NOT_TRIED = (AuthOutcome.MISSING, AuthOutcome.STALE, AuthOutcome.REPLAYED)


@dataclass(slots=True)
class _User:
    challenges: AkaUser
    refusals: int = 0
    """How many challenges in a row its USIM has refused."""


class AkaScheme:
    """Challenges with vectors of the HSS.

    A registered UE that answers the last challenge once more, with a higher count, has proved who it is: a
    vector is used until a new proof is wanted, the S-CSCF is restarted, or the UE begins anew.

    Args:
        hss: makes vectors.
        verifier: checks answers.
        random_source: source of RAND; has to be unpredictable.
        options: the choice of algorithms.
    """

    def __init__(self, hss: Hss, verifier: AkaVerifier, random_source: RandomSource, options: RegistrarOptions) -> None:
        self._hss = hss
        self._verifier = verifier
        self._random_source = random_source
        self._options = options
        self._users: OrderedDict[str, _User] = OrderedDict()

    def authenticate(self, attempt: Attempt) -> Passed:
        """Check the answer of a REGISTER; see `Authentication`."""
        user = self._user(attempt.subscriber.impi)
        verdict = self._verifier.verify(attempt.request, user.challenges, now=attempt.now)
        every = self._options.challenge_every
        match verdict.outcome:
            case AuthOutcome.OK if self._suffices(attempt):
                user.refusals = 0
                return Passed(_is_first_answer(attempt), verdict.authentication_info)
            case outcome if outcome in _NOT_TRIED and attempt.may_go_unproved(every):
                return Passed(proved=False)
            case AuthOutcome.WRONG:
                # TS 24.229 §5.4.1.2.2: a response that is not the expected one ends the attempt.
                _log.info("wrong credentials for %s", attempt.identity.impu)
                raise Refused(403, "Authentication Failed")
            case AuthOutcome.MAC_FAILURE:
                self._count_refusal(attempt, user)
            case AuthOutcome.OUT_OF_SYNC:
                self._count_refusal(attempt, user)
                self._resynchronise(attempt, user, verdict)
            case AuthOutcome.MISSING:
                user.refusals = 0
        raise self._challenge(attempt, user, stale=verdict.stale or verdict.outcome is AuthOutcome.OK)

    def _suffices(self, attempt: Attempt) -> bool:
        """Tell whether a right answer is enough: the first one always is, a later one for those registered."""
        again = bool(attempt.bindings) and not attempt.needs_proof(self._options.challenge_every)
        return again or _is_first_answer(attempt)

    def _user(self, impi: str) -> _User:
        user = self._users.get(impi)
        if user is None:
            user = self._users[impi] = _User(AkaUser(impi))
            if len(self._users) > _MAX_USERS:
                self._users.popitem(last=False)
        self._users.move_to_end(impi)
        return user

    def _count_refusal(self, attempt: Attempt, user: _User) -> None:
        user.refusals += 1
        if user.refusals > _INVALID_CHALLENGES:
            _log.warning("the USIM of %s refuses every challenge: see its K, OP or OPc", attempt.subscriber.impi)
            user.refusals = 0
            raise Refused(403, "Authentication Failed")

    def _resynchronise(self, attempt: Attempt, user: _User, verdict: Verdict) -> None:
        """Go on from the sequence number of the USIM (TS 24.229 §5.4.1.2.3, TS 33.102 §6.3.5)."""
        try:
            self._hss.resynchronise(attempt.subscriber.impi, verdict.rand or b"", verdict.auts or b"")
        except AutsRefused as error:
            _log.warning("%s sends %s", attempt.subscriber.impi, error)
            raise Refused(403, "Authentication Failed") from error
        user.challenges.forget()

    def _challenge(self, attempt: Attempt, user: _User, *, stale: bool) -> Refused:
        algorithm = self._algorithm(attempt.algorithm)
        rand = hashlib.sha256(self._random_source.hex(16).encode()).digest()[:RAND]
        vector = self._hss.next_vector(attempt.subscriber.impi, rand)
        if vector is None:
            return Refused(403, "Authentication Failed")  # the USIM was taken away a moment ago
        challenge = self._verifier.challenge(
            user.challenges, vector, algorithm, now=attempt.now, source=attempt.source, stale=stale
        )
        return Refused(401, None, ("WWW-Authenticate", challenge))

    def _algorithm(self, asked: str | None) -> AkaAlgorithm:
        """Return the algorithm to challenge with: AKAv2 only for those who ask for it (TS 24.229 §5.4.1.2.1)."""
        known = find_aka_algorithm(asked)
        if known is not None and known.name in self._options.aka_algorithms:
            return known
        if asked and self._options.refuse_unknown_algorithms:
            raise Refused(403, "Algorithm Not Supported")
        fallback = find_aka_algorithm(FALLBACK)
        assert fallback is not None, "it is one of ours"
        return fallback


def _is_first_answer(attempt: Attempt) -> bool:
    """Tell whether credentials that are right answer their challenge for the first time: their count is 1."""
    count = attempt.credentials.get("nc") if attempt.credentials else None
    return count is not None and int(count, 16) == 1
