"""SUBSCRIBE requests of one subscription (RFC 6665 §4.1.2), and what they are made of.

All SUBSCRIBEs of a subscription share Call-ID and From tag, and their CSeq rises; within the dialog the dialog counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from wic.option_checks import NumericOptions
from wic.sip.headers.address import NameAddr
from wic.sip.headers.values import CSeq
from wic.sip.message import Request
from wic.sip.random_source import CALL_ID_OCTETS, TAG_OCTETS

if TYPE_CHECKING:
    from wic.sip.dialog import Dialog
    from wic.sip.flow import Flow
    from wic.sip.message import Response
    from wic.sip.random_source import RandomSource
    from wic.sip.uri import Uri


class SubscriberCredentials(Protocol):
    """Credentials that answer the challenges to a SUBSCRIBE; those of `wic.auth` have these methods."""

    def authorize(self, request: Request) -> None:
        """Add the credentials that the network is known to want."""
        ...

    def challenged(self, request: Request, response: Response) -> None:
        """Take in the challenge of a 401 or 407.

        Raises:
            AuthenticationFailed: it cannot be answered, or was answered in vain.
        """
        ...

    def accepted(self, request: Request, response: Response) -> None:
        """Take in a success.

        Raises:
            AuthenticationFailed: the network could not prove that it knows the secret.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SubscriptionOptions(NumericOptions):
    """Subject of a subscription."""

    may_be_zero: ClassVar = ("expires",)
    package: str
    """Event package, such as `reg`."""
    accept: tuple[str, ...] = ()
    """Media types of bodies that are understood."""
    expires: int = 3600
    """Seconds to ask for; 0 fetches the state once (RFC 6665 §4.4.3)."""
    headers: tuple[tuple[str, object], ...] = ()
    """Further header fields of each SUBSCRIBE."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SubscriptionParty:
    """Addresses of a subscription: subscriber, resource, and the way to the notifier."""

    resource: Uri
    """The resource whose state is watched: Request-URI and To."""
    identity: Uri
    """The subscriber: From."""
    contact: NameAddr
    flow: Flow
    routes: tuple[NameAddr, ...] = ()
    """Route of a SUBSCRIBE outside the dialog."""


class SubscribeSeries:
    """Builder of the SUBSCRIBEs of one subscription; a new subscription takes a new series."""

    __slots__ = ("_options", "call_id", "cseq", "tag")

    def __init__(self, random_source: RandomSource, options: SubscriptionOptions) -> None:
        self.call_id = random_source.hex(CALL_ID_OCTETS)
        self.tag = random_source.hex(TAG_OCTETS)
        """The From tag."""
        self.cseq = 0
        """Of the last SUBSCRIBE outside a dialog."""
        self._options = options

    def build(self, party: SubscriptionParty, dialog: Dialog | None, expires: int) -> Request:
        """Return the next SUBSCRIBE.

        Args:
            party: subscriber, resource and way.
            dialog: the dialog it belongs to; None makes one.
            expires: seconds to ask for.
        """
        headers: list[tuple[str, object]] = [
            ("Contact", party.contact),  # RFC 6665 §4.1.2.1: of the subscriber, for the NOTIFYs
            ("Event", self._options.package),
            ("Expires", expires),  # RFC 6665 §4.1.2.3: 0 ends it
        ]
        if self._options.accept:
            headers.append(("Accept", ", ".join(self._options.accept)))
        headers += self._options.headers
        if dialog is not None:
            return dialog.create_request("SUBSCRIBE", headers)
        self.cseq += 1
        lines: list[tuple[str, object]] = [("Route", hop) for hop in party.routes]
        lines += [
            ("From", NameAddr("", party.identity).with_tag(self.tag)),
            ("To", NameAddr("", party.resource)),
            ("Call-ID", self.call_id),
            ("CSeq", CSeq(self.cseq, "SUBSCRIBE")),
            *headers,
        ]
        return Request.build("SUBSCRIBE", party.resource, lines)
