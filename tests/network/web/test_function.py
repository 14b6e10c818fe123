"""How WAF and WWSF begin, keep clean and end."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import pytest

from wic.errors import ConfigurationError, StorageFailed
from wic.network.waf import Waf, WafOptions
from wic.network.web import function

if TYPE_CHECKING:
    import ssl
    from pathlib import Path


def make(directory: Path, context: ssl.SSLContext, *, port: int = 0) -> Waf:
    return Waf(WafOptions(database=directory / "one.sqlite", ssl_context=context, port=port), password_cost=16)


async def test_a_start_that_fails_leaves_nothing_open(waf: Waf, tmp_path: Path, server_tls: ssl.SSLContext) -> None:
    other = make(tmp_path, server_tls, port=waf.port)
    with pytest.raises(ConfigurationError, match="cannot listen"):
        async with other:
            pass
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        other.sweep()


async def test_a_database_that_is_locked_is_cleaned_later(
    tmp_path: Path, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes, cleaned = iter([StorageFailed("database is locked"), None]), asyncio.Event()

    def sweep(self: Waf) -> int:
        if (error := next(outcomes, None)) is not None:
            raise error
        cleaned.set()
        return 0

    monkeypatch.setattr(function, "SWEEP", 0.0)
    monkeypatch.setattr(Waf, "sweep", sweep)
    async with make(tmp_path, server_tls):
        await cleaned.wait()
    assert "what is over stays for now: database is locked" in caplog.text
