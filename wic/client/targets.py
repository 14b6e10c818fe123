"""Targets of calls as a user writes them."""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import quote

from wic.errors import ConfigurationError
from wic.sip.errors import MalformedUri
from wic.sip.params import UriParams
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from typing import Final

__all__ = ["parse_target"]

# RFC 3966 §3 has -.() as visual separators; people also write blanks, slashes and the dashes of typesetting.
_SEPARATORS: Final = re.compile(r"[\-.()/ \xa0\u2009\u202f\u2010-\u2014]")
_DIALLED: Final = re.compile(rf"\+?(?:[0-9*#]|{_SEPARATORS.pattern})+")
_SUBSCRIBER: Final = re.compile(r"[0-9*#]")
_PHONE_CONTEXT = "phone-context"


def parse_target(text: str, domain: str) -> Uri:
    """Read a target: a SIP or tel URI, `user@domain`, or a number as it is dialled.

    A number without `+` has a meaning within a domain only, which is that of the caller (RFC 3966 §5.1.4, TS 24.229
    §7.2A.10.3): `030 123` becomes a tel URI with this phone-context. With `*` or `#` it is a dial string, which the
    network interprets (RFC 4967).

    Args:
        text: the target.
        domain: the home domain of the caller; empty if it is not known.

    Raises:
        ConfigurationError: it is none of these.

    >>> str(parse_target("bob@ims.example", "ims.example"))
    'sip:bob@ims.example'
    >>> str(parse_target("030 123", "ims.example"))
    'tel:030123;phone-context=ims.example'
    """
    written = text.strip()
    if address := _address(written):  # with dots, as a number may be: which of them was meant would be a guess
        raise ConfigurationError(
            f"{text!r} is an address, not a number; write sip:user@{address}, or sip:{address} for the host itself."
        )
    if _DIALLED.fullmatch(written) and _SUBSCRIBER.search(written):
        if written.startswith("+") and "(0)" in written:  # ITU-T E.123: dialled within the country only
            raise ConfigurationError(f"{text!r} is two numbers; leave out (0), which is not dialled behind +.")
        return _dialled(_SEPARATORS.sub("", written), domain)
    # A colon may stand in the user part's password or in the port; a scheme stands before any "@".
    if ":" not in written.partition("@")[0] and "@" in written:
        written = f"sip:{written}"
    try:
        uri = Uri.parse(written)
    except MalformedUri:
        uri = None  # the same words as for another scheme
    if uri is None or uri.scheme not in ("sip", "sips", "tel"):
        raise ConfigurationError(f"{text!r} cannot be called; write sip:user@domain, tel:+number or a number.")
    # RFC 3261 §19.1.1: a Request-URI has no header fields; §19.1.5: a user is told of those that are not honoured.
    if uri.headers:
        raise ConfigurationError(f"{text!r} has header fields, which a call does not take; leave out '?' and the rest.")
    return _telephone(uri, domain) if uri.scheme == "tel" else uri


def _address(text: str) -> str:
    """Return an IP address, with or without a port, as it stands in a URI; empty if the text is none."""
    for written in (text, f"[{text}]"):
        with suppress(MalformedUri, ValueError):
            host = Uri.parse(f"sip:{written}")
            if host.user is None and not host.params and not host.headers and ip_address(host.host):
                return written
    return ""


def _telephone(uri: Uri, domain: str) -> Uri:
    """Check a tel URI, and complete a local number.

    Raises:
        ConfigurationError: it is no number, or a local one of no known domain.
    """
    number = _SEPARATORS.sub("", uri.opaque)
    # RFC 3966 §3: a global number has decimal digits only; a local one may be of letters, but no one dials such a one.
    if not (uri.is_global_number if number.startswith("+") else _SUBSCRIBER.search(number)):
        raise ConfigurationError(f"{str(uri)!r} is no telephone number; write one such as tel:+4930123.")
    if number.startswith("+") or _PHONE_CONTEXT in uri.params:
        return uri
    # RFC 3966 §5.1.5: a local number has to have a phone-context.
    return uri.replace(params=uri.params.with_(_PHONE_CONTEXT, _known(domain, number)))


def _dialled(number: str, domain: str) -> Uri:
    if number.startswith("+") and number[1:].isdecimal():
        return Uri("tel", opaque=number)
    if number.isdecimal():
        return Uri("tel", opaque=number, params=UriParams([(_PHONE_CONTEXT, _known(domain, number))]))
    # RFC 4967 §4: `user=dialstring`, with the phone-context in the user part.
    user = f"{quote(number, safe='*+')};{_PHONE_CONTEXT}={_known(domain, number)}"
    return Uri("sip", user, host=domain, params=UriParams([("user", "dialstring")]))


def _known(domain: str, number: str) -> str:
    if not domain:
        raise ConfigurationError(f"{number} is a local number, and no domain is known; write tel:+number.")
    return domain
