"""The server's side of what all Digest schemes share: credentials as they come in requests."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from wic.auth.digest import DigestInput
from wic.sip.errors import MalformedHeader, MalformedUri
from wic.sip.params import AuthParams
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Collection

    from wic.auth.digest import DigestAlgorithm
    from wic.auth.secret import Secret
    from wic.sip.message import Request
    from wic.sip.params import Params

MAX_USERNAME = 255
"""Longest user name that is looked up, in characters."""

_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")


def find_credentials(request: Request, realm: str) -> Params | None:
    """Return the Digest credentials for one realm that a request has in Authorization.

    Raises:
        MalformedHeader: the header does not follow the grammar, or a parameter of these occurs twice.
    """
    values = (value for value in request.auth("Authorization") if value.scheme.lower() == "digest")
    found = next((value.params for value in values if value.params.get("realm") == realm), None)
    if found is not None:
        refuse_repetition(found)
    return found


def refuse_repetition(params: Params) -> None:
    """Refuse credentials that say something twice, for somebody else may read the other one (RFC 7616 §3.4).

    Raises:
        MalformedHeader: a parameter occurs twice.
    """
    if len({name.lower() for name in params}) != len(params):
        raise MalformedHeader("a parameter of the credentials occurs twice")


def read_input(
    params: Params, request: Request, algorithm: DigestAlgorithm, qops: Collection[str]
) -> DigestInput | None:
    """Read what a response was made of; None if it cannot be one that was asked for.

    Args:
        params: the credentials.
        request: that carries them.
        algorithm: that they name.
        qops: that the challenge offered.
    """
    qop = params.get("qop")
    nc, cnonce = params.get("nc") or "", params.get("cnonce") or ""
    if qop not in qops or not cnonce:
        return None
    if len(nc) != 8 or not _HEXADECIMAL.issuperset(nc) or int(nc, 16) == 0:
        return None
    uri = params.get("uri") or ""
    if not _same_uri(uri, request):
        return None
    return DigestInput(
        algorithm=algorithm,
        nonce=params.get("nonce") or "",
        uri=uri,
        method=request.method,
        qop=qop,
        nc=nc,
        cnonce=cnonce,
        body=request.body,
    )


def is_right(parts: DigestInput, ha1: Secret, params: Params) -> bool:
    """Compare the response of credentials with the right one, in constant time."""
    response = (params.get("response") or "").lower()
    return hmac.compare_digest(parts.response(ha1).encode(), response.encode("utf-8", "replace"))


def authentication_info(parts: DigestInput, ha1: Secret) -> str | None:
    """Return the Authentication-Info that proves the server (RFC 7616 §3.5)."""
    if parts.qop != "auth":
        return None  # the response's body, which auth-int protects, is not known here
    pairs = {"qop": "auth", "rspauth": parts.rspauth(ha1), "cnonce": parts.cnonce, "nc": parts.nc}
    return str(AuthParams(pairs.items(), quoted=("rspauth", "cnonce")))


def _same_uri(text: str, request: Request) -> bool:
    if text == request.uri_text:
        return True
    try:
        return Uri.parse(text).matches(request.uri)
    except MalformedUri:
        return False
