"""IMS authentication mechanism of a REGISTER on W2 (TS 24.371 §6.4.1.1, TS 33.203 Annex P).

The mechanism follows from the REGISTER alone, and decides what the eP-CSCF may tell the core about its protection: that
is what keeps a WIC from claiming a TLS association which another one has made.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.sip.message import Request
    from wic.sip.params import Params

_AKA = re.compile(r"AKAv[0-9]+-[A-Za-z0-9-]+", re.IGNORECASE)
_IPSEC = "ipsec-3gpp"


class Mechanism(Enum):
    """Way in which a WIC proves its identity."""

    DIGEST = "SIP Digest over TLS"
    """TS 24.371 §6.4.1.2."""
    AKA = "IMS AKA over TLS"
    """TS 24.371 §6.4.1.3."""
    IPSEC = "IMS AKA with IPsec"
    """Not on W2, where TLS is there before the REGISTER (§6.4.1.3: no Security-Client)."""
    TOKEN = "trusted node authentication with an access token"
    """TS 24.371 §6.4.2 and §6.4.3, TS 33.203 Annexes U and X."""
    UNKNOWN = "no credentials that tell it"
    """The core decides: it challenges, or refuses."""


def determine(request: Request) -> Mechanism:
    """Determine the mechanism of a REGISTER.

    Raises:
        MalformedHeader: Authorization cannot be read.
    """
    credentials = request.auth("Authorization")
    if any(each.scheme.lower() == "bearer" for each in credentials):
        return Mechanism.TOKEN
    digests = (each.params for each in credentials if each.scheme.lower() == "digest")
    mechanism = determine_by_digest(next(digests, None))
    # RFC 3329 §2.2: other mechanisms, such as those of the media plane, may stand there too.
    wanted = (value.partition(";")[0].strip().lower() for value in request.headers.usable_values("security-client"))
    return Mechanism.IPSEC if mechanism is Mechanism.AKA and _IPSEC in wanted else mechanism


def determine_by_digest(credentials: Params | None) -> Mechanism:
    """Determine the mechanism of Digest credentials; UNKNOWN without any."""
    if credentials is None:
        return Mechanism.UNKNOWN
    return Mechanism.AKA if _AKA.fullmatch(credentials.get("algorithm") or "") else Mechanism.DIGEST


def integrity_protected(mechanism: Mechanism, *, associated: bool, answered: bool, existing: str) -> str | None:
    """Return the value of `integrity-protected` for Digest credentials that came by TLS; None writes none.

    It is never `auth-done`: that is for the credentials that the eP-CSCF itself makes, of a token that it has checked.

    Args:
        mechanism: of the credentials.
        associated: whether they map to an existing TLS association.
        answered: whether they hold the response to a challenge.
        existing: the value for an existing association: `tls-protected`, or `tls-yes` as in TS 24.229 §7.2A.2.
    """
    match mechanism:
        case Mechanism.AKA:
            return "tls-connected"  # TS 24.371 §6.4.1.3 a), in every REGISTER
        case Mechanism.DIGEST if associated:
            return existing  # TS 24.371 §6.4.1.2 1 c)
        case Mechanism.DIGEST if answered:
            return "tls-pending"  # b)
    return None  # a)
