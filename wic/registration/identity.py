"""Who registers, and under which contact."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from wic.errors import ConfigurationError
from wic.sip.errors import MalformedUri
from wic.sip.grammar import HOST
from wic.sip.headers import NameAddr
from wic.sip.params import Params, UriParams
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Sequence

_HOST = re.compile(rf"(?:{HOST})", re.ASCII)
_URN = re.compile(r"urn:[A-Za-z0-9][A-Za-z0-9-]{1,31}:[A-Za-z0-9()+,\-.:=@;$_!*'%/?#]{1,200}", re.ASCII)

MMTEL = "urn:urn-7:3gpp-service.ims.icsi.mmtel"
"""Communication service identifier of multimedia telephony (TS 24.173 §5.1)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The user, the device and the address behind one registration.

    Raises:
        ConfigurationError: the domain or the instance is none.
    """

    impu: Uri
    """Public user identity: From and To of the REGISTER."""
    domain: str
    """Home network domain: the Request-URI."""
    instance: str
    """URN of the device, such as `urn:uuid:…`; the same at every start (RFC 5626 §4.1)."""
    contact: Uri
    """Where requests for the user go; see `websocket_contact`."""
    services: tuple[str, ...] = (MMTEL,)
    """Communication services (ICSI) in use."""

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.domain):
            raise ConfigurationError(f"{self.domain!r} is no domain: write it like ims.example")
        if not _URN.fullmatch(self.instance):
            raise ConfigurationError(f"{self.instance!r} is no instance: write it like urn:uuid:…")

    def contact_header(self, reg_id: int | None) -> NameAddr:
        """Return the Contact of a REGISTER (TS 24.229 §5.1.1.2.1, RFC 5626 §4.2).

        Args:
            reg_id: number of the flow; None where the flow is to be the only one.
        """
        pairs = [] if reg_id is None else [("reg-id", str(reg_id))]
        pairs.append(("+sip.instance", f"<{self.instance}>"))
        quoted = ["+sip.instance"]
        if self.services:
            pairs.append(("+g.3gpp.icsi-ref", ",".join(map(_encoded, self.services))))
            quoted.append("+g.3gpp.icsi-ref")
        return NameAddr("", self.contact, Params(pairs, quoted=quoted))


@lru_cache(maxsize=256)  # an account's is asked for again and again
def parse_impu(text: str) -> Uri:
    """Read a public user identity that a user wrote.

    Raises:
        ConfigurationError: neither a SIP nor a tel URI.
    """
    try:
        uri = Uri.parse(text)
    except MalformedUri:
        uri = None
    if uri is None or uri.scheme.lower() not in ("sip", "sips", "tel"):
        raise ConfigurationError(f"{text!r} is no public user identity: write it like sip:alice@ims.example")
    return uri


def websocket_contact(user: str | None, host: str) -> Uri:
    """Return the contact of a client that cannot be connected to (RFC 7118 §5).

    `transport=ws` stands for WS and WSS alike.

    Args:
        user: the user part, or None.
        host: a name of chance below `.invalid`, the one in our Via.

    >>> str(websocket_contact("alice", "x7k2.invalid"))
    'sip:alice@x7k2.invalid;transport=ws'
    """
    return Uri(scheme="sip", user=user, host=host, params=UriParams([("transport", "ws")]))


def same_device(contact: NameAddr, own: NameAddr) -> bool:
    """Whether a contact of a 200 is our binding: same instance and reg-id, or the same URI (RFC 5626 §6)."""
    instance = contact.params.get("+sip.instance")
    if instance is not None and instance == own.params.get("+sip.instance"):
        return contact.params.get("reg-id") in (None, own.params.get("reg-id"))
    return contact.uri.matches(own.uri)


def find_own(contacts: Sequence[NameAddr], own: NameAddr) -> NameAddr | None:
    """Return our contact among those of a 200: the one with our reg-id, else one of our device, else None."""
    ours = [contact for contact in contacts if same_device(contact, own)]
    if len(ours) == 1:
        return ours[0]
    exact = [contact for contact in ours if contact.params.get("reg-id") == own.params.get("reg-id")]
    return next(iter(exact or ours), None)


def _encoded(urn: str) -> str:
    return urn.replace(":", "%3A")  # TS 24.229 §7.9.2: percent-encoded where the feature tag forbids
