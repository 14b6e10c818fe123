"""A WAF on loopback, browsers and OAuth clients."""

from tests.support.web_servers import authority, browser, client, clock, make_waf, native, open_browser, server_tls, waf

__all__ = ["authority", "browser", "client", "clock", "make_waf", "native", "open_browser", "server_tls", "waf"]
