from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from wic.accounts.reader import AccountTable, default_path, near_names, read_account, read_secret_file
from wic.auth import Secret
from wic.errors import ConfigurationError


@pytest.fixture
def write_file(tmp_path: Path):
    def write(text: str | bytes, name: str = "accounts.toml", mode: int = 0o600) -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def read_table(tmp_path: Path, digest_settings):
    """Read the table of an account with a password and some changes."""
    return lambda **changes: AccountTable("x", digest_settings(**changes), folder=tmp_path)


def test_the_default_file_is_in_the_configuration_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WIC_ACCOUNTS", "~/mine.toml")
    assert default_path() == Path.home() / "mine.toml"
    monkeypatch.delenv("WIC_ACCOUNTS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert default_path() == tmp_path / "config" / "wic" / "accounts.toml"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("APPDATA", raising=False)
    assert default_path() == Path.home() / ".config" / "wic" / "accounts.toml"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("accounts = 5", "must be a table"),
        ("[accounts]\nalice = 5", "must be a table"),
        ("[accounts.bob]\n[accounts.carol]", "it has: bob, carol"),
        ("", "it has: none"),
        ("[account.alice]\n[accounts.bob]", r"it has \[account\.alice\]: write \[accounts\.alice\]\.$"),
        ("[Accounts.alice]", r"it has \[Accounts\.alice\]: write \[accounts\.alice\]\.$"),
        ("[alice]\nimpi = 'a'", r"it has \[alice\]: write \[accounts\.alice\]\.$"),
        ("[accounts]\nimpi = 'a'", r"settings below \[accounts\]: write \[accounts\.alice\] above them\.$"),
        ("[accounts.bob]\n[web_users.alice]\n", r"it has: bob\.$"),
        ("[[accounts]]\nname = 'alice'", r"write \[accounts\.NAME\]\.$"),
        ("[accounts", "not valid TOML"),
    ],
)
def test_a_file_without_the_account_is_refused(write_file, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        read_account(write_file(text), "alice")


@pytest.mark.parametrize("text", ["[accounts.alice.home]", "[accounts]\nalice.home.impi = 'a'"])
def test_a_name_with_a_dot_needs_quotes(write_file, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r'a dot separates: write \[accounts\."alice\.home"\]\.$'):
        read_account(write_file(text), "alice.home")


def test_a_fleet_parses_its_file_once(write_file, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the file changes, in any way; one that was just written is read each time."""
    parsed: list[str] = []
    loads = tomllib.loads
    monkeypatch.setattr("wic.accounts.reader.tomllib.loads", lambda text: parsed.append(text) or loads(text))
    text = "".join(f"[accounts.user{number}]\nimpi = 'a'\n" for number in range(100))
    file = write_file(text)
    monkeypatch.setattr("wic.accounts.reader._SETTLED", -1)
    for number in range(100):
        assert read_account(file, f"user{number}").text("impi") == "a"
    assert len(parsed) == 1
    write_file(text.replace("'a'", "'b'"), "other.toml").replace(file)  # of the same size
    assert read_account(file, "user7").text("impi") == "b"
    assert len(parsed) == 2
    monkeypatch.setattr("wic.accounts.reader._SETTLED", 1 << 62)
    for value in "cde":
        file.write_text(text.replace("'a'", f"'{value}'"))
        assert read_account(file, "user7").text("impi") == value


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, write_file) -> None:
    with pytest.raises(ConfigurationError, match="There is no accounts file"):
        read_account(tmp_path / "none.toml", "alice")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_account(tmp_path, "alice")
    with pytest.raises(ConfigurationError, match="is not UTF-8 text"):
        read_account(write_file(b"\xff\xfe"), "alice")


def test_a_readable_file_with_a_secret_gets_a_warning(write_file, caplog: pytest.LogCaptureFixture) -> None:
    read_account(write_file('[accounts.alice]\npassword = "sesame"\n', mode=0o600), "alice")
    read_account(write_file('[accounts.alice]\npassword_file = "secret"\n', mode=0o640), "alice")
    assert not caplog.records
    read_account(write_file('[accounts.alice]\npassword = "sesame"\n', mode=0o640), "alice")
    assert "chmod 600" in caplog.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"auth": "magic"}, '\'auth\' must be "digest", "aka" or "bearer", not \'magic\''),
        ({"auth": ["aka"]}, "'auth' must be a text"),
        ({"colour": "red"}, r"unknown settings: colour\.$"),
        ({"pasword": "x", "colour": "red"}, r"unknown settings: colour, pasword \(did you mean 'password'\?\)\.$"),
        ({"k": "00", "opc": "00"}, 'auth = "digest", but k, opc is for auth = "aka"'),
        ({"auth": "aka", "password": "x"}, 'auth = "aka", but password is for auth = "digest"'),
        ({"auth": "aka", "token": "x"}, 'token is for auth = "bearer"'),
    ],
)
def test_keys_that_do_not_belong_there_are_refused(read_table, changes, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_table(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("read", "key", "value", "words"),
    [
        (AccountTable.text, "impi", 5, "'impi' must be a text"),
        (AccountTable.number, "expires", "soon", "'expires' must be a number"),
        (AccountTable.number, "expires", True, "'expires' must be a number"),
        (AccountTable.flag, "insecure", "yes", r"'insecure' must be a boolean \(true or false\)"),
        (AccountTable.texts, "servers", "wss://h/", "'servers' must be a list of texts"),
        (AccountTable.texts, "servers", [""], "'servers' must be a list of texts"),
        (AccountTable.file, "ca", 5, "'ca' must be a text"),
    ],
)
def test_a_value_of_another_kind_is_refused(read_table, read, key: str, value, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        read(read_table(**{key: value}), key)


def test_a_missing_value_has_the_default_of_the_schema(read_table) -> None:
    table = read_table()
    assert (table.number("expires"), table.flag("insecure"), table.texts("impus")) == (600_000, False, ())
    assert (table.choice("usim"), table.text("scope"), table.file("ca")) == ("milenage", "ims", None)
    assert table.texts("accept")[0] == "AKAv2-SHA-512-256"


@pytest.mark.parametrize(
    ("auth", "key", "default"),
    [
        ("digest", "auth", "digest"),
        ("aka", "usim", "milenage"),
        ("bearer", "bearer_form", "rfc8898"),
        ("bearer", "bearer_in", "all"),
        ("bearer", "pool", ""),
    ],
)
def test_an_empty_choice_counts_as_missing(read_table, auth: str, key: str, default: str) -> None:
    assert read_table(password=None, **{"auth": auth, key: ""}).choice(key) == default


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "a", "password_env": "B"}, "more than one of password, password_env"),
        ({"password": ""}, "must be a text that is not empty"),
        ({"password_file": 7}, "must be a text that is not empty"),
        ({"password_env": "WIC_TEST_NOT_SET"}, "which is not set"),
        ({"password_file": "none"}, "cannot be read"),
    ],
)
def test_a_secret_without_a_value_is_refused(read_table, changes, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        read_table(**changes).secret("password")


def test_a_secret_comes_from_a_file(read_table, write_file, caplog: pytest.LogCaptureFixture) -> None:
    file = write_file("sesame\r\nand more\n", "secret")
    assert read_table(password_file="secret").secret("password") == Secret("sesame")
    assert not caplog.records
    file.chmod(0o644)
    read_table(password_file=str(file)).secret("password")
    assert "chmod 600" in caplog.text
    assert "sesame" not in caplog.text


def test_a_secret_comes_from_the_environment(read_table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIC_TEST_PASSWORD", "sesame")
    assert read_table(password_env="WIC_TEST_PASSWORD").secret("password") == Secret("sesame")


@pytest.mark.parametrize(
    ("content", "words"), [(b"\n", "empty first line"), (b"\xff\n", "not UTF-8"), (b"x" * 16_385, "more than")]
)
def test_a_file_without_a_secret_is_refused(write_file, content: bytes, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        read_secret_file(write_file(content, "secret"))


def test_a_misspelt_key_is_named_with_its_line(write_file) -> None:
    text = """
[accounts.'al ice']
pasword = "x"

[accounts."alice"]  # pasword
server = "wss://x/"
"pasword" = "x"
nested.colour = "red"

[accounts.bob]
pasword = "x"

[accounts]
carol = { pasword = "x" }
"""
    told = {
        "al ice": r"pasword \(line 3, ",
        "alice": r"nested \(line 8\), pasword \(line 7, ",
        "bob": r"pasword \(line 11, ",
    }
    file = write_file(text, mode=0o600)
    for name, words in {**told, "carol": r"pasword \("}.items():
        with pytest.raises(ConfigurationError, match=rf"unknown settings: {words}"):
            read_account(file, name)


@pytest.mark.parametrize(
    ("wanted", "known", "told"),
    [
        ("alice", [], "it has: none."),
        ("alice", ["carol", "bob"], "it has: bob, carol."),
        ("usr7", [f"user{n}" for n in range(800)], "did you mean user7 or user97 or user87?"),
        ("alice", [f"user{n}" for n in range(800)], "it has 800, such as user0, user1, user10."),
    ],
)
def test_an_unknown_name_gets_a_list_that_can_be_read(wanted, known, told) -> None:
    assert near_names(wanted, known) == told


@pytest.mark.parametrize("name", ["/dev/null", "pipe"])
def test_only_a_file_is_to_be_kept_from_other_users(tmp_path, caplog, name):
    os.mkfifo(tmp_path / "pipe", 0o644)
    with pytest.raises(ConfigurationError, match="has an empty first line"):
        read_secret_file(tmp_path / name)  # which an absolute path replaces
    assert caplog.text == ""
