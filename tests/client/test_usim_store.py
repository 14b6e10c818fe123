from __future__ import annotations

import contextlib
import json
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from wic.accounts import AkaSettings, UsimKind
from wic.auth import Secret, SequenceCounter, SynchronisationFailure, make_vector
from wic.client.state import state_directory
from wic.client.usim_store import StoredUsim
from wic.errors import AuthenticationFailed, ConfigurationError, UsimFailed

K = "465b5ce8b199b49faa5f0a2ee238a6bc"
OPC = "cd63cb71954a9f4e48a5994e37a02baf"
IMPI = "alice@ims.example"
RAND = bytes(range(16))


def settings(**changes):
    return AkaSettings(**({"k": Secret(K), "opc": Secret(OPC)} | changes))


def challenge(sqn, **changes):
    vector = make_vector(settings(**changes).functions(), sqn, bytes(2), RAND)
    return vector.rand, vector.autn


def test_a_challenge_is_answered_once_also_after_a_restart(tmp_path):
    sqn = SequenceCounter().next().sqn
    usim = StoredUsim(IMPI, settings(), folder=tmp_path)
    assert len(usim.authenticate(*challenge(sqn)).res) == 8
    for again in (usim, StoredUsim(IMPI, settings(), folder=tmp_path)):
        with pytest.raises(SynchronisationFailure):
            again.authenticate(*challenge(sqn))
    assert again.authenticate(*challenge(SequenceCounter(sqn).next().sqn)).ck


def test_the_file_is_private_and_holds_no_key(tmp_path):
    usim = StoredUsim(IMPI, settings(), folder=tmp_path / "usim")
    usim.authenticate(*challenge(SequenceCounter().next().sqn))
    assert stat.S_IMODE(usim.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(usim.path.parent.stat().st_mode) == 0o700
    everything = usim.path.read_text() + str(usim.path) + repr(usim)
    assert K not in everything
    assert OPC not in everything
    assert json.loads(usim.path.read_text())["version"] == 1
    assert {each.name for each in usim.path.parent.iterdir()} == {usim.path.name, f"{usim.path.name}.lock"}


def test_other_identities_and_keys_have_files_of_their_own(tmp_path):
    other_key = settings(k=Secret("00" * 16))
    paths = {
        StoredUsim(IMPI, settings(), folder=tmp_path).path,
        StoredUsim("bob@ims.example", settings(), folder=tmp_path).path,
        StoredUsim(IMPI, other_key, folder=tmp_path).path,
    }
    assert len(paths) == 3
    assert StoredUsim(IMPI, settings()).path.parent == state_directory() / "usim"


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff", b'{"version": 1, "indices": 32, "seq": {"99": 1}}', b"[" * 9999]
)
def test_a_damaged_file_gets_one_sentence(tmp_path, content):
    usim = StoredUsim(IMPI, settings(), folder=tmp_path)
    usim.path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="is damaged; remove the file") as caught:
        StoredUsim(IMPI, settings(), folder=tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(AuthenticationFailed, match="cannot remember its sequence number"):
        usim.authenticate(*challenge(SequenceCounter().next().sqn))


def test_a_directory_that_cannot_be_used_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="XDG_STATE_HOME"):
        StoredUsim(IMPI, settings(), folder=tmp_path / "file")
    usim = StoredUsim(IMPI, settings(), folder=tmp_path)
    usim.path.mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        StoredUsim(IMPI, settings(), folder=tmp_path)


def test_a_challenge_is_not_answered_without_storage(tmp_path, monkeypatch):
    usim = StoredUsim(IMPI, settings(), folder=tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    sqn = SequenceCounter().next().sqn
    with pytest.raises(AuthenticationFailed, match="No space left"):
        usim.authenticate(*challenge(sqn))
    monkeypatch.undo()
    assert usim.authenticate(*challenge(sqn))


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    usim = StoredUsim(IMPI, settings(), folder=tmp_path)

    def no_locks(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(UsimFailed, match="cannot be locked: No locks available; set \\$XDG_STATE_HOME"):
        usim.authenticate(*challenge(SequenceCounter().next().sqn))
    with pytest.raises(ConfigurationError, match="cannot be locked"):
        StoredUsim(IMPI, settings(), folder=tmp_path)


def test_two_programs_answer_no_challenge_twice(tmp_path):
    """Two objects have a lock each, as two programs would."""
    sqns, counter = [], SequenceCounter()
    for _ in range(20):
        counter = counter.next()
        sqns.append(counter.sqn)
    ready = threading.Barrier(2)

    def answer_all(_):
        usim, answered = StoredUsim(IMPI, settings(), folder=tmp_path), []
        ready.wait()
        for sqn in sqns:
            with contextlib.suppress(SynchronisationFailure):
                usim.authenticate(*challenge(sqn))
                answered.append(sqn)
        return answered

    with ThreadPoolExecutor(2) as programs:
        one, other = programs.map(answer_all, range(2))
    assert sorted(one + other) == sorted(sqns)


def test_tuak(tmp_path):
    tuak = {"usim": UsimKind.TUAK, "k": Secret("ab" * 32), "opc": Secret("cd" * 32)}
    usim = StoredUsim(IMPI, settings(**tuak), folder=tmp_path)
    assert usim.authenticate(*challenge(SequenceCounter().next().sqn, **tuak)).ik


def test_a_wrong_amf_is_named(tmp_path):
    usim = StoredUsim(IMPI, settings(amf="8000"), folder=tmp_path)
    rand, autn = challenge(SequenceCounter().next().sqn)
    broken = autn[:8] + bytes(8)
    with pytest.raises(AuthenticationFailed, match="AMF"):
        usim.authenticate(rand, broken)
