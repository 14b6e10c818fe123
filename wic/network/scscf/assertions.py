"""Assertions of the S-CSCF about the user that it serves, besides the identity that the eP-CSCF has asserted.

A telephone number that belongs to the user stands beside the SIP URI, so that a network behind, or a phone that knows
numbers only, can show it. A service that the UE prefers becomes an asserted one if the user may have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.sip.headers.address import NameAddr
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from wic.network.hss import Hss, PublicIdentity
    from wic.sip.message import Message, Request

_MAX_SERVICES = 8
"""Services that a request may ask for; more are not looked at."""


class Assertions:
    """Writer of the second P-Asserted-Identity and of P-Asserted-Service."""

    def __init__(self, hss: Hss, services: tuple[str, ...]) -> None:
        self._hss = hss
        self._services = tuple(each.lower() for each in services)  # which every subscriber has

    def add_number(self, message: Message) -> None:
        """Add the telephone number of the asserted user, if only a SIP URI is asserted (TS 24.229 §5.4.3.2, §5.4.3.3).

        Raises:
            MalformedHeader: P-Asserted-Identity cannot be read.
        """
        values = message.headers.values("P-Asserted-Identity")
        if len(values) != 1:  # RFC 3325 §9.1: two at most, a SIP URI and a tel URI
            return
        asserted = NameAddr.parse(values[0]).uri.aor()
        if not asserted.is_sip:
            return
        number = self._number(asserted)
        if number is not None:
            message.headers.add("P-Asserted-Identity", NameAddr(number.display_name, Uri.parse(number.impu)))

    def _number(self, asserted: Uri) -> PublicIdentity | None:
        """Return the number of an identity: the same one as a tel URI, else the first of its registration set."""
        impu = str(asserted)
        used = ((each, each.identity(impu)) for each in self._hss.holders(impu))
        sets = (holder.associated(own.registration_set) for holder, own in used if own is not None and not own.barred)
        numbers = [each for associated in sets for each in associated if each.impu.startswith("tel:")]
        same = f"tel:{asserted.username.partition(';')[0]}"
        return next((each for each in numbers if each.impu == same), next(iter(numbers), None))

    def assert_service(self, request: Request) -> None:
        """Assert the first service that the UE prefers and the user may have (TS 24.229 §5.4.3.2, RFC 6050 §4.2).

        Without one nothing is asserted: what a user may not have is taken out of the request, which goes on.
        """
        preferred = request.headers.usable_values("p-preferred-service")[:_MAX_SERVICES]
        request.headers.remove("P-Preferred-Service")
        service = next((each for each in preferred if self._is_subscribed(each)), None)
        if service is not None:
            request.headers.set("P-Asserted-Service", service)

    def _is_subscribed(self, service: str) -> bool:
        # RFC 6050 §8.2: a dot begins a part of a service.
        name = service.strip().lower()
        return any(name == each or name.startswith(f"{each}.") for each in self._services)
