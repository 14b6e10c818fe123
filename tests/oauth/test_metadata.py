"""Authorization server metadata (RFC 8414)."""

from __future__ import annotations

import pytest

from wic.errors import RemoteProtocolError
from wic.oauth.metadata import OAuthEndpoint, metadata_url, read_metadata

WAF = "https://waf.example"
METADATA = {
    "issuer": WAF,
    "authorization_endpoint": f"{WAF}/authorize",
    "token_endpoint": f"{WAF}/token",
    "device_authorization_endpoint": f"{WAF}/device_authorization",
    "introspection_endpoint": f"{WAF}/introspect",
    "revocation_endpoint": f"{WAF}/revoke",
    "end_session_endpoint": f"{WAF}/logout",
    "jwks_uri": f"{WAF}/jwks",
    "code_challenge_methods_supported": ["S256"],
    "authorization_response_iss_parameter_supported": True,
}


def test_the_well_known_path_stands_before_the_path_of_the_issuer() -> None:
    """RFC 8414 §3.1."""
    assert metadata_url("https://a.example") == "https://a.example/.well-known/oauth-authorization-server"
    assert metadata_url("https://a.example/b/c/") == "https://a.example/.well-known/oauth-authorization-server/b/c"


@pytest.mark.parametrize("written", [WAF, f"{WAF}/"])
def test_all_that_metadata_say(written: str) -> None:
    server = read_metadata(METADATA, written)
    assert server.issuer == WAF
    assert {each.value: server.url_of(each) for each in OAuthEndpoint} == {
        name: url for name, url in METADATA.items() if name.endswith(("_endpoint", "_uri"))
    }
    assert server.pkce
    assert server.sends_issuer


def test_the_least_that_metadata_say() -> None:
    server = read_metadata({"issuer": WAF}, WAF)
    assert not any(server.has(each) for each in OAuthEndpoint)
    assert not server.pkce
    assert not server.sends_issuer


@pytest.mark.parametrize("methods", [None, "S256", [], ["plain"]])
def test_pkce_needs_the_method_s256(methods: object) -> None:
    assert not read_metadata(METADATA | {"code_challenge_methods_supported": methods}, WAF).pkce


@pytest.mark.parametrize("named", ["https://other.example", "", None, 7, "https://waf.example.evil", "\x1b[2J"])
def test_metadata_of_another_issuer(named: object) -> None:
    """RFC 8414 §3.3."""
    with pytest.raises(RemoteProtocolError, match="are those of another issuer: ") as refused:
        read_metadata(METADATA | {"issuer": named}, WAF)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "url",
    ["", "/token", "http://waf.example/t", "https://waf.example/\n", f"https://waf.example/{'x' * 3000}", None, 7, []],
    ids=lambda url: str(url)[:30],
)
def test_endpoints_that_cannot_be_used(url: object) -> None:
    server = read_metadata(METADATA | {"token_endpoint": url}, WAF)
    assert not server.has(OAuthEndpoint.TOKEN)
    with pytest.raises(RemoteProtocolError, match="no usable 'token_endpoint'") as refused:
        server.url_of(OAuthEndpoint.TOKEN)
    assert str(refused.value).isprintable()
    assert server.has(OAuthEndpoint.JWKS)  # one bad endpoint takes nothing from the others


def test_endpoints_without_encryption_where_that_is_allowed() -> None:
    document = METADATA | {"token_endpoint": "http://waf.example/token"}
    assert read_metadata(document, WAF, insecure=True).url_of(OAuthEndpoint.TOKEN) == "http://waf.example/token"
