"""Where a request comes from, as far as counting goes."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

HOME_PREFIX = 64
"""One customer has at least a /64 of IPv6: addresses within it count as one."""


def origin_of(request: web.Request) -> str:
    """Return the name under which the attempts of a request's sender are counted."""
    return counted_address(request.remote or "")


def counted_address(text: str) -> str:
    """Return an address, or the network that stands for it.

    >>> counted_address("192.0.2.7")
    '192.0.2.7'
    >>> counted_address("2001:db8::7")
    '2001:db8::/64'
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, HOME_PREFIX), strict=False))
