"""Authentication without I/O: challenges, SIP Digest."""

from wic.auth.authenticator import Authenticator
from wic.auth.client import DigestClient, DigestCredentials, Ha1
from wic.auth.digest import DigestAlgorithm, find_algorithm, make_ha1
from wic.auth.secret import Secret
from wic.auth.server import DigestVerifier, Outcome, Verdict

__all__ = [
    "Authenticator",
    "DigestAlgorithm",
    "DigestClient",
    "DigestCredentials",
    "DigestVerifier",
    "Ha1",
    "Outcome",
    "Secret",
    "Verdict",
    "find_algorithm",
    "make_ha1",
]
