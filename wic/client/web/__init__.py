"""A client's way to access tokens: the WAF and the WWSF, over HTTPS."""

from wic.client.web.authorization import PoolAccess, WebAuthorization
from wic.client.web.keeper import TokenKeeper
from wic.client.web.token import AccessToken

__all__ = ["AccessToken", "PoolAccess", "TokenKeeper", "WebAuthorization"]
