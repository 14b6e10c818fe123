"""The keys of an account in `accounts.toml`, described once.

    reader.py          checks a table against the schema, and reads its values by kind
    accounts_file.py   tells by it which keys an account loses that gets another way to register
    command line       `--set`, the help of the account options, the variables that may hold secrets
    documentation      the table of all keys

A secret has three forms: `password = "…"` is the secret itself, `password_file` names a file whose first line it is, and
`password_env` an environment variable. The schema names the first one only.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias

from wic.auth.aka import AKA_ALGORITHMS
from wic.auth.bearer import BearerForm

__all__ = [
    "ALGORITHMS",
    "DEFAULT_ALGORITHM",
    "DEFAULT_EXPIRES",
    "DEFAULT_SCOPE",
    "SECRETS",
    "SECRET_FORMS",
    "SETTINGS",
    "AuthScheme",
    "PoolAccess",
    "Setting",
    "UsimKind",
    "ValueKind",
    "environment_variable",
    "is_kept",
    "keys_of",
]

Default: TypeAlias = str | int | bool | tuple[str, ...]


class AuthScheme(enum.Enum):
    """Authentication scheme of an account."""

    DIGEST = "digest"
    """SIP Digest with a password (TS 24.371 §6.2.1.2)."""
    AKA = "aka"
    """IMS AKA with a USIM (TS 24.371 §6.2.1.3)."""
    BEARER = "bearer"
    """An access token of a web server (TS 24.371 §6.2.2, §6.2.3)."""


class UsimKind(enum.Enum):
    """The authentication functions of a USIM."""

    MILENAGE = "milenage"
    """TS 35.206; K and OP or OPc have 16 octets."""
    TUAK = "tuak"
    """TS 35.231; K has 16 or 32 octets, TOP or TOPc 32."""


class PoolAccess(enum.Enum):
    """Condition on which a WWSF lends identities of its pool (TS 24.371 §6.3.2)."""

    ANONYMOUS = "anonymous"
    """No condition."""
    SIGNED_IN = "signed-in"
    """The user has signed in at the WAF."""


class ValueKind(enum.Enum):
    """Kind of a value; error messages name it like this."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "boolean (true or false)"
    LIST = "list of texts"
    FILE = "file name"
    """A text; relative names start at the directory of the accounts file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key of an account."""

    key: str
    meaning: str
    """A sentence without a full stop, for `--help` and the documentation."""
    kind: ValueKind = ValueKind.TEXT
    auth: AuthScheme | None = None
    """The scheme that it belongs to; None if any account may have it."""
    default: Default = ""
    """Value where the key is missing; an empty one says that there is none."""
    choices: tuple[str, ...] = ()
    """The texts that are allowed; empty if any is."""
    is_secret: bool = False
    """Whether the value must not be shown, nor stand on a command line."""
    is_preference: bool = False
    """Whether an account keeps it that gets another way to register: neither network, identity nor proof."""


DEFAULT_EXPIRES = 600_000
"""Seconds of registration that a UE asks for (TS 24.229 §5.1.1.2.1)."""
DEFAULT_ALGORITHM = "AKAv2-SHA-256"
"""AKA algorithm of the first REGISTER (TS 24.371 §6.2.1.3)."""
DEFAULT_SCOPE = "ims"
"""Scope of the access tokens that are asked for."""
ALGORITHMS = tuple(algorithm.name for algorithm in AKA_ALGORITHMS)
"""AKA algorithms, the strongest first."""

_AKA, _BEARER = AuthScheme.AKA, AuthScheme.BEARER
_LIST, _FILE = ValueKind.LIST, ValueKind.FILE

