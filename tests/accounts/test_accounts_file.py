from __future__ import annotations

import tomllib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.accounts import Account, accounts_file
from wic.accounts.accounts_file import AccountsFile
from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

ALICE = {"server": "wss://127.0.0.1:1/", "impi": "alice@ims.example", "auth": "digest", "password": 'p"w\\ü'}


def test_an_account_is_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    AccountsFile(path).put("alice", ALICE)
    assert tomllib.loads(path.read_text("utf-8")) == {"accounts": {"alice": ALICE}}
    assert AccountsFile(path).get("alice") == ALICE
    assert AccountsFile(path).names() == ["alice"]
    assert path.stat().st_mode & 0o777 == 0o600


@given(st.text(st.characters(codec="utf-8"), max_size=20), st.text(st.characters(codec="utf-8"), max_size=20))
def test_any_name_and_password_can_be_written(tmp_path_factory: pytest.TempPathFactory, name: str, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.unlink(missing_ok=True)
    AccountsFile(path).put(name, {"password": text})
    assert AccountsFile(path).get(name) == {"password": text}


def test_programs_that_write_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    path, names = tmp_path / "accounts.toml", [f"user-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as programs:
        list(programs.map(lambda name: AccountsFile(path).put(name, ALICE), names))
    assert sorted(AccountsFile(path).names()) == sorted(names)


def test_accounts_follow_the_network_to_another_port(tmp_path: Path) -> None:
    file = AccountsFile(tmp_path / "accounts.toml")
    file.put("alice", ALICE)
    file.move("ws://127.0.0.1:2/", domain="ims.example", ca=None, web={})
    assert file.get("alice") == {**ALICE, "server": "ws://127.0.0.1:2/", "insecure": True}
    file.move("wss://127.0.0.1:3/", domain="ims.example", ca="ca.pem", web={"waf": "https://127.0.0.1:4"})
    assert AccountsFile(file.path).get("alice") == {**ALICE, "server": "wss://127.0.0.1:3/", "ca": "ca.pem"}


def test_accounts_follow_the_web_servers_that_they_name(tmp_path: Path) -> None:
    file = AccountsFile(tmp_path / "accounts.toml")
    file.put("carol", {"waf": "https://127.0.0.1:1"})
    file.put("guest", {"wwsf": "https://127.0.0.1:2", "servers": ["wss://127.0.0.1:5/"]})
    web = {"waf": "https://127.0.0.1:4", "wwsf": "https://127.0.0.1:5"}
    file.move("wss://127.0.0.1:3/", domain="ims.example", ca="ca.pem", web=web)
    carol, guest = file.get("carol"), AccountsFile(file.path).get("guest")
    assert carol is not None
    assert guest is not None
    assert (carol["waf"], carol.get("wwsf")) == ("https://127.0.0.1:4", None)
    assert (guest["wwsf"], guest["servers"]) == ("https://127.0.0.1:5", ["wss://127.0.0.1:5/"])


def test_web_users_are_kept_beside_the_accounts(tmp_path: Path) -> None:
    file = AccountsFile(tmp_path / "accounts.toml")
    file.put_web_user("carol", "secret")
    file.put("alice", ALICE)
    again = AccountsFile(file.path)
    assert (again.web_password("carol"), again.web_password("dave")) == ("secret", None)
    assert again.names() == ["alice"]
    with again.changing() as change:
        change.web_users.pop("carol")
    assert AccountsFile(file.path).web_password("carol") is None


def test_accounts_are_removed_by_private_identity(tmp_path: Path) -> None:
    file = AccountsFile(tmp_path / "accounts.toml")
    file.put("alice", ALICE)
    file.put("bob", {"impi": "bob@ims.example"})
    with file.changing() as change:
        change.remove("alice@ims.example")
    assert AccountsFile(file.path).names() == ["bob"]


def test_many_accounts_are_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(accounts_file, "replace_file", lambda path, data: written.append(data))
    file = AccountsFile(tmp_path / "accounts.toml")
    with file.changing() as change:
        for number in range(20):
            change.put(f"user-{number}", ALICE)
        change.put_web_user("carol", "secret")
        assert file.names() == []
    assert len(written) == 1
    assert list(tomllib.loads(written[0].decode())["accounts"]) == [f"user-{number}" for number in range(20)]
    assert (len(file.names()), file.web_password("carol")) == (20, "secret")


def test_an_error_among_many_changes_writes_nothing(tmp_path: Path) -> None:
    file = AccountsFile(tmp_path / "accounts.toml")
    file.put("bob", ALICE)
    before = file.path.read_bytes()

    def fail() -> None:
        with file.changing() as change:
            change.put("alice", ALICE)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (file.path.read_bytes(), file.names()) == (before, ["bob"])


@pytest.mark.parametrize("text", ["no toml", "[accounts]\nalice = 1\n", "accounts = 1\n", "[web_users]\ncarol = 1\n"])
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError):
        AccountsFile(path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="is not UTF-8 text"):
        AccountsFile(path)


def test_a_directory_that_cannot_be_written_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot write"):
        AccountsFile(tmp_path / "missing" / "accounts.toml").put("alice", ALICE)
    assert not (tmp_path / "missing").exists(), "no file in the place of the directory"


def test_a_disk_that_is_full_is_a_configuration_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(accounts_file, "replace_file", fail)
    with pytest.raises(ConfigurationError, match=r"cannot write the accounts file .*: .*No space left"):
        AccountsFile(tmp_path / "accounts.toml").put("alice", ALICE)


def test_changes_of_another_program_stay(tmp_path: Path) -> None:
    here, there = AccountsFile(tmp_path / "accounts.toml"), AccountsFile(tmp_path / "accounts.toml")
    there.put("bob", {"impi": "bob@ims.example"})
    here.put("alice", ALICE)
    assert AccountsFile(tmp_path / "accounts.toml").names() == ["bob", "alice"]


WRITTEN = """\
# The lab's accounts.
title = "lab"

# She speaks first.
[accounts.alice]    # with a password
server = "wss://127.0.0.1:1/"   # moves # at times
impi = "alice@ims.example"
auth = "digest"
password = "p#w"
expires = 600
limits = { calls = 3.5 }
note = '''
[accounts.alice]
server = "no entry"
'''

# He listens.
[accounts.bob]
impi = "bob@ims.example"
servers = [
    "wss://a.example/", # the first
    "wss://b.example/",
]

[accounts.bob.notes]
since = 2026-01-01

[accounts.work]
server = "wss://pcscf.work.example/"
impi = "me@work.example"

# Not for wic.
[[trunks]]
name = "x"
[tool.other]
key = "value\""""


def test_everything_else_in_the_file_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(WRITTEN, "utf-8")
    file = AccountsFile(path)
    file.move("wss://127.0.0.1:9/", domain="ims.example", ca="ca.pem", web={})
    moved = WRITTEN.replace('server = "wss://127.0.0.1:1/"', 'server = "wss://127.0.0.1:9/"')
    moved = moved.replace("'''\n\n# He", "'''\nca = \"ca.pem\"\n\n# He")
    moved = moved.replace(
        "]\n\n[accounts.bob.notes]", ']\nserver = "wss://127.0.0.1:9/"\nca = "ca.pem"\n\n[accounts.bob.notes]'
    )
    assert path.read_text("utf-8") == moved
    file.put("carol", {"auth": "bearer"})
    assert path.read_text("utf-8") == f'{moved}\n\n[accounts.carol]\nauth = "bearer"\n'
    with file.changing() as change:
        change.remove("bob@ims.example")
    text = path.read_text("utf-8")
    assert "bob" not in text
    assert "# He listens.\n[accounts.work]" in text
    assert tomllib.loads(text)["trunks"] == [{"name": "x"}]


def test_a_file_without_changes_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(WRITTEN, "utf-8")
    before = path.stat()
    with AccountsFile(path).changing() as change:
        change.remove("unknown@ims.example")
    assert path.stat() == before


def test_an_account_with_new_credentials_keeps_other_settings(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(WRITTEN, "utf-8")
    file = AccountsFile(path)
    file.put("alice", {"server": "wss://127.0.0.1:1/", "impi": "alice@ims.example", "auth": "aka", "k": "00"})
    entry = tomllib.loads(path.read_text("utf-8"))["accounts"]["alice"]
    assert (entry["auth"], entry["k"], entry["expires"], entry["limits"]) == ("aka", "00", 600, {"calls": 3.5})
    assert "password" not in entry


def test_an_account_of_another_scheme_loses_the_preferences_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text('[accounts.carol]\nauth = "bearer"\nwaf = "https://a"\nbearer_form = "annex-a"\nexpires = 60\n')
    AccountsFile(path).put("carol", {"server": "wss://a/", "waf": "https://b", "auth": "bearer", "token": "t"})
    carol = tomllib.loads(path.read_text())["accounts"]["carol"]
    assert (carol["waf"], carol["bearer_form"], carol["expires"]) == ("https://b", "annex-a", 60)
    entry = {**ALICE, "impu": "sip:alice@ims.example"}
    AccountsFile(path).put("carol", entry)
    assert AccountsFile(path).get("carol") == {**entry, "expires": 60}
    assert Account.load("carol", path).expires == 60


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("accounts = {alice = {auth = 'digest'}}\n", "alice"),
        ("accounts = {alice = {auth = 'digest'}}\n", "bob"),
        ("[accounts]\nalice.auth = 'digest'\n", "alice"),
        ("[accounts.alice]\nauth = 'digest'\n[accounts.alice.password]\nx = 1\n", "alice"),
    ],
)
def test_accounts_without_a_table_of_their_own_are_not_touched(tmp_path: Path, text: str, name: str) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"write each account as a table of its own, \[accounts.NAME\]"):
        AccountsFile(path).put(name, {"auth": "aka"})
    assert path.read_text() == text
