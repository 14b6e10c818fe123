"""Store of access tokens on the disk."""

from __future__ import annotations

import json
import logging
import stat
from typing import TYPE_CHECKING

import pytest

from wic.auth import Secret
from wic.client.web.store import StoreKey, TokenStore
from wic.errors import ConfigurationError
from wic.oauth.tokens import AccessToken

if TYPE_CHECKING:
    from pathlib import Path

KEY = StoreKey("https://waf.ims.example", "wic", "carol")
TOKEN = AccessToken(
    value=Secret("sesame"),
    issuer=KEY.server,
    expires_at=1234.5,
    scope="ims",
    impi="carol@ims.example",
    impus=("sip:carol@ims.example",),
    server="wss://pcscf.ims.example/",
    refresh=Secret("open-it"),
)


def file_of(store: TokenStore) -> Path:
    (path,) = store._directory.glob("*.json")
    return path


def test_a_token_is_stored_and_removed(store: TokenStore) -> None:
    assert store.load(KEY) is None
    store.save(KEY, TOKEN)
    assert store.load(KEY) == TOKEN
    bare = AccessToken(value=Secret("x"), issuer=KEY.server)
    store.save(KEY, bare)
    assert store.load(KEY) == bare
    store.remove(KEY)
    store.remove(KEY)
    assert store.load(KEY) is None


def test_the_file_is_readable_by_its_owner_alone(store: TokenStore) -> None:
    store.save(KEY, TOKEN)
    assert stat.S_IMODE(file_of(store).stat().st_mode) == 0o600
    assert stat.S_IMODE(file_of(store).parent.stat().st_mode) == 0o700


def test_tokens_belong_to_server_client_and_account(store: TokenStore) -> None:
    store.save(KEY, TOKEN)
    assert store.load(StoreKey("https://waf.ims.example/", "wic", "carol")) == TOKEN
    for other in (
        StoreKey("https://other.example", "wic", "carol"),
        StoreKey(KEY.server, "bot", "carol"),
        StoreKey(KEY.server, "wic", "../carol"),
        StoreKey(KEY.server, "wiccarol", ""),
    ):
        assert store.load(other) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'"a"', b"\xff", b"[" * 70_000, b"{}", b'{"version": 2}', b'{"version": 1}']
    + [
        json.dumps(
            {"version": 1, "issuer": "", "access_token": "a", "refresh_token": None, "expires_at": None,
             "scope": "", "impi": "", "impus": [], "server": ""} | wrong
        ).encode()
        for wrong in ({"access_token": 1}, {"refresh_token": []}, {"expires_at": "x"}, {"impus": 7}, {"impus": [1]})
    ],
    ids=lambda content: content[:12].decode("ascii", "replace") + str(len(content)),
)  # fmt: skip
def test_a_damaged_file_counts_as_empty(store: TokenStore, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    store.save(KEY, TOKEN)
    file_of(store).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert store.load(KEY) is None
    assert "damaged" in caplog.text


def test_files_that_cannot_be_read_or_removed(store: TokenStore) -> None:
    store.save(KEY, TOKEN)
    path = file_of(store)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        store.load(KEY)
    with pytest.raises(ConfigurationError, match="cannot be removed"):
        store.remove(KEY)


def test_the_default_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    TokenStore().save(KEY, TOKEN)
    assert [each.parent for each in tmp_path.rglob("*.json")] == [tmp_path / "wic" / "tokens"]
