"""A WWSF and its WAF on loopback, browsers and OAuth clients."""

from tests.support.web_servers import (
    authority,
    browser,
    client,
    clock,
    make_waf,
    make_wwsf,
    native,
    open_browser,
    server_tls,
    waf,
    wwsf,
)

__all__ = [
    "authority",
    "browser",
    "client",
    "clock",
    "make_waf",
    "make_wwsf",
    "native",
    "open_browser",
    "server_tls",
    "waf",
    "wwsf",
]
