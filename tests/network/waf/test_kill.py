"""A WAF that is killed has lost nothing of what it had answered."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

from wic.auth.secret import Secret
from wic.network.waf import Waf, WafStore

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
    async with Waf(WafOptions(database=directory / "waf.sqlite", ssl_context=context), password_cost=16) as waf:
        print(waf.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
"""


async def test_a_killed_waf_goes_on(
    tmp_path: Path, authority: CertificateAuthority, open_browser, native, make_waf: Callable[..., Awaitable[Waf]]
) -> None:
    with WafStore(tmp_path / "waf.sqlite", password_cost=16) as store:
        store.add_user("carol", Secret("correct horse"), "carol@ims.example", ["sip:carol@ims.example"])
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
