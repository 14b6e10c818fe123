"""504 with a restoration body: the S-CSCF lost the registration (TS 24.229 §5.1.2A.1.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.sip.errors import MalformedBody, MalformedHeader
from wic.sip.headers import NameAddr
from wic.sip.ims3gpp import read_alternative_service

if TYPE_CHECKING:
    from wic.registration.binding import Binding
    from wic.sip.message import Response


def wants_restoration(response: Response, binding: Binding | None) -> bool:
    """Whether an answer, to whatever request, asks for an initial registration and may be believed.

    It may if its P-Asserted-Identity equals a URI of the Service-Route or Path of the binding.
    """
    if response.status != 504 or binding is None or not response.body:
        return False
    try:
        asserted = [NameAddr.parse(value).uri for value in response.headers.values("P-Asserted-Identity")]
        service = read_alternative_service(response)
    except (MalformedHeader, MalformedBody):
        return False
    trusted = [address.uri for address in (*binding.service_route, *binding.path)]
    believed = any(uri.matches(known) for uri in asserted for known in trusted)
    return believed and service is not None and service.wants_initial_registration
