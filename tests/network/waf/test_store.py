"""Database of the WAF: what survives a restart, and what expires."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.network.tokens import TokenValidator, TrustedIssuer
from wic.network.waf import Waf, WafStore
from wic.network.waf.codes import DeviceInput
from wic.network.waf.store import MIGRATIONS
from wic.network.web.browser_session import fingerprint
from wic.network.web.database import WebDatabase

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


async def test_acknowledged_changes_are_on_the_disk(waf: Waf, client) -> None:
    """As after `kill -9`: another process reads the file while the WAF has it open."""
    tokens = await client.tokens()
    with WafStore(waf.options.database) as store:
        assert store.refresh_tokens.find(str(tokens["refresh_token"]), now=waf.options.clock()) is not None


async def test_users_can_be_changed_while_it_runs(waf: Waf, browser) -> None:
    with WafStore(waf.options.database, password_cost=16) as store:
        store.users.add("dave", Secret("dave's"), "dave@ims.example", ["sip:dave@ims.example"])
    assert (await browser.sign_in("dave", "dave's")).status == 303


async def test_expired_rows_are_removed(waf: Waf, client, clock) -> None:
    tokens = await client.tokens()
    await client.code()
    await client.browser.post("/device_authorization", {"client_id": "wic"})
    clock.now += 700
    assert waf.sweep() == 3  # an unused code with its consent, a device code
    clock.now += 200 * 86400
    assert waf.sweep() > 0
    connection = sqlite3.connect(waf.options.database)
    for table in ("code", "refresh_token", "access_token", "consent", "device", "session"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    connection.close()
    assert (await client.refresh(tokens["refresh_token"])).status == 400


async def test_secrets_are_stored_as_hashes(waf: Waf, client) -> None:
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


def test_files_that_hold_no_database(tmp_path: Path) -> None:
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


def test_device_codes_and_sessions_of_an_older_file(tmp_path: Path) -> None:
    old = WebDatabase(tmp_path / "old.sqlite", MIGRATIONS[:2])
    old.change("INSERT INTO user VALUES ('carol', 'scrypt$', 'carol@ims.example', '[]')")
    old.change("INSERT INTO session VALUES (?, 'carol', 100)", fingerprint("id"))
    old.change(
        "INSERT INTO device VALUES (?, 'BBBBBBBB', 'wic', 'ims', 'waiting', NULL, 5, NULL, 100)", fingerprint("device")
    )
    old.close()
    with WafStore(tmp_path / "old.sqlite") as store:
        assert store.sessions.user("id", now=0) == "carol"
        assert store.device_codes.find("BBBBBBBB", now=0) is not None
        assert store.device_codes.decide("BBBBBBBB", "carol", DeviceInput.APPROVE, now=0)
        assert store.device_codes.check("device", "wic", now=0) == ("carol", "ims")
