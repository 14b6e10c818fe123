"""SIP Digest at the S-CSCF (TS 24.229 §5.4.1.2.1B, §5.4.1.2.2, §5.4.1.2.3B)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from wic.auth.digest_server import AuthOutcome
from wic.auth.secret import Secret
from wic.network.scscf.attempt import Passed
from wic.network.scscf.refusal import Refused

if TYPE_CHECKING:
    from wic.auth.digest import DigestAlgorithm
    from wic.auth.digest_server import DigestVerifier, Verdict
    from wic.network.hss import Hss
    from wic.network.scscf.attempt import Attempt

_log = logging.getLogger(__name__)

_NOT_TRIED = (AuthOutcome.MISSING, AuthOutcome.STALE, AuthOutcome.REPLAYED)
"""Nobody has tried to prove anything and failed."""


class DigestScheme:
    """Challenges and checks passwords.

    Args:
        hss: has H(A1).
        verifier: checks credentials.
        challenge_every: challenge every Nth REGISTER within a TLS association; 1 challenges every one.
    """

    def __init__(self, hss: Hss, verifier: DigestVerifier, *, challenge_every: int | None = None) -> None:
        self._hss = hss
        self._verifier = verifier
        self._challenge_every = challenge_every

    def authenticate(self, attempt: Attempt) -> Passed:
        """Check the response of a REGISTER; see `Authentication`."""
        verdict = self._verifier.verify(attempt.request, self._ha1, now=attempt.now)
        if verdict.outcome is AuthOutcome.OK and verdict.username == attempt.subscriber.impi:
            return Passed(authentication_info=verdict.authentication_info)
        if verdict.outcome in _NOT_TRIED and attempt.may_go_unproved(self._challenge_every):
            return Passed(proved=False)
        raise self._refusal(attempt, verdict)

    def _ha1(self, username: str, algorithm: DigestAlgorithm) -> Secret | None:
        ha1 = self._hss.ha1(username, _base(algorithm))
        return None if ha1 is None else Secret(ha1)

    def _refusal(self, attempt: Attempt, verdict: Verdict) -> Refused:
        if verdict.outcome is AuthOutcome.WRONG:
            # TS 24.229 §5.4.1.2.3B: a wrong response ends the attempt.
            _log.info("wrong credentials for %s", attempt.identity.impu)
            return Refused(403, "Authentication Failed")
        if verdict.outcome is AuthOutcome.MALFORMED:
            _log.info("credentials that cannot be checked, for %s", attempt.identity.impu)
        known = self._hss.algorithms(attempt.subscriber.impi)
        challenges = self._verifier.make_challenges(
            now=attempt.now, stale=verdict.stale, usable=lambda algorithm: _base(algorithm) in known
        )
        return Refused(401, None, *(("WWW-Authenticate", challenge) for challenge in challenges))


def _base(algorithm: DigestAlgorithm) -> str:
    """The -sess variants are made from the same H(user:realm:password) (RFC 7616 §3.4.2)."""
    return algorithm.name.removesuffix("-sess")
