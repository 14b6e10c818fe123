"""Values of options that cannot be used: files that are none, and passwords in a wrong place."""

from __future__ import annotations

import os
import re

import pytest


def described(*words: str) -> tuple[str, ...]:
    return ("register", "--server", "wss://127.0.0.1:1/", "--impu", "sip:alice@ims.example", "--once", *words)


@pytest.mark.parametrize("kind", ["pipe", "directory", "/dev/zero"])
@pytest.mark.parametrize(
    "words",
    [
        ("register", "alice", "--once", "--accounts", "FILE"),
        described("--password-file", "FILE"),
        described("--password-file", "SECRET", "--ca", "FILE"),
        described("--auth", "aka", "--set", "k_file=FILE"),
        described("--auth", "bearer", "--set", "token_file=FILE"),
        ("call", "alice", "sip:bob@ims.example", "--accounts", "ACCOUNTS", "--play", "FILE"),
        ("call", "alice", "sip:bob@ims.example", "--accounts", "ACCOUNTS", "--record", "FILE", "--play", "FILE"),
        ("answer", "alice", "--accounts", "ACCOUNTS", "--play", "FILE"),
        ("register", "alice", "--accounts", "ACCOUNTS", "--once", "--pcap", "FILE"),
        ("network", "subscriber", "add", "--dir", "LAB", "--csv", "FILE"),
        ("network", "subscriber", "add", "frida", "--dir", "LAB", "--password-file", "FILE"),
    ],
    ids=" ".join,
)
def test_a_file_that_is_none(lab, wic, complaint, tmp_path, words, kind) -> None:
    """No command waits for the other end of a pipe, or reads a device without an end."""
    if kind == "/dev/zero" and "--pcap" in words:
        kind = "missing/capture"  # a device takes a capture
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "secret").write_text("correct horse\n")
    (tmp_path / "secret").chmod(0o600)
    places = {"FILE": tmp_path / kind, "SECRET": tmp_path / "secret", "ACCOUNTS": lab.accounts, "LAB": lab.directory}
    for name, place in places.items():
        words = tuple(word.replace(name, str(place)) for word in words)
    complaint(wic(*words), code=2)


@pytest.mark.parametrize(
    "url", ["wss://u:hunter2@host:x/", "u:hunter2@host", "wss:/u:hunter2@host", "wss://u:hun/hunter2@host"]
)
@pytest.mark.parametrize(
    "words",
    [
        ("register", "--server", "URL", "--impu", "sip:alice@ims.example"),
        ("register", "--server", "wss://127.0.0.1:1/", "--impu", "URL"),
        ("register", "--server", "wss://127.0.0.1:1/", "--auth", "bearer", "--set", "waf=URL"),
        ("register", "--server", "wss://127.0.0.1:1/", "--auth", "bearer", "--set", "wwsf=URL"),
        ("register", "--server", "wss://127.0.0.1:1/", "--auth", "bearer", "--set", "URL"),
        ("register", "URL", "--accounts", "ACCOUNTS"),
        ("register", "alice", "URL"),
        ("call", "alice", "URL", "--accounts", "ACCOUNTS"),
        ("network", "up", "--core", "URL"),
        ("network", "up", "--peer", "x=URL"),
        ("network", "up", "--origin", "URL"),
        ("network", "up", "--third-party-waf", "URL"),
        ("network", "up", "--domain", "URL"),
        ("network", "up", "--host", "URL"),
        ("network", "up", "--name", "URL"),
        ("network", "subscriber", "add", "URL", "--dir", "LAB"),
        ("network", "subscriber", "add", "frida", "--impu", "URL", "--dir", "LAB"),
    ],
    ids=" ".join,
)
def test_a_password_that_is_typed_in_a_wrong_place_is_not_repeated(lab, wic, words, url) -> None:
    places = {"URL": url, "ACCOUNTS": lab.accounts, "LAB": str(lab.directory)}
    result = wic(*[re.sub("|".join(places), lambda found: places[found[0]], word) for word in words], "--json")
    assert result.exit_code in (1, 2)
    assert "hunter2" not in result.output


@pytest.mark.parametrize("value", ["x" * 5000, "x " * 2500, f"wss://u:{'hunter2' * 60}@{'x' * 700}/"])
@pytest.mark.parametrize(
    "words",
    [
        ("register", "VALUE", "--accounts", "ACCOUNTS"),
        ("register", "alice", "VALUE"),
        ("register", "alice", "--accounts", "VALUE"),
        ("call", "alice", "VALUE", "--accounts", "ACCOUNTS"),
        described("--set", "VALUE"),
        ("network", "up", "--host", "VALUE"),
        ("network", "subscriber", "add", "frida", "--impu", "VALUE", "--dir", "LAB"),
    ],
    ids=" ".join,
)
def test_a_value_of_thousands_of_letters_is_not_repeated_whole(lab, wic, complaint, words, value) -> None:
    places = {"VALUE": value, "ACCOUNTS": lab.accounts, "LAB": lab.directory}
    result = wic(*(places.get(word, word) for word in words))
    assert len(complaint(result, code=2)) < 1000
    assert "hunter2" not in result.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("answer", "alice", "--reject", "486", "--record", "x.wav"), "--record does not go with --reject."),
        (("answer", "alice", "--force"), "--force goes with --record."),
        (("call", "alice", "bob@x", "--force"), "--force goes with --record."),
        (("register", "--server", "wss://x/", "--accounts", "x"), "does not go with --server."),
        (("network", "up", "--insecure", "--guests", "4"), "--guests does not go with --insecure."),
        (("network", "up", "--insecure", "--leases-each", "4"), "--leases-each does not go with --insecure."),
        (("network", "up", "--insecure", "--sign-in-only"), "--sign-in-only does not go with --insecure."),
        (("network", "subscriber", "add", "zoe", "--dir", ".", "--usim", "milenage"), "--usim goes with --auth aka."),
        (("network", "subscriber", "add", "zoe", "--dir", ".", "--pool", "--auth", "aka"), "does not go with --pool."),
        (("network", "subscriber", "add", "--csv", "x", "--dir", ".", "--count", "2"), "not with --csv."),
    ],
)
def test_an_option_without_effect_is_refused(wic, complaint, words, told) -> None:
    """Also with the value that it has by default."""
    assert told in complaint(wic(*words), code=2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("register", "alice", "--for", "1_0"), "write a number of at least 0, not '1_0'."),
        (("register", "alice", "--for", "\u0661\u0660"), "write a number of at least 0, not"),
        (("network", "up", "--guests", "1_0"), "write a whole number from 0 to 1000, not '1_0'."),
        (("call", "alice", "sip:bob@ims.example?Subject=x"), "has header fields, which a call does not take"),
        (("network", "up", "--core", "sip:nohost.invalid"), "The host 'nohost.invalid' is not known."),
    ],
)
def test_a_value_that_cannot_be_meant(wic, complaint, words, told) -> None:
    assert told in complaint(wic(*words), code=2)
