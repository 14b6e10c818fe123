"""Registration information: the body of reg-event NOTIFYs (RFC 3680 §5), with GRUUs (RFC 5628 §5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeVar

from wic.sip.errors import MalformedBody
from wic.sip.xml_body import parse_xml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wic.sip.xml_body import Element

__all__ = [
    "REGINFO",
    "AorState",
    "ContactEvent",
    "ContactInfo",
    "ContactState",
    "RegInfo",
    "RegistrationInfo",
    "TemporaryGruu",
    "parse_reginfo",
]

REGINFO: Final = "application/reginfo+xml"
NAMESPACE: Final = "urn:ietf:params:xml:ns:reginfo"
GRUU_NAMESPACE: Final = "urn:ietf:params:xml:ns:gruuinfo"

MAX_SIZE: Final = 262_144
"""Octets of a document; a thousand contacts with GRUUs fit."""
_MAX_ELEMENTS: Final = 8_000  # a few for each of a thousand contacts
_MAX_NUMBER: Final = 2**32 - 1  # no time is longer
EnumT = TypeVar("EnumT", bound=Enum)


class AorState(Enum):
    """State of an address-of-record: whether it has bound contacts (RFC 3680 §5.1)."""

    INIT = "init"
    ACTIVE = "active"
    TERMINATED = "terminated"


class ContactState(Enum):
    """State of a contact: bound, or not any more."""

    ACTIVE = "active"
    TERMINATED = "terminated"


class ContactEvent(Enum):
    """Event that brought a contact into its state (RFC 3680 §5.1)."""

    REGISTERED = "registered"
    CREATED = "created"
    """Bound without a REGISTER for this address-of-record, such as one of an implicit set."""
    REFRESHED = "refreshed"
    SHORTENED = "shortened"
    EXPIRED = "expired"
    DEACTIVATED = "deactivated"
    PROBATION = "probation"
    UNREGISTERED = "unregistered"
    REJECTED = "rejected"

    @property
    def terminates(self) -> bool:
        """Whether the contact is not bound any more."""
        return self in _TERMINATING


_TERMINATING: Final = frozenset(
    {
        ContactEvent.EXPIRED,
        ContactEvent.DEACTIVATED,
        ContactEvent.PROBATION,
        ContactEvent.UNREGISTERED,
        ContactEvent.REJECTED,
    }
)


@dataclass(frozen=True, slots=True)
class TemporaryGruu:
    """A temporary GRUU, with the CSeq of the first REGISTER that was answered by one (RFC 5628 §5)."""

    uri: str
    first_cseq: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ContactInfo:
    """A contact of an address-of-record; URIs as text, as they came."""

    id: str
    uri: str
    state: ContactState
    event: ContactEvent
    expires: int | None = None
    """Seconds that are left."""
    retry_after: int | None = None
    """Seconds before another REGISTER, after `probation`."""
    duration_registered: int | None = None
    """Seconds that it has been bound."""
    q: str | None = None
    callid: str | None = None
    cseq: int | None = None
    display_name: str | None = None
    unknown_params: tuple[tuple[str, str], ...] = ()
    """Further parameters of the Contact, such as `+sip.instance`, values as they stood there."""
    pub_gruu: str | None = None
    temp_gruu: TemporaryGruu | None = None

    def param(self, name: str) -> str | None:
        """Return a further parameter of the Contact by its name, without quotes."""
        for known, value in self.unknown_params:
            if known.lower() == name:
                return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistrationInfo:
    """An address-of-record and its contacts."""

    aor: str
    id: str
    state: AorState
    contacts: tuple[ContactInfo, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RegInfo:
    """A reginfo document."""

    version: int
    """0 in the first NOTIFY of a subscription, then one more each time (RFC 3680 §5.1)."""
    full: bool
    """Whether everything is said; else only what has changed."""
    registrations: tuple[RegistrationInfo, ...] = ()

    def to_xml(self) -> bytes:
        """Return the document; equal values give equal octets."""
        contacts = [contact for each in self.registrations for contact in each.contacts]
        gruus = any((contact.pub_gruu, contact.temp_gruu) != (None, None) for contact in contacts)
        names = [("xmlns", NAMESPACE)]
        names += [("xmlns:gr", GRUU_NAMESPACE)] if gruus else []
        root = _tag("reginfo", *names, ("version", self.version), ("state", "full" if self.full else "partial"))
        lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<{root}>"]
        for registration in self.registrations:
            lines += _write_registration(registration)
        return "\n".join([*lines, "</reginfo>", ""]).encode()


def parse_reginfo(data: bytes) -> RegInfo:
    """Read a document; elements of other namespaces are passed over.

    Raises:
        MalformedBody: it is none, breaks a rule, or is larger than can be meant.
    """
    root = parse_xml(data, max_size=MAX_SIZE, max_elements=_MAX_ELEMENTS)
    if (root.namespace, root.name) != (NAMESPACE, "reginfo"):
        raise MalformedBody(f"reginfo expected, {root.name[:40]!r} found")
    state = _attribute(root, "state")
    if state not in ("full", "partial"):
        raise MalformedBody(f"no state of a reginfo document: {state[:40]!r}")
    registrations = tuple(map(_read_registration, _children(root, "registration")))
    _check_ids("registration", [each.id for each in registrations])
    return RegInfo(version=_number(_attribute(root, "version")), full=state == "full", registrations=registrations)


# reading


def _read_registration(element: Element) -> RegistrationInfo:
    contacts = tuple(map(_read_contact, _children(element, "contact")))
    _check_ids("contact", [each.id for each in contacts])
    return RegistrationInfo(
        aor=_attribute(element, "aor"),
        id=_attribute(element, "id"),
        state=_member(AorState, _attribute(element, "state")),
        contacts=contacts,
    )


def _read_contact(element: Element) -> ContactInfo:
    uri = next(_children(element, "uri"), None)
    if uri is None:
        raise MalformedBody("a contact without uri")
    display = next(_children(element, "display-name"), None)
    public = next(_children(element, "pub-gruu", GRUU_NAMESPACE), None)
    temporary = next(_children(element, "temp-gruu", GRUU_NAMESPACE), None)
    unknown = [(_attribute(each, "name"), each.text) for each in _children(element, "unknown-param")]
    return ContactInfo(
        id=_attribute(element, "id"),
        uri=uri.text,
        state=_member(ContactState, _attribute(element, "state")),
        event=_member(ContactEvent, _attribute(element, "event")),
        expires=_optional_number(element, "expires"),
        retry_after=_optional_number(element, "retry-after"),
        duration_registered=_optional_number(element, "duration-registered"),
        q=element.attributes.get("q"),
        callid=element.attributes.get("callid"),
        cseq=_optional_number(element, "cseq"),
        display_name=None if display is None else display.text,
        unknown_params=tuple(unknown),
        pub_gruu=None if public is None else _attribute(public, "uri"),
        temp_gruu=None if temporary is None else _read_temporary(temporary),
    )


def _read_temporary(element: Element) -> TemporaryGruu:
    return TemporaryGruu(_attribute(element, "uri"), _number(_attribute(element, "first-cseq")))


def _children(element: Element, name: str, namespace: str = NAMESPACE) -> Iterator[Element]:
    return (child for child in element.children if child.name == name and child.namespace == namespace)


def _attribute(element: Element, name: str) -> str:
    value = element.attributes.get(name)
    if value is None:
        raise MalformedBody(f"{element.name} without {name}")
    return value


def _optional_number(element: Element, name: str) -> int | None:
    text = element.attributes.get(name)
    return None if text is None else _number(text)


def _number(text: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 16):
        raise MalformedBody(f"no number: {text[:40]!r}")
    return min(int(digits), _MAX_NUMBER)


def _member(kind: type[EnumT], text: str) -> EnumT:
    try:
        return kind(text)
    except ValueError:
        raise MalformedBody(f"no {kind.__name__}: {text[:40]!r}") from None


def _check_ids(name: str, ids: list[str]) -> None:
    if len(set(ids)) != len(ids):
        raise MalformedBody(f"two elements {name} with one id")


# writing


def _write_registration(registration: RegistrationInfo) -> Iterator[str]:
    attributes = (("aor", registration.aor), ("id", registration.id), ("state", registration.state.value))
    yield f"  <{_tag('registration', *attributes)}>"
    for contact in registration.contacts:
        yield from _write_contact(contact)
    yield "  </registration>"


def _write_contact(contact: ContactInfo) -> Iterator[str]:
    attributes = (
        ("id", contact.id),
        ("state", contact.state.value),
        ("event", contact.event.value),
        ("duration-registered", contact.duration_registered),
        ("expires", contact.expires),
        ("retry-after", contact.retry_after),
        ("q", contact.q),
        ("callid", contact.callid),
        ("cseq", contact.cseq),
    )
    yield f"    <{_tag('contact', *attributes)}>"
    yield f"      <uri>{_escaped(contact.uri)}</uri>"
    if contact.display_name is not None:
        yield f"      <display-name>{_escaped(contact.display_name)}</display-name>"
    for name, value in contact.unknown_params:
        yield f"      <{_tag('unknown-param', ('name', name))}>{_escaped(value)}</unknown-param>"
    if contact.pub_gruu is not None:
        yield f"      <{_tag('gr:pub-gruu', ('uri', contact.pub_gruu))}/>"
    if contact.temp_gruu is not None:
        gruu = contact.temp_gruu
        yield f"      <{_tag('gr:temp-gruu', ('uri', gruu.uri), ('first-cseq', gruu.first_cseq))}/>"
    yield "    </contact>"


def _tag(name: str, *attributes: tuple[str, object]) -> str:
    return " ".join([name, *(f'{key}="{_escaped(str(value))}"' for key, value in attributes if value is not None)])


_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
    # XML 1.0 §2.2: these have no place in a document, not even as references.
    | {chr(code): "\ufffd" for code in [*range(9), 11, 12, *range(14, 32), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF]}
)


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
