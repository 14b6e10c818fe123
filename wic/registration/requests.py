"""REGISTER requests (TS 24.229 §5.1.1.2.1, RFC 3261 §10.2, RFC 5626 §4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.sip.headers import NameAddr
from wic.sip.message import Request
from wic.sip.random_source import call_id, tag
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from wic.registration.identity import Identity
    from wic.registration.options import RegistrationOptions
    from wic.registration.terms import Terms
    from wic.sip.random_source import RandomSource


class Series:
    """REGISTERs that belong together: same Call-ID and tag, rising CSeq (RFC 3261 §10.2).

    What does not change from one to the next is written once.
    """

    __slots__ = ("_call_id", "_contact", "_cseq", "_from", "_options", "_terms", "_to", "_uri", "contact")

    def __init__(
        self, identity: Identity, options: RegistrationOptions, terms: Terms, *, random_source: RandomSource
    ) -> None:
        address = NameAddr("", identity.impu)
        self._options = options
        self._uri = str(Uri(scheme="sip", host=identity.domain))
        self._to = str(address)
        self._from = f"{address};tag={tag(random_source)}"
        self._call_id = call_id(random_source)
        self._cseq = 0
        self.agree(identity, terms)

    @property
    def terms(self) -> Terms:
        """What the next REGISTER asks for."""
        return self._terms

    def agree(self, identity: Identity, terms: Terms) -> None:
        """Go on with other terms."""
        self._terms = terms
        self.contact = _contact(identity, self._options, terms)
        """Our Contact."""
        self._contact = str(self.contact)

    def register(self) -> Request:
        """Make the next REGISTER: the first one, or one that renews the binding."""
        return self._make(self._terms.expires)

    def deregister(self) -> Request:
        """Make the REGISTER that removes the binding (TS 24.229 §5.1.1.6)."""
        return self._make(0)

    def _make(self, expires: int) -> Request:
        self._cseq += 1
        headers: list[tuple[str, object]] = [
            ("From", self._from),
            ("To", self._to),
            ("Call-ID", self._call_id),
            ("CSeq", f"{self._cseq} REGISTER"),
            ("Contact", self._contact),
            ("Expires", expires),
        ]
        if self._terms.extensions:
            headers.append(("Supported", ", ".join(self._terms.extensions)))
        if self._options.user_agent is not None:
            headers.append(("User-Agent", self._options.user_agent))
        return Request.build("REGISTER", self._uri, headers)


def _contact(identity: Identity, options: RegistrationOptions, terms: Terms) -> NameAddr:
    """Return our Contact; without outbound it has no reg-id (RFC 5626 §4.2)."""
    return identity.contact_header(options.reg_id if terms.outbound else None)
