"""Authentication without I/O: challenges, SIP Digest, AKA with a USIM, access tokens."""

from wic.auth.aka import AKA_ALGORITHMS, AkaAlgorithm, AkaFunctions, AutsRefused, find_aka_algorithm, verify_auts
from wic.auth.aka_client import AkaClient
from wic.auth.aka_server import AkaUser, AkaVerifier, AuthenticationVector, make_vector
from wic.auth.authenticator import Authenticator
from wic.auth.bearer import BearerClient, BearerForm, bearer_challenge, read_bearer
from wic.auth.digest import DigestAlgorithm, find_algorithm, make_ha1
from wic.auth.digest_client import DigestClient, DigestCredentials, Ha1
from wic.auth.digest_server import AuthOutcome, DigestVerifier, Verdict
from wic.auth.keys import FUNCTION_SETS, make_functions, parse_key
from wic.auth.milenage import Milenage
from wic.auth.secret import Secret
from wic.auth.sequence import SequenceArray, SequenceCounter, SequenceRules
from wic.auth.tuak import Tuak, TuakOptions
from wic.auth.usim import AkaResult, MacFailure, SoftUsim, SynchronisationFailure, Usim, UsimState

__all__ = [
    "AKA_ALGORITHMS",
    "FUNCTION_SETS",
    "AkaAlgorithm",
    "AkaClient",
    "AkaFunctions",
    "AkaResult",
    "AkaUser",
    "AkaVerifier",
    "AuthOutcome",
    "AuthenticationVector",
    "Authenticator",
    "AutsRefused",
    "BearerClient",
    "BearerForm",
    "DigestAlgorithm",
    "DigestClient",
    "DigestCredentials",
    "DigestVerifier",
    "Ha1",
    "MacFailure",
    "Milenage",
    "Secret",
    "SequenceArray",
    "SequenceCounter",
    "SequenceRules",
    "SoftUsim",
    "SynchronisationFailure",
    "Tuak",
    "TuakOptions",
    "Usim",
    "UsimState",
    "Verdict",
    "bearer_challenge",
    "find_aka_algorithm",
    "find_algorithm",
    "make_functions",
    "make_ha1",
    "make_vector",
    "parse_key",
    "read_bearer",
    "verify_auts",
]
