"""WAF as a server: metadata, address, and the end of its process."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import pytest

from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.network.waf import Waf, WafOptions, WafStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from wic.network.certificates import CertificateAuthority


PROGRAM = """
import asyncio, sys
from pathlib import Path
from wic.network.certificates import CertificateAuthority
from wic.network.waf import Waf, WafOptions

async def main(directory, authority):
    context = CertificateAuthority(authority).server_context("127.0.0.1")
    async with await Waf.open(WafOptions(database=directory / "waf.sqlite", ssl_context=context), password_cost=16) as waf:
        print(waf.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
"""


async def test_a_killed_waf_loses_nothing_that_it_had_answered(
    tmp_path: Path, authority: CertificateAuthority, open_browser, native, make_waf: Callable[..., Awaitable[Waf]]
) -> None:
    with WafStore(tmp_path / "waf.sqlite", password_cost=16) as store:
        store.users.add("carol", Secret("correct horse"), "carol@ims.example", ["sip:carol@ims.example"])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        str(tmp_path),
        str(authority.certificate_path.parent),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    browser = open_browser(url)
    await browser.sign_in()
    client = native(browser)
    tokens = await client.tokens()
    keys = (await browser.get("/jwks")).json
    process.kill()
    await process.wait()
    waf = await make_waf(port=int(url.rpartition(":")[2]), clock=time.time)
    assert (await browser.get("/jwks")).json == keys
    assert (await browser.get("/")).status == 200
    assert (await client.refresh(tokens["refresh_token"])).status == 200
    assert waf.url == url


async def test_metadata(waf: Waf, browser) -> None:
    answer = await browser.get("/.well-known/oauth-authorization-server")
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    said = answer.json
    assert said["issuer"] == waf.url
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert said["response_types_supported"] == ["code"]
    assert said["authorization_response_iss_parameter_supported"] is True
    assert "password" not in said["grant_types_supported"]
    for name, url in said.items():
        if name.endswith(("_endpoint", "_uri")):
            assert url.startswith(f"{waf.url}/")


async def test_a_port_that_is_taken(waf: Waf, tmp_path: Path, server_tls) -> None:
    options = WafOptions(database=tmp_path / "other.sqlite", ssl_context=server_tls, port=waf.port)
    with pytest.raises(ConfigurationError, match="is taken; choose another one"):
        await Waf.open(options, password_cost=16)


async def test_a_waf_may_have_a_name(make_waf, tmp_path: Path) -> None:
    waf = await make_waf(database=tmp_path / "named.sqlite", name="localhost")
    assert waf.url == f"https://localhost:{waf.port}"
