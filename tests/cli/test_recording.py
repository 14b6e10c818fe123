"""Recordings of calls: which files they may replace, and what is said if they are not complete."""

from __future__ import annotations

import json
import os
import wave
from pathlib import Path

import pytest

from wic.errors import ConfigurationError
from wic_cli.recording import open_recording

PRECIOUS = b"RIFF of yesterday"


def itself(path: Path) -> Path:
    return path


def through_the_folder(path: Path) -> Path:
    return path.parent / ".." / path.parent.name / path.name


def relative(path: Path) -> Path:
    return Path(os.path.relpath(path))


def symbolic_link(path: Path) -> Path:
    link = path.with_name("symbolic.wav")
    link.symlink_to(path)
    return link


def hard_link(path: Path) -> Path:
    link = path.with_name("hard.wav")
    link.hardlink_to(path)
    return link


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("option", ["--play", "--pcap"])
@pytest.mark.parametrize("way", [itself, through_the_folder, relative, symbolic_link, hard_link])
def test_a_file_in_use_is_never_recorded_to(tmp_path, option, force, way) -> None:
    path = tmp_path / "used.wav"
    path.write_bytes(PRECIOUS)
    with pytest.raises(ConfigurationError, match=f"it is the file of {option}"):
        open_recording(way(path), force=force, others={"--other": None, option: path})
    assert path.read_bytes() == PRECIOUS


def test_a_file_that_is_not_there_yet_is_in_use_too(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="it is the file of --pcap"):
        open_recording(tmp_path / "x", force=True, others={"--pcap": tmp_path / "x"})
    open_recording(tmp_path / "x", force=True, others={"--pcap": tmp_path / "y"})


def test_a_file_that_exists_is_replaced_by_force_only(tmp_path) -> None:
    path = tmp_path / "old.wav"
    path.write_bytes(PRECIOUS)
    with pytest.raises(ConfigurationError, match="exists already: name another file, or replace it with --force"):
        open_recording(path, force=False, others={})
    open_recording(path, force=True, others={}).close()
    assert path.read_bytes() == PRECIOUS


@pytest.mark.parametrize("force", [True, False])
def test_a_name_that_cannot_be_looked_up_is_one_sentence(tmp_path, force) -> None:
    with pytest.raises(ConfigurationError, match=r"File name too long\.$"):
        open_recording(tmp_path / f"{'a' * 300}.wav", force=force, others={})


# with calls


@pytest.mark.parametrize("words", [("call", "alice", "bob@ims.example"), ("answer", "alice")])
def test_files_are_refused_before_anything_is_tried(lab, wic, complaint, tmp_path, make_wav, words) -> None:
    played = make_wav(tmp_path / "played.wav", 440)
    before = played.read_bytes()
    common = (*words, "--accounts", lab.accounts, "--record", played)
    assert "exists already" in complaint(wic(*common), code=2)
    assert "it is the file of --play" in complaint(wic(*common, "--play", played, "--force", "--json"), code=2)
    assert played.read_bytes() == before


@pytest.mark.parametrize(("how", "code"), [({"reject": 486}, 1), ({"seconds": 0.5}, 0)])
def test_a_recording_replaces_the_file_by_force_if_the_call_is_answered(
    lab, wic, answering, tmp_path, how, code
) -> None:
    path = tmp_path / "old.wav"
    path.write_bytes(PRECIOUS)
    bob = answering("bob", **how)
    result = wic("call", "alice", "bob@ims.example", "--accounts", lab.accounts, "--record", path, "--force")
    bob.result(10)
    assert result.exit_code == code, result.output
    if code:
        assert path.read_bytes() == PRECIOUS
    else:
        with wave.open(str(path)) as heard:
            assert heard.getnframes() > 0


def test_a_full_disk_is_said(lab, wic, answering, complaint) -> None:
    bob = answering("bob", seconds=0.5)
    words = ("--accounts", lab.accounts, "--record", "/dev/full", "--json")
    result = wic("call", "alice", "bob@ims.example", *words)
    bob.result(10)
    sentence = "/dev/full could not be written in full: No space left on device."
    assert complaint(result, code=1) == sentence
    document = json.loads(result.stdout)
    assert (document["outcome"], document["status"], document["reason"], document["error"]) == (
        "failed", 200, sentence, "OutputFailed",
    )  # fmt: skip


def test_each_answered_call_tells_of_its_own_recording(lab, wic, tmp_path) -> None:
    """The first is recorded; the file of the second has come into being meanwhile, and stays; the call is answered."""
    (tmp_path / "heard-2.wav").write_bytes(PRECIOUS)

    async def twice():
        return await lab.call("alice", "bob"), await lab.call("alice", "bob")

    caller = lab.start(twice())
    words = ("--calls", "2", "--record", tmp_path / "heard.wav", "--json")
    result = wic("answer", "bob", "--accounts", lab.accounts, *words)
    (first, _), (second, _) = caller.result(15)
    assert first.outcome == second.outcome == "completed"
    assert result.exit_code == 1
    good, bad = map(json.loads, result.stdout.splitlines())
    assert (good["outcome"], good["error"]) == ("completed", None)
    assert (bad["outcome"], bad["error"]) == ("failed", "ConfigurationError")
    assert "heard-2.wav exists already" in bad["reason"]
    assert (tmp_path / "heard.wav").stat().st_size > 44
    assert (tmp_path / "heard-2.wav").read_bytes() == PRECIOUS
