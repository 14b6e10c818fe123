"""WAF and WWSF on loopback, as servers that use the package."""

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
