"""REGISTER requests: identity, options, parameters, series (TS 24.229 §5.1.1.2.1, RFC 3261 §10.2, RFC 5626 §4.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from wic.errors import ConfigurationError
from wic.option_checks import NumericOptions
from wic.sip.grammar import HOST
from wic.sip.headers import NameAddr
from wic.sip.message import Request
from wic.sip.params import Params, UriParams, quote
from wic.sip.random_source import CALL_ID_OCTETS, TAG_OCTETS
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Collection

    from wic.sip.random_source import RandomSource

MMTEL: Final = "urn:urn-7:3gpp-service.ims.icsi.mmtel"
"""Communication service identifier of multimedia telephony (TS 24.173 §5.1)."""
EXTENSIONS: Final = ("path", "gruu", "outbound")
"""Option tags of Supported (TS 24.229 §5.1.1.2.1)."""

_TRANSPORT_WS: Final = UriParams.of_checked(";transport=ws")
_HOST = re.compile(rf"(?:{HOST})", re.ASCII)
_URN = re.compile(r"urn:[A-Za-z0-9][A-Za-z0-9-]{1,31}:[A-Za-z0-9()+,\-.:=@;$_!*'%/?#]{1,200}", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """User, device and address behind one registration: everything that its REGISTERs say of this side.

    Raises:
        ConfigurationError: the domain or the instance cannot be one.
    """

    impu: Uri
    """Public user identity: From and To of the REGISTER."""
    domain: str
    """Home network domain: the Request-URI."""
    instance: str
    """URN of the device, such as `urn:uuid:…`; the same at every start (RFC 5626 §4.1)."""
    contact: Uri
    """Address for requests to the user; see `websocket_contact`."""
    services: tuple[str, ...] = (MMTEL,)
    """Communication services (ICSI) in use."""

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.domain):
            raise ConfigurationError(f"{self.domain!r} is not a domain: write it like ims.example")
        if not _URN.fullmatch(self.instance):
            raise ConfigurationError(f"{self.instance!r} is not an instance: write it like urn:uuid:…")

    def contact_header(self, reg_id: int | None) -> NameAddr:
        """Return the Contact of a REGISTER (TS 24.229 §5.1.1.2.1, RFC 5626 §4.2).

        Args:
            reg_id: number of the flow; None where the flow is to be the only one.
        """
        values = {} if reg_id is None else {"reg-id": str(reg_id)}
        values["+sip.instance"] = f'"<{self.instance}>"'
        if self.services:
            # TS 24.229 §7.9.2: percent-encoded where the feature tag forbids
            values["+g.3gpp.icsi-ref"] = quote(",".join(self.services).replace(":", "%3A"))
        return NameAddr("", self.contact, Params.of_written(values))


def websocket_contact(user: str | None, host: str) -> Uri:
    """Return the contact of a client that cannot be connected to (RFC 7118 §B.1).

    `transport=ws` stands for WS and WSS alike.

    Args:
        user: the user part, or None.
        host: a name of chance below `.invalid`, the one in our Via.

    >>> str(websocket_contact("alice", "x7k2.invalid"))
    'sip:alice@x7k2.invalid;transport=ws'
    """
    return Uri(scheme="sip", user=user, host=host, params=_TRANSPORT_WS)


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistrationOptions(NumericOptions):
    """Options of a registration."""

    expires: int = 600000
    """Seconds to ask for (TS 24.229 §5.1.1.2.1)."""
    reg_id: int = 1
    """Number of this flow among those of the device (RFC 5626 §4.2)."""
    outbound: bool = True
    """Ask for several flows and recovery of flows; a registrar without it says so by 420 or 439 as well."""
    keep_alive: bool = True
    """Offer keep-alives by the Via parameter `keep` (RFC 6223 §4.3)."""
    user_agent: str | None = None
    longest_wait: float = 1800.0
    """Most seconds that a Retry-After can make this side wait (RFC 5626 §4.5: max-time)."""


@dataclass(frozen=True, slots=True)
class RegisterParameters:
    """Parameters that a registrar may refuse, one by one, and that the next REGISTER then has otherwise."""

    expires: int
    """Seconds."""
    extensions: tuple[str, ...] = EXTENSIONS
    """Option tags that Supported names."""

    def without(self, tags: Collection[str]) -> RegisterParameters:
        """Return parameters without these option tags."""
        return replace(self, extensions=tuple(tag for tag in self.extensions if tag not in tags))

    def with_(self, tags: Collection[str]) -> RegisterParameters:
        """Return parameters with these option tags, as far as they are supported."""
        wanted = {*self.extensions, *tags}
        return replace(self, extensions=tuple(tag for tag in EXTENSIONS if tag in wanted))

    def lasting(self, expires: int) -> RegisterParameters:
        """Return parameters that ask for that many seconds."""
        return replace(self, expires=expires)


class RegisterSeries:
    """REGISTERs that belong together: same Call-ID and tag, rising CSeq (RFC 3261 §10.2).

    The header fields that do not change from one to the next are written once.
    """

    __slots__ = ("_contact", "_cseq", "_head", "_identity", "_options", "_tail", "_uri", "contact", "parameters")

    def __init__(
        self,
        identity: Identity,
        options: RegistrationOptions,
        *,
        random_source: RandomSource,
        parameters: RegisterParameters | None = None,
    ) -> None:
        """Begin with a new Call-ID and tag.

        Args:
            identity: user, device and address.
            options: see `RegistrationOptions`.
            random_source: source of random strings.
            parameters: those that the registrar has accepted before; None takes those of the options.
        """
        self._identity = identity
        self._options = options
        self._uri = f"sip:{identity.domain}"  # TS 24.229 §5.1.1.2.1: the home network domain
        address = f"<{identity.impu}>"
        self._head = (
            ("From", f"{address};tag={random_source.hex(TAG_OCTETS)}"),
            ("To", address),
            ("Call-ID", random_source.hex(CALL_ID_OCTETS)),  # TS 24.229 §5.1.1.2.1: a new one
        )
        self._cseq = 0
        extensions = EXTENSIONS if options.outbound else EXTENSIONS[:-1]
        self.change(parameters or RegisterParameters(options.expires, extensions))

    def change(self, parameters: RegisterParameters) -> None:
        """Go on with other parameters."""
        self.parameters = parameters
        """Those of the next REGISTER."""
        outbound = "outbound" in parameters.extensions
        # RFC 5626 §4.2: a flow that is not one of several has no reg-id.
        self.contact = self._identity.contact_header(self._options.reg_id if outbound else None)
        """Our Contact."""
        self._contact = str(self.contact)
        self._tail = [("Supported", ", ".join(parameters.extensions))] if parameters.extensions else []
        if self._options.user_agent is not None:
            self._tail.append(("User-Agent", self._options.user_agent))

    def next(self, *, removal: bool = False) -> Request:
        """Return the next REGISTER: one that makes or renews the binding, or one that removes it (TS 24.229 §5.1.1.6)."""
        self._cseq += 1  # RFC 3261 §10.2: one more with each of a Call-ID
        return Request.build(
            "REGISTER",
            self._uri,
            (
                *self._head,
                ("CSeq", f"{self._cseq} REGISTER"),
                ("Contact", self._contact),
                ("Expires", 0 if removal else self.parameters.expires),  # TS 24.229 §5.1.1.6: 0 removes
                *self._tail,
            ),
        )
