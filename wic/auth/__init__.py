"""Authentication without I/O: challenges, SIP Digest."""

from wic.auth.authenticator import Authenticator
from wic.auth.bearer import BearerClient, BearerForm, bearer_challenge, read_bearer
from wic.auth.client import DigestClient, DigestCredentials, Ha1
from wic.auth.digest import DigestAlgorithm, find_algorithm, make_ha1
from wic.auth.secret import Secret
from wic.auth.server import DigestVerifier, Outcome, Verdict

__all__ = [
    "Authenticator",
    "BearerClient",
    "BearerForm",
    "DigestAlgorithm",
    "DigestClient",
    "DigestCredentials",
    "DigestVerifier",
    "Ha1",
    "Outcome",
    "Secret",
    "Verdict",
    "bearer_challenge",
    "find_algorithm",
    "make_ha1",
    "read_bearer",
]
