"""WAF: the WebRTC Authorisation Function, an OAuth 2.0 authorization server (TS 24.371 §5.4, TS 33.203 Annex X)."""

from wic.network.waf.clients import OAuthClient
from wic.network.waf.options import WafOptions
from wic.network.waf.server import Waf
from wic.network.waf.store import WafStore
from wic.network.waf.users import WebUser

__all__ = ["OAuthClient", "Waf", "WafOptions", "WafStore", "WebUser"]
