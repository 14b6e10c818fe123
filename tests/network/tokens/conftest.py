"""An issuer of tokens whose answers a test can change, and validators that trust it."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from joserfc import jws
from joserfc.jwk import ECKey

from tests.support.web_servers import authority, server_tls
from wic.network.tokens import TokenValidator, TrustedIssuer
from wic.network.web.server import WebServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

    from wic.network.certificates import CertificateAuthority

__all__ = ["authority", "issuer", "make_validator", "server_tls", "validator"]

NOW = 1_800_000_000.0


class Issuer:
    """WAF made of strings; its keys, metadata and answers can be changed at any time."""

    def __init__(self, server: WebServer) -> None:
        self.url = server.url
        self.key = ECKey.generate_key("P-256")
        self.keys: list[dict[str, Any]] = [self.public(self.key, "key-1")]
        self.metadata: dict[str, Any] = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/jwks",
            "introspection_endpoint": f"{self.url}/introspect",
        }
        self.requests: list[str] = []
        self.introspection: dict[str, Any] = {"active": True}
        self.raw: web.Response | None = None
        server.add(
            [
                web.get("/.well-known/oauth-authorization-server", self._metadata),
                web.get("/jwks", self._jwks),
                web.post("/introspect", self._introspect),
            ]
        )

    @staticmethod
    def public(key: Any, kid: str | None, **more: str) -> dict[str, Any]:
        return {**key.as_dict(private=False), **({} if kid is None else {"kid": kid}), **more}

    async def _metadata(self, request: web.Request) -> web.Response:
        self.requests.append("metadata")
        return web.json_response(self.metadata)

    async def _jwks(self, request: web.Request) -> web.Response:
        self.requests.append("jwks")
        return self.raw or web.json_response({"keys": self.keys})

    async def _introspect(self, request: web.Request) -> web.Response:
        self.requests.append("introspect")
        self.asked = (request.headers.get("Authorization"), dict(await request.post()))
        return self.raw or web.json_response(self.introspection)

    def claims(self, **changes: object) -> dict[str, object]:
        """Return the claims of a good token; None leaves one out."""
        claims = {
            "iss": self.url,
            "aud": "sip:ims.example",
            "sub": "carol",
            "client_id": "wic",
            "iat": int(NOW),
            "exp": int(NOW) + 3600,
            "jti": "token-1",
            "scope": "ims",
            "impi": "carol@ims.example",
            "impu": ["sip:carol@ims.example", "tel:+4930123"],
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, *, header: dict[str, object] | None = None, key: Any = None, **changes: object) -> str:
        """Return a token with these claims; a header field None is left out."""
        fields = {"alg": "ES256", "typ": "at+jwt", "kid": "key-1", **(header or {})}
        fields = {name: value for name, value in fields.items() if value is not None}
        payload = json.dumps(self.claims(**changes))
        return jws.serialize_compact(fields, payload, key or self.key, algorithms=[str(fields["alg"])])


@pytest.fixture
async def issuer(server_tls: ssl.SSLContext) -> AsyncIterator[Issuer]:
    server = WebServer("127.0.0.1", 0, server_tls)
    made = Issuer(server)
    await server.start()
    yield made
    await server.close()


@pytest.fixture
async def make_validator(
    issuer: Issuer, authority: CertificateAuthority
) -> AsyncIterator[Callable[..., TokenValidator]]:
    async with AsyncExitStack() as stack:

        def make(**options: Any) -> TokenValidator:
            settings = {"issuer": issuer.url, "audience": "sip:ims.example", **options}
            validator = TokenValidator([TrustedIssuer(**settings)], ca=authority.certificate_path)
            stack.push_async_callback(validator.close)
            return validator

        yield make


@pytest.fixture
def validator(make_validator: Callable[..., TokenValidator]) -> TokenValidator:
    return make_validator()
