"""Responses while the database cannot be written."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from wic.auth.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wic.network.waf import Waf
    from wic.network.web.database import WebDatabase
    from wic.network.wwsf import Wwsf

SECRET = "sixteen letters & more: so"
BOT = {"grant_type": "client_credentials", "client_id": "bot", "client_secret": SECRET}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def waf(waf: Waf) -> Waf:
    waf.store.clients.add(
        "bot", Secret(SECRET), grants=("client_credentials",), impi="bot@ims.example", impus=["sip:bot@ims.example"]
    )
    return waf


@contextmanager
def locked(database: WebDatabase, path: Path) -> Iterator[None]:
    """Lock a database as another process would."""
    database.row("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


async def test_a_program_is_asked_to_retry(browser, waf: Waf, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with locked(waf.store.database, tmp_path / "waf.sqlite"):
        answer = await browser.post("/token", BOT)
    assert (answer.status, answer.json["error"]) == (503, "temporarily_unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "waf.sqlite: database is locked" in caplog.text
    assert "sqlite" not in answer.text


async def test_a_user_is_asked_to_retry(browser, waf: Waf, tmp_path: Path) -> None:
    page = await browser.get("/login?continue=/device")
    form = {"csrf": page.field("csrf"), "continue": "/device", "username": "carol", "password": "correct horse"}
    with locked(waf.store.database, tmp_path / "waf.sqlite"):
        answer = await browser.post("/login", form, headers=BROWSER)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert "text/html" in answer.headers["Content-Type"]
    assert "Try again in a few seconds." in answer.text
    assert (await browser.post("/login", form, headers=BROWSER)).status == 303


async def test_no_identity_is_lent(wwsf: Wwsf, open_browser, tmp_path: Path) -> None:
    with locked(wwsf.store.database, tmp_path / "wwsf.sqlite"):
        answer = await open_browser(wwsf.url).post("/pool/lease")
    assert (answer.status, answer.json["error"]) == (503, "temporarily_unavailable")


async def test_a_single_statement_fails_likewise(browser, waf: Waf, tmp_path: Path) -> None:
    with locked(waf.store.database, tmp_path / "waf.sqlite"):
        answer = await browser.post("/device_authorization", {"client_id": "wic"})
    assert (answer.status, answer.json["error"]) == (503, "temporarily_unavailable")
