"""Trust boundary between WIC and core at the eP-CSCF (TS 24.229 §4.4, §5.2.6; RFC 3325).

The lists of what may cross the boundary are those of `wic.network.trust_boundary`, which the S-CSCF has as well. Here is
what is only between a WIC and its eP-CSCF: routing headers, credentials, tokens, and keys.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from wic.auth.digest_server import refuse_repetition
from wic.network.trust_boundary import clean_from_outside, remove_all
from wic.sip.errors import MalformedHeader
from wic.sip.headers.address import NameAddr
from wic.sip.headers.auth import AuthValue

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.sip.message import Message, Request, Response
    from wic.sip.params import Params
    from wic.sip.proxy.core import Branch
    from wic.sip.uri import Uri

_ENDS_HERE = (
    # The network alone says which elements are on the way.
    "Path",
    "Service-Route",
    "Record-Route",
    # A WIC authenticates no one: a called one could guess the caller's password from an answer, or name its next nonce.
    "WWW-Authenticate",
    "Proxy-Authenticate",
    "Authentication-Info",
    "Proxy-Authentication-Info",
    # TS 24.371 §6.1: no security agreement on W2, TLS is there already.
    "Security-Client",
    "Security-Verify",
    "Security-Server",
    # RFC 3325 §9.2: a hint to the proxy, which asserts an identity instead.
    "P-Preferred-Identity",
)
"""Header fields of a WIC that are for its eP-CSCF, or for no one: removed from its requests and responses alike."""
_MAX_IDENTITIES = 8
"""Identities that a request may name; more are not looked at."""


def clean_from_wic(message: Message) -> None:
    """Remove from a message of a WIC what only the network may assert, and what ends at the eP-CSCF."""
    clean_from_outside(message)
    remove_all(message, _ENDS_HERE)
    # TS 33.203 §X.3: access tokens are for the eP-CSCF only.
    for name in ("Authorization", "Proxy-Authorization"):
        _filter(message, name, lambda each: None if each.scheme.lower() == "bearer" else each)


def clean_response_from_wic(response: Response, branch: Branch | None, identities: tuple[str, ...]) -> None:
    """Clean a response of a WIC, and assert who answers.

    TS 24.229 §5.2.6.4.4: its Record-Route has to be the one that was sent, and what it prefers to be called is removed.
    """
    clean_from_wic(response)
    # Only a response below 300 can make a dialog (RFC 3261 §12.1).
    if branch is not None and branch.transaction is not None and response.status < 300:
        response.headers.copy_from(branch.transaction.request.headers, "Record-Route")
    assert_identities(response, identities)  # TS 24.229 §5.2.6.4.4: the P-CSCF asserts who answers


def assert_identities(message: Message, identities: tuple[str, ...]) -> None:
    """Write who the sender of a message is, if that is known."""
    message.headers.remove("P-Asserted-Identity")
    for identity in identities:
        message.headers.add("P-Asserted-Identity", f"<{identity}>")


def identities_in(request: Request, name: str) -> list[Uri]:
    """Return the identities that a header field names, in their order, without those that cannot be read.

    A request does without any: P-Preferred-Identity is a hint of the WIC (RFC 3325 §9.2), P-Called-Party-ID of the core.
    """
    found = []
    for value in request.headers.usable_values(name.lower())[:_MAX_IDENTITIES]:
        with suppress(MalformedHeader):
            found.append(NameAddr.parse(value).uri.aor())
    return found


def has_token(request: Request) -> bool:
    """Tell whether a request other than REGISTER has an access token; what cannot be read is none."""
    try:
        return any(each.scheme.lower() == "bearer" for each in request.auth("Authorization"))
    except MalformedHeader:
        return False


def digest_credentials(request: Request, realm: str) -> Params | None:
    """Return the Digest credentials of a REGISTER: those for the home domain, else the first.

    Raises:
        MalformedHeader: Authorization cannot be read, or a parameter of these credentials occurs twice.
    """
    found = [each.params for each in request.auth("Authorization") if each.scheme.lower() == "digest"]
    chosen = next((params for params in found if params.get("realm") == realm), found[0] if found else None)
    if chosen is not None:
        refuse_repetition(chosen)
    return chosen


def write_credentials(request: Request, credentials: Params | None, protection: str | None) -> None:
    """Let a REGISTER go on with one set of Digest credentials, and what the eP-CSCF knows about their protection.

    Claims of the WIC about that are removed (TS 24.229 §7.2A.2), and so are credentials that are not for the core.
    """
    request.headers.remove("Authorization")
    if credentials is None:
        return
    # Parameters that only a P-CSCF may write (TS 24.229 §7.2A.2, TS 24.371 table A.3.2-2).
    params = credentials.without("integrity-protected", "auth-done", "authorization-entity")
    if protection is not None:
        params = params.with_("integrity-protected", protection, quoted=True)
    request.headers.add("Authorization", AuthValue("Digest", params))


def withhold_keys(message: Message) -> None:
    """Remove the keys `ik` and `ck` from the challenges of a 401: they are for the eP-CSCF only (TS 24.229 §5.2.2)."""
    _filter(message, "WWW-Authenticate", lambda each: replace(each, params=each.params.without("ik", "ck")))


def _filter(message: Message, name: str, change: Callable[[AuthValue], AuthValue | None]) -> None:
    """Replace each challenge, or set of credentials, by what `change` returns; one that is None goes.

    So does one that cannot be read, for there may be a secret in it: that one only.
    """
    values = [value for line in message.headers.get_all(name) for value in AuthValue.read_list(line)]
    kept = [new for each in values if isinstance(each, AuthValue) and (new := change(each)) is not None]
    if kept != values:
        message.set_auth(name, kept)
