"""URLs of OAuth servers: which may be used, their origin, and their query."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

HTTPS = ("https",)
HTTPS_OR_HTTP = ("https", "http")
"""Schemes of a test network whose operator allows `http://`."""
MAX_URL = 2048

_DEFAULT_PORTS = {"https": 443, "http": 80}


def is_usable_url(text: str, schemes: Collection[str] = HTTPS, *, fragment: bool = False) -> bool:
    """Tell whether a text is an absolute URL that may be used and shown.

    A user name before the host would make people take one site for another.

    Args:
        text: what was configured or received.
        schemes: the schemes that may be used.
        fragment: whether it may have a fragment; the URL of an endpoint has none (RFC 6749 §3.1, §3.2).

    >>> is_usable_url("https://waf.ims.example/token"), is_usable_url("https://waf.ims.example@evil.example/token")
    (True, False)
    """
    try:
        parts = urlsplit(text)
        names_host = is_host(parts.hostname or "") and parts.port != 0 and parts.username is None
    except ValueError:  # a port that is no number, an IPv6 address without its end
        return False
    return (
        names_host
        and parts.scheme in schemes
        and (fragment or not parts.fragment)  # RFC 6749 §3.1, §3.2
        and len(text) <= MAX_URL
        and text.isprintable()
    )


def is_host(name: str) -> bool:
    """Tell whether a host has the form of a domain name (RFC 1035 §2.3.4), as addresses have too."""
    return len(name) <= 253 and all(1 <= len(label) <= 63 for label in name.removesuffix(".").split("."))


def origin(url: str) -> str:
    """Return scheme, host and port of a usable URL, for comparisons and for messages (RFC 6454 §4, §6.2).

    >>> origin("https://WAF.ims.example:443/token"), origin("https://[::1]:9443/")
    ('https://waf.ims.example', 'https://[::1]:9443')
    """
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def add_query(url: str, parameters: Mapping[str, str]) -> str:
    """Return a URL with further parameters; the query that it has is retained (RFC 6749 §3.1, §3.1.2).

    >>> add_query("https://waf.ims.example/authorize?tenant=1", {"state": "a b"})
    'https://waf.ims.example/authorize?tenant=1&state=a+b'
    """
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"
