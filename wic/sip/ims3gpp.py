"""The 3GPP IM CN subsystem XML body, `application/3gpp-ims+xml` (TS 24.229 §7.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from wic.sip.errors import MalformedBody, MalformedHeader
from wic.sip.headers.address import NameAddr
from wic.sip.multipart import find_part
from wic.sip.xml_body import parse_xml

if TYPE_CHECKING:
    from collections.abc import Collection

    from wic.sip.message import Message, Response
    from wic.sip.uri import Uri
    from wic.sip.xml_body import Element

IMS_3GPP: Final = "application/3gpp-ims+xml"
"""The media type."""

_MAX_SIZE: Final = 16_384
_MAX_REASON: Final = 200


@dataclass(frozen=True, slots=True)
class AlternativeService:
    """Proposal of the network to do something else than was asked (TS 24.229 §7.6)."""

    type: str
    """`emergency` or `restoration`."""
    action: str = ""
    """`emergency-registration`, `initial-registration`, `anonymous-emergencycall`, or empty."""
    reason: str = ""
    """A sentence for the user, or empty; printable and of bounded length."""

    @property
    def wants_initial_registration(self) -> bool:
        """Whether the S-CSCF lost the registration and wants it anew (TS 24.229 §5.1.2A.1.6)."""
        return self.type == "restoration" and self.action == "initial-registration"

    def to_xml(self) -> bytes:
        """Return the body that makes the proposal."""
        action = f"<action>{self.action}</action>" if self.action else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<ims-3gpp version="1"><alternative-service>'
            f"<type>{self.type}</type><reason>{escape(self.reason)}</reason>{action}</alternative-service></ims-3gpp>\n"
        ).encode()


def read_alternative_service(message: Message) -> AlternativeService | None:
    """Return the alternative service in the body of a message; None if there is none.

    Namespaces and unknown elements are not looked at, nor is Content-Disposition (TS 24.229 §5.1.2A.1.6).

    Raises:
        MalformedHeader: Content-Type cannot be read.
        MalformedBody: the body cannot be read.
    """
    content_type = message.content_type
    if content_type is None:
        return None
    body = find_part(content_type, message.body, IMS_3GPP)
    if body is None:
        return None
    root = parse_xml(body, max_size=_MAX_SIZE)
    if root.name != "ims-3gpp":
        raise MalformedBody(f"root element {root.name[:80]!r} instead of ims-3gpp")
    service = root.find("alternative-service")
    return None if service is None else _read(service)


def believed_alternative(response: Response, network: Collection[Uri]) -> AlternativeService | None:
    """Return the alternative service that an answer proposes, if an element of the network has made it.

    Its P-Asserted-Identity has to equal a URI of the Service-Route or the Path: the S-CSCF's of a 504 (TS 24.229
    §5.1.2A.1.6), the P-CSCF's of a 380 (§5.2.10.4). One that cannot be read is none.
    """
    try:
        asserted = [NameAddr.parse(value).uri for value in response.headers.values("P-Asserted-Identity")]
        service = read_alternative_service(response)
    except (MalformedHeader, MalformedBody):
        return None
    return service if any(uri.matches(known) for uri in asserted for known in network) else None


def _read(service: Element) -> AlternativeService:
    return AlternativeService(_value(service.find("type")), _value(service.find("action")), _reason(service))


def _value(element: Element | None) -> str:
    """Return a keyword: text, or in documents older than the schema the name of an empty element."""
    if element is None:
        return ""
    return element.children[0].name if element.children else element.text


def _reason(service: Element) -> str:
    element = service.find("reason")
    text = "" if element is None else " ".join(element.text.split())
    return "".join(letter for letter in text if letter.isprintable())[:_MAX_REASON]
