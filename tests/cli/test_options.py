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
