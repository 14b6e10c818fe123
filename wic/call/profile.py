"""Identity of this side in a call, as its requests need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wic.sip.params import Params

if TYPE_CHECKING:
    from wic.auth.authenticator import Authenticator
    from wic.sip.flow import Flow
    from wic.sip.headers.address import NameAddr
    from wic.sip.uri import Uri

__all__ = ["ALLOWED", "SUPPORTED", "CallProfile"]

_NO_PARAMS: Final = Params()

ALLOWED = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "UPDATE", "INFO", "NOTIFY")
"""Methods of a client: the value of every Allow header field. NOTIFY belongs to its subscriptions."""
SUPPORTED = ("gruu", "outbound")
"""Extensions of a client outside REGISTER: option tags of Supported, and of the Require of others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CallProfile:
    """One registered identity."""

    identity: Uri
    """The public user identity: From, and P-Preferred-Identity."""
    contact: NameAddr
    """Contact address: requests within the call reach this side there."""
    registered: Uri
    """The identity that was registered explicitly, by which `identity` is registered."""
    flow: Flow
    """The connection of the registration."""
    display: str = ""
    """Name to show to the other side."""
    routes: tuple[NameAddr, ...] = ()
    """Preloaded routes of the registration (TS 24.229 §5.1.2A.1.1, RFC 3608)."""
    network: tuple[Uri, ...] = ()
    """URIs by which answers of the eP-CSCF and the S-CSCF themselves are known."""
    features: Params = _NO_PARAMS
    """Feature tags of the contact, for answers to OPTIONS (RFC 3840 §5)."""
    user_agent: str = ""
    """The product, for User-Agent and Server; empty leaves it out."""
    authenticator: Authenticator | None = None
    """Answers 401 and 407; without one they end the call."""
