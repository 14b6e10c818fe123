"""Called identity: the public user identity of this side that a request outside a dialog is for.

A terminating S-CSCF replaces the Request-URI by the contact of the binding, and keeps the identity that was called in
P-Called-Party-ID (TS 24.229 §5.4.3.3, RFC 7315 §4.2). A server that is no S-CSCF leaves it in To, or in the Request-URI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.sip.errors import MalformedHeader
from wic.sip.grammar import split_list
from wic.sip.headers import NameAddr

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from wic.sip.message import Request
    from wic.sip.uri import Uri

__all__ = ["find_called", "is_for_us"]


def find_called(request: Request, identities: Iterable[Uri]) -> Uri | None:
    """Return the one of `identities` that was called (TS 24.229 §5.1.2A.2); None if the request names none of them."""
    # To may name another one, which the call was diverted from.
    return _first((_asserted(request), request.to.uri, request.uri), identities)


def is_for_us(request: Request, *, contact: Uri, gruus: Collection[Uri], identities: Collection[Uri]) -> bool:
    """Tell whether the Request-URI leads to this side (RFC 3261 §8.2.2.1).

    Servers that find clients behind NATs rewrite its host and port as they like (`rewrite_contact` of Asterisk,
    `fix_nated_contact` of OpenSIPS and Kamailio), to an address or to a name, and may leave a GRUU or nothing but the
    user part. So it is the user part that tells. Without one a request is for this client as well, whose connection it
    came over.

    Args:
        request: a request outside a dialog.
        contact: the address that was registered.
        gruus: the GRUUs of it.
        identities: the public user identities of this user.
    """
    uri = request.uri
    own = {each.username or each.aor().opaque for each in (contact, *gruus, *identities)}  # `opaque`: of a tel URI
    if uri.is_sip and uri.username in {"", *own}:
        return True
    if uri.host and uri.host.lower() == contact.host.lower():  # random, so that no other client has it
        return True
    # A server may have mangled the Request-URI, and named the identity all the same.
    return _first((uri, _asserted(request)), identities) is not None


def _first(named: Iterable[Uri | None], identities: Iterable[Uri]) -> Uri | None:
    own: dict[str, Uri] = {}
    for each in identities:
        own.setdefault(str(each.aor()), each)
    return next((own[key] for uri in named if uri is not None and (key := str(uri.aor())) in own), None)


def _asserted(request: Request) -> Uri | None:
    for line in request.headers.get_all("P-Called-Party-ID"):
        try:
            return NameAddr.parse(split_list(line)[0]).uri
        except MalformedHeader:
            continue  # one that cannot be read names no identity
    return None
