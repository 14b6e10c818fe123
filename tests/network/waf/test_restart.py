"""What survives: keys, refresh tokens, sessions, device codes; and what time takes away."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.network.tokens import TokenValidator, TrustedIssuer
from wic.network.waf import Waf, WafOptions, WafStore

if TYPE_CHECKING:
    from collections.abc import Callable


async def again(waf: Waf, make_waf: Callable[..., object]) -> Waf:
    """Stop a WAF and start it again on its port."""
    port = waf.port
    await waf.close()
    return await make_waf(port=port)  # type: ignore[misc, no-any-return]


async def test_tokens_and_sessions_survive_a_restart(waf: Waf, make_waf, client, clock, authority) -> None:
    tokens = await client.tokens()
    code = await client.code()
    begun = (await client.browser.post("/device_authorization", {"client_id": "wic"})).json
    keys = (await client.browser.get("/jwks")).json
    await again(waf, make_waf)
    assert (await client.browser.get("/jwks")).json == keys
    assert "carol" in (await client.browser.get("/")).text
    assert (await client.redeem(code)).status == 200
    assert (await client.browser.form("/device", user_code=begun["user_code"])).status == 200
    renewed = await client.refresh(tokens["refresh_token"])
    assert renewed.status == 200
    assert (await client.refresh(tokens["refresh_token"])).json["error"] == "invalid_grant"
    validator = TokenValidator(
        [TrustedIssuer(issuer=client.browser.url, audience="sip:ims.example")], ca=authority.certificate_path
    )
    token = Secret(str(tokens["access_token"]))
    assert (await validator.validate(token, now=clock.now)).impi == "carol@ims.example"
    await validator.close()


async def test_what_was_acknowledged_is_on_the_disk(waf: Waf, client) -> None:
    """As after `kill -9`: another process reads the file while the WAF has it open."""
    tokens = await client.tokens()
    with WafStore(waf.options.database) as store:
        assert store.refresh_tokens.find(str(tokens["refresh_token"]), now=waf.options.clock()) is not None


async def test_users_can_be_changed_while_it_runs(waf: Waf, browser) -> None:
    with WafStore(waf.options.database, password_cost=16) as store:
        store.add_user("dave", Secret("dave's"), "dave@ims.example", ["sip:dave@ims.example"])
    assert (await browser.sign_in("dave", "dave's")).status == 303


async def test_keys_are_rotated_while_it_runs(waf: Waf, client, clock) -> None:
    first = (await client.tokens())["access_token"]
    with WafStore(waf.options.database) as store:
        kid = store.rotate_key(now=clock.now)
    keys = (await client.browser.get("/jwks")).json["keys"]
    assert keys[0]["kid"] == kid
    assert len(keys) == 2
    assert all("d" not in key and key["use"] == "sig" and key["alg"] == "ES256" for key in keys)
    assert waf.store.access_tokens.read(str(first)) is not None
    second = (await client.tokens())["access_token"]
    assert waf.store.access_tokens.read(str(second)) is not None
    clock.now += 3600 + 300
    waf.sweep()
    assert [key["kid"] for key in (await client.browser.get("/jwks")).json["keys"]] == [kid]
    assert waf.store.access_tokens.read(str(first)) is None


async def test_a_waf_rotates_its_own_keys(waf: Waf, browser) -> None:
    kid = waf.rotate_keys()
    assert (await browser.get("/jwks")).json["keys"][0]["kid"] == kid


async def test_a_key_signs_for_so_long_and_no_longer(waf: Waf, make_waf, browser, clock) -> None:
    """Who checks signatures may keep the keys for an hour: the next one is shown before it signs."""

    def signing() -> object:
        header = waf.store.keys.sign({}, now=clock.now).partition(".")[0]
        return json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]

    async def shown() -> list[object]:
        waf.sweep()
        return [key["kid"] for key in (await browser.get("/jwks")).json["keys"]]

    begun, first = clock.now, signing()
    clock.now = begun + 90 * 86400 - 7201
    assert await shown() == [first]
    clock.now += 1
    second, *others = await shown()
    assert others == [first]
    assert signing() == first
    clock.now = begun + 90 * 86400
    assert signing() == second
    assert await shown() == [second, first]
    clock.now += 3600 + 300
    assert await shown() == [second]
    clock.now = begun  # set back
    assert signing() == second
    port = waf.port
    await waf.close()
    clock.now = begun + 180 * 86400
    waf = await make_waf(port=port)
    assert len(await shown()) == 2
    assert signing() == second
    clock.now += 7200
    assert signing() != second


async def test_what_is_over_is_removed(waf: Waf, client, clock) -> None:
    tokens = await client.tokens()
    await client.code()
    await client.browser.post("/device_authorization", {"client_id": "wic"})
    clock.now += 700
    assert waf.sweep() == 3  # a code that nobody used with its consent, a device code
    clock.now += 200 * 86400
    assert waf.sweep() > 0
    connection = sqlite3.connect(waf.options.database)
    for table in ("code", "refresh_token", "access_token", "consent", "device", "session"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    connection.close()
    assert (await client.refresh(tokens["refresh_token"])).status == 400


async def test_no_secret_is_in_the_file_as_it_is(waf: Waf, client) -> None:
    waf.store.clients.add("bot", Secret("secret of a machine"), grants=())
    tokens = await client.tokens()
    code = await client.code()
    cookie = next(iter(client.browser.session.cookie_jar)).value
    content = b"".join(path.read_bytes() for path in Path(waf.options.database).parent.glob("waf.sqlite*"))
    for secret in (
        "correct horse",
        "secret of a machine",
        tokens["refresh_token"],
        tokens["access_token"],
        code,
        cookie,
    ):
        assert str(secret).encode() not in content
    assert stat.S_IMODE(os.stat(waf.options.database).st_mode) == 0o600


async def test_metadata_say_what_there_is(waf: Waf, browser) -> None:
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
    other = Waf(WafOptions(database=tmp_path / "other.sqlite", ssl_context=server_tls, port=waf.port), password_cost=16)
    with pytest.raises(ConfigurationError, match="cannot listen"):
        await other.start()
    await other.close()


async def test_a_waf_may_have_a_name(make_waf, tmp_path: Path) -> None:
    waf = await make_waf(database=tmp_path / "named.sqlite", name="localhost")
    assert waf.url == f"https://localhost:{waf.port}"


def test_files_that_are_no_database(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no database, but long enough to be looked at " * 40)
    with pytest.raises(ConfigurationError, match="cannot use"):
        WafStore(tmp_path / "text")
    with pytest.raises(ConfigurationError, match="cannot open"):
        WafStore(tmp_path)
    newer = sqlite3.connect(tmp_path / "newer")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(ConfigurationError, match="newer version"):
        WafStore(tmp_path / "newer")
