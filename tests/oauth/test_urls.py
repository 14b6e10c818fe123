"""URLs of OAuth servers."""

from __future__ import annotations

import pytest

from wic.oauth.urls import HTTPS_OR_HTTP, add_query, is_usable_url, origin

UNUSABLE = [
    "",
    "/token",
    "waf.example",
    "http://waf.example/t",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "https://",
    "https://u@waf.example/",
    "https://[x",
    "https://a..b/",
    "https://.waf.example/",
    "https://./",
    f"https://{'a' * 64}.example/",
    f"https://{'a.' * 127}example/",
    "https://waf.example:99999/",
    "https://waf.example:port/",
    "https://waf.example:0/",
    "https://waf.example/#f",
    "https://waf.example/\n",
    f"https://waf.example/{'x' * 3000}",
]


@pytest.mark.parametrize("url", UNUSABLE, ids=lambda url: url[:30])
def test_urls_that_cannot_be_used(url: str) -> None:
    assert not is_usable_url(url)


def test_schemes_and_fragments_as_the_caller_says() -> None:
    assert is_usable_url("http://127.0.0.1:8080/token", HTTPS_OR_HTTP)
    assert is_usable_url("https://waf.example./t")
    assert is_usable_url("https://[2001:db8::1]:8443/t")
    assert is_usable_url("wss://pcscf.example/", ("wss",))
    assert not is_usable_url("https://pcscf.example/", ("wss",))
    assert is_usable_url("https://waf.example/#/device", fragment=True)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://waf.example/a?b", "https://waf.example"),
        ("https://WAF.example:443", "https://waf.example"),
        ("https://waf.example:80", "https://waf.example:80"),
        ("http://waf.example:80/", "http://waf.example"),
        ("https://[::1]:9443/x", "https://[::1]:9443"),
    ],
)
def test_origins(url: str, expected: str) -> None:
    assert origin(url) == expected


def test_a_query_is_extended() -> None:
    assert add_query("https://waf.example/a", {"x": "é&"}) == "https://waf.example/a?x=%C3%A9%26"
    assert add_query("https://waf.example/a?b=c", {"x": "1", "y": "2"}) == "https://waf.example/a?b=c&x=1&y=2"