_ALL = (
    Setting(key="server", meaning="Address of the eP-CSCF, wss://host:port/path"),
    Setting(
        key="servers",
        meaning="Addresses of several eP-CSCFs, the best first; server comes before them",
        kind=_LIST,
        is_preference=True,
    ),
    Setting(key="impu", meaning="Public user identity, sip:user@domain"),
    Setting(key="impi", meaning="Private user identity, user@domain"),
    Setting(key="impus", meaning="Further public user identities to register", kind=_LIST),
    Setting(
        key="realms",
        meaning="Realms whose servers may ask for password, USIM or token in a call, besides those of the registration",
        kind=_LIST,
    ),
    Setting(
        key="auth",
        meaning="Authenticate with a password, a USIM or access tokens",
        default=AuthScheme.DIGEST.value,
        choices=tuple(each.value for each in AuthScheme),
    ),
    Setting(key="ca", meaning="PEM file of a CA to trust besides those of the system", kind=_FILE),
    Setting(key="insecure", meaning="Allow ws:// and http://, without TLS", kind=ValueKind.FLAG, default=False),
    Setting(
        key="expires",
        meaning="Seconds of registration to ask for",
        kind=ValueKind.NUMBER,
        default=DEFAULT_EXPIRES,
        is_preference=True,
    ),
    Setting(
        key="edge_route",
        meaning="Name the eP-CSCF in the Route of requests, in front of the Service-Route",
        kind=ValueKind.FLAG,
        default=True,
        is_preference=True,
    ),
    Setting(
        key="instance",
        meaning="The +sip.instance, urn:uuid:…; by default derived from the machine and the identities",
        is_preference=True,
    ),
    Setting(key="password", meaning="Password", auth=AuthScheme.DIGEST, is_secret=True),
    Setting(key="k", meaning="Key K, in hexadecimal digits", auth=_AKA, is_secret=True),
    Setting(key="op", meaning="OP (TUAK: TOP), in hexadecimal digits", auth=_AKA, is_secret=True),
    Setting(key="opc", meaning="OPc (TUAK: TOPc), in hexadecimal digits, instead of op", auth=_AKA, is_secret=True),
    Setting(
        key="usim",
        meaning="Functions that the keys are for",
        auth=_AKA,
        default=UsimKind.MILENAGE.value,
        choices=tuple(each.value for each in UsimKind),
    ),
    Setting(
        key="algorithm", meaning="AKA algorithm that the first REGISTER asks for", auth=_AKA, default=DEFAULT_ALGORITHM
    ),
    Setting(
        key="accept", meaning="AKA algorithms that a challenge may name", kind=_LIST, auth=_AKA, default=ALGORITHMS
    ),
    Setting(
        key="amf",
        meaning="AMF of the network, four hexadecimal digits, for the explanation of failed challenges",
        auth=_AKA,
    ),
    Setting(key="waf", meaning="Issuer URL of the WAF, the authorization server", auth=_BEARER),
    Setting(key="wwsf", meaning="URL of the WWSF, which names its WAF and eP-CSCF", auth=_BEARER),
    Setting(
        key="client_id",
        meaning="Name of this program at the WAF; by default the one that the WWSF names, else wic",
        auth=_BEARER,
    ),
    Setting(
        key="client_secret",
        meaning="Secret of a program that gets tokens in its own name",
        auth=_BEARER,
        is_secret=True,
    ),
    Setting(key="token", meaning="Access token from elsewhere, which is not renewed", auth=_BEARER, is_secret=True),
    Setting(
        key="pool",
        meaning="Borrow identities from the pool of the WWSF",
        auth=_BEARER,
        choices=tuple(each.value for each in PoolAccess),
    ),
    Setting(key="scope", meaning="Scope of the tokens", auth=_BEARER, default=DEFAULT_SCOPE, is_preference=True),
    Setting(
        key="bearer_form",
        meaning="Form of a token in a request",
        auth=_BEARER,
        default=BearerForm.RFC8898.value,
        choices=tuple(each.value for each in BearerForm),
        is_preference=True,
    ),
    Setting(
        key="bearer_in",
        meaning="Requests that carry the token; with register REGISTER only, and requests that were challenged",
        auth=_BEARER,
        default="all",
        choices=("all", "register"),
        is_preference=True,
    ),
    Setting(
        key="authz_servers",
        meaning="URLs of further authorization servers that a challenge may name",
        kind=_LIST,
        auth=_BEARER,
        is_preference=True,
    ),
)

SETTINGS = {each.key: each for each in _ALL}
"""Every key, in the order of the documentation."""
SECRETS = tuple(each.key for each in _ALL if each.is_secret)
"""Keys of secrets."""
SECRET_FORMS = ("", "_file", "_env")
"""Endings of a secret's key: the secret itself, a file with it, an environment variable with it."""


_OWNER = {each.key + form: each for each in _ALL for form in (SECRET_FORMS if each.is_secret else ("",))}


def keys_of(auth: AuthScheme | None) -> frozenset[str]:
    """Return the keys that belong to one scheme, or for None those of any account, with all forms of secrets.

    >>> sorted(keys_of(AuthScheme.DIGEST))
    ['password', 'password_env', 'password_file']
    """
    return frozenset(key for key, setting in _OWNER.items() if setting.auth is auth)


def is_kept(key: str, auth: AuthScheme) -> bool:
    """Tell whether an account keeps a key when it gets another way to register.

    Args:
        key: the key; one that the schema does not know is not of wic, and stays.
        auth: the account's scheme from now on.
    """
    setting = _OWNER.get(key)
    return setting is None or (setting.is_preference and setting.auth in (None, auth))


def environment_variable(secret: str) -> str:
    """Return the variable in which the command line looks for a secret.

    >>> environment_variable("client_secret")
    'WIC_CLIENT_SECRET'
    """
    return f"WIC_{secret.upper()}"
