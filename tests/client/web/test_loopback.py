"""Redirection endpoint on loopback, and the requests that reach it."""

from __future__ import annotations

import asyncio
import gc
from urllib.parse import urlsplit

import aiohttp
import pytest

from wic.auth import Secret
from wic.client.web.loopback import LoopbackRedirect
from wic.errors import SignInFailed

WAF = "https://waf.ims.example"
STATE = Secret("the state")


async def request(uri: str, *pairs: tuple[str, str]) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(uri, params=pairs) as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        return response.status, await response.text()


async def redirected(*pairs: tuple[str, str], sends_issuer: bool = True) -> tuple[int, str, Secret]:
    async with await LoopbackRedirect.open(state=STATE, issuer=WAF, sends_issuer=sends_issuer) as redirect:
        status, text = await request(redirect.uri, *pairs)
        return status, text, await redirect.code()


async def test_the_code_arrives() -> None:
    status, text, code = await redirected(("state", "the state"), ("iss", WAF), ("code", "abc"))
    assert (status, code) == (200, Secret("abc"))
    assert "You can close this window" in text
    assert "abc" not in text


async def test_it_listens_on_loopback_only() -> None:
    async with await LoopbackRedirect.open(state=STATE, issuer=WAF) as redirect:
        assert urlsplit(redirect.uri).hostname == "127.0.0.1"
        assert urlsplit(redirect.uri).path == "/callback"


async def test_a_server_without_rfc_9207_sends_no_issuer() -> None:
    assert (await redirected(("state", "the state"), ("code", "abc"), sends_issuer=False))[2] == Secret("abc")


@pytest.mark.parametrize("pairs", [(), (("state", "guess"), ("code", "evil")), (("code", "evil"), ("state", "é"))])
async def test_requests_with_another_state_change_nothing(pairs: tuple[tuple[str, str], ...]) -> None:
    async with await LoopbackRedirect.open(state=STATE, issuer=WAF) as redirect:
        status, text = await request(redirect.uri, *pairs)
        assert status == 400
        assert "evil" not in text
        await request(redirect.uri, ("state", "the state"), ("code", "good"), ("iss", WAF))
        assert await redirect.code() == Secret("good")
        assert (await request(redirect.uri, ("state", "the state"), ("code", "late"), ("iss", WAF)))[0] == 400
        assert await redirect.code() == Secret("good")


@pytest.mark.parametrize(
    ("pairs", "sentence", "error"),
    [
        ((("error", "access_denied"), ("iss", WAF)), "did not sign the user in: access_denied", "access_denied"),
        ((("error", "x"), ("error_description", "Too late"), ("iss", WAF)), "did not sign the user in: Too late", "x"),
        ((("error", "\x1b[2J"), ("iss", WAF)), "did not sign the user in: ", None),
        ((("code", "abc"), ("iss", "https://evil.example")), "another server", None),
        ((("code", "abc"),), "another server", None),
        ((("iss", WAF),), "without a code", None),
        ((("code", "a"), ("code", "b"), ("iss", WAF)), "a parameter twice", None),
    ],
)
async def test_answers_that_end_a_sign_in(pairs: tuple[tuple[str, str], ...], sentence: str, error: str | None) -> None:
    async with await LoopbackRedirect.open(state=STATE, issuer=WAF, sends_issuer=True) as redirect:
        status, text = await request(redirect.uri, ("state", "the state"), *pairs)
        assert (status, "Not signed in" in text) == (200, True)
        with pytest.raises(SignInFailed) as refused:
            await redirect.code()
    assert sentence in str(refused.value)
    assert str(refused.value).isprintable()
    assert refused.value.error == error


async def test_an_error_without_a_waiting_caller_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with await LoopbackRedirect.open(state=STATE, issuer=WAF) as redirect:
        await request(redirect.uri, ("state", "the state"), ("error", "x"))
    del redirect
    gc.collect()
    assert caplog.text == ""


async def test_other_paths_and_methods_are_not_served(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with await LoopbackRedirect.open(state=STATE, issuer=WAF) as redirect, aiohttp.ClientSession() as session:
        async with session.get(redirect.uri.replace("/callback", "/")) as response:
            assert response.status == 404
        async with session.post(redirect.uri) as response:
            assert response.status == 405
        await request(redirect.uri, ("state", "the state"), ("code", "hush"), ("iss", WAF))
    assert "hush" not in caplog.text


@pytest.mark.parametrize("target", ["/callback?code=secret&" + "x=1&" * 3000, "http://[::1/callback?code=secret"])
async def test_a_broken_request_leaves_nothing_in_the_log(caplog: pytest.LogCaptureFixture, target: str) -> None:
    """A terminal would show it, with the code."""
    async with await LoopbackRedirect.open(state=STATE, issuer=WAF) as redirect:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(redirect.uri).port)
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert b" 400 " in await reader.readline()
        writer.close()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_closed_endpoint_does_not_listen() -> None:
    async with await LoopbackRedirect.open(state=STATE, issuer=WAF) as redirect:
        address = urlsplit(redirect.uri)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(address.hostname, address.port)
