"""How each header is read into its typed value: once or many times, needed or not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

from wic.sip.errors import MalformedHeader
from wic.sip.grammar import TOKEN, WS, split_list
from wic.sip.headers.address import NameAddr
from wic.sip.headers.cseq import CSeq
from wic.sip.headers.event import Event
from wic.sip.headers.media_type import MediaType
from wic.sip.headers.retry_after import delta_seconds
from wic.sip.headers.subscription_state import SubscriptionState
from wic.sip.headers.via import Via

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.sip.header_fields import Headers

T = TypeVar("T")

_TOKENS: Final = re.compile(rf"{TOKEN}(?:{WS},{WS}{TOKEN})*+")
_CALL_ID: Final = re.compile(r"[^\s,]++")


def naming(name: str, parse: Callable[[str], T], text: str) -> T:
    """Parse a value; an error says which header it was.

    Raises:
        MalformedHeader: as `parse` does.
    """
    try:
        return parse(text)
    except MalformedHeader as error:
        raise MalformedHeader(f"{name}: {error}") from error


def _one(name: str, parse: Callable[[str], T]) -> Callable[[Headers], T]:
    """Read the first line of a header that has to be there."""

    def read(headers: Headers) -> T:
        text = headers.get(name)
        if text is None:
            raise MalformedHeader(f"{name} is missing")
        try:  # and not `naming`: these are read of every message
            return parse(text)
        except MalformedHeader as error:
            raise MalformedHeader(f"{name}: {error}") from error

    return read


def _optional(name: str, parse: Callable[[str], T]) -> Callable[[Headers], T | None]:
    """Read the first line of a header that may be there."""

    def read(headers: Headers) -> T | None:
        text = headers.get(name)
        return None if text is None else naming(name, parse, text)

    return read


def _all(name: str, parse: Callable[[str], T]) -> Callable[[Headers], tuple[T, ...]]:
    """Read all values of a list header."""

    def read(headers: Headers) -> tuple[T, ...]:
        if headers.get(name) is None:
            return ()
        try:
            return tuple([parse(value) for value in headers.values(name)])
        except MalformedHeader as error:
            raise MalformedHeader(f"{name}: {error}") from error

    return read


def _all_tokens(name: str, *, lower: bool) -> Callable[[Headers], tuple[str, ...]]:
    """Read a list of tokens; an empty line is an empty list (RFC 3261 §20.5, §20.37)."""

    def read(headers: Headers) -> tuple[str, ...]:
        lines = headers.get_all(name)
        text = ",".join([line for line in lines if line]) if lines else ""
        if not text:
            return ()
        if _TOKENS.fullmatch(text) is None:
            raise MalformedHeader(f"{name}: no list of tokens: {text[:80]!r}")
        return tuple([token.strip(" \t") for token in (text.lower() if lower else text).split(",")])

    return read


def _topmost_via(text: str) -> Via:
    return Via.parse(split_list(text)[0])


def _number(highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if text.isdigit() and text.isascii() and len(text) <= 16 and (number := int(text)) <= highest:
            return number
        raise MalformedHeader(f"no number up to {highest}: {text[:80]!r}")

    return parse


def _call_id(text: str) -> str:
    if _CALL_ID.fullmatch(text) is None:
        raise MalformedHeader(f"malformed value {text[:80]!r}")
    return text


_read_all_contacts = _all("Contact", NameAddr.parse)


def read_contacts(headers: Headers) -> tuple[NameAddr, ...]:
    """Read all Contact values; none for the wildcard `*`."""
    return () if headers.get_all("contact") == ["*"] else _read_all_contacts(headers)


read_via = _one("Via", _topmost_via)
_read_several_vias = _all("Via", Via.parse)


def read_vias(headers: Headers) -> tuple[Via, ...]:
    """Read all Via values, topmost first."""
    lines = headers.get_all("via")
    if len(lines) == 1 and "," not in lines[0]:  # as in most responses
        return (headers.parsed("via", read_via),)
    return _read_several_vias(headers)


read_from = _one("From", NameAddr.parse)
read_to = _one("To", NameAddr.parse)
read_call_id = _one("Call-ID", _call_id)
read_cseq = _one("CSeq", CSeq.parse)
read_routes = _all("Route", NameAddr.parse)
read_record_routes = _all("Record-Route", NameAddr.parse)
read_paths = _all("Path", NameAddr.parse)
read_service_routes = _all("Service-Route", NameAddr.parse)
read_associated_uris = _all("P-Associated-URI", NameAddr.parse)
read_max_forwards = _optional("Max-Forwards", _number(255))
read_expires = _optional("Expires", delta_seconds)
read_min_expires = _optional("Min-Expires", delta_seconds)
read_content_type = _optional("Content-Type", MediaType.parse)
read_content_length = _optional("Content-Length", _number(2**31))
read_require = _all_tokens("Require", lower=True)
read_proxy_require = _all_tokens("Proxy-Require", lower=True)
read_supported = _all_tokens("Supported", lower=True)
read_unsupported = _all_tokens("Unsupported", lower=True)
read_allow = _all_tokens("Allow", lower=False)
read_event = _optional("Event", Event.parse)
read_subscription_state = _optional("Subscription-State", SubscriptionState.parse)
