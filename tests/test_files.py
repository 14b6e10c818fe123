from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wic.files import open_to_write, read_file, replace_file, write_all


def test_a_file_is_replaced_with_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a"
    replace_file(path, b"one", mode=0o644)
    replace_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_failure_leaves_the_old_file_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    replace_file(path, b"one")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, b"two")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_the_draft_of_a_killed_writer_is_used_again(tmp_path: Path) -> None:
    """Accounts hold secrets: those of a draft must not stay on the disk, one more with each crash."""
    path = tmp_path / "a"
    killed = (
        "import os; os.fsync = lambda _: os._exit(9); replace_file(Path({!r}), b'longer than the last one', mode=0o644)"
    )
    program = f"from pathlib import Path; from wic.files import replace_file; {killed.format(str(path))}"
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", program], timeout=30, check=False).returncode == 9
    assert len(list(tmp_path.iterdir())) == 1, "one draft"
    replace_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_draft_of_another_user_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command under sudo that was killed must not keep its user from writing ever after."""
    path, user = tmp_path / "a", os.geteuid()
    with monkeypatch.context() as context:
        context.setattr("os.geteuid", lambda: user + 1)
        context.setattr(Path, "replace", lambda draft, _: draft.rename(tmp_path / draft.name))
        replace_file(path, b"of another user")
    (left,) = tmp_path.iterdir()
    replace_file(path, b"own")
    assert path.read_bytes() == b"own"
    assert left.read_bytes() == b"of another user"


def test_writers_do_not_mix_their_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, contents = tmp_path / "a", [bytes([number]) * 4096 for number in range(8)]
    placed: list[bytes] = []
    replace = Path.replace

    def noted(draft: Path, target: Path) -> None:
        placed.append(draft.read_bytes())
        replace(draft, target)

    monkeypatch.setattr(Path, "replace", noted)
    with ThreadPoolExecutor(len(contents)) as threads:
        list(threads.map(lambda data: replace_file(path, data), contents))
    assert sorted(placed) == contents
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """Return a pipe with no program at its other end."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_pipe_without_a_program_at_its_other_end_is_not_waited_for(pipe: Path) -> None:
    assert read_file(pipe) == b""
    with pytest.raises(OSError, match="No such device or address"):
        open_to_write(pipe, replace=True)


def test_a_pipe_is_read_to_its_end() -> None:
    reading, writing = os.pipe()

    def write() -> None:
        for _ in range(100):
            os.write(writing, bytes(5000))
        os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    assert len(read_file(Path(f"/dev/fd/{reading}"))) == 500_000
    writer.join()
    os.close(reading)


def test_a_reader_that_is_too_slow_ends_what_is_written_and_holds_nothing_up(pipe: Path) -> None:
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with open_to_write(pipe, replace=True) as file:
        with pytest.raises(OSError, match="its reader is too slow"):
            write_all(file, bytes(5_000_000))  # a part of it
        with pytest.raises(OSError, match="its reader is too slow"):
            write_all(file, bytes(5))  # nothing
    os.close(reading)


def test_what_has_no_end_is_not_read_for_ever() -> None:
    with pytest.raises(OSError, match="it has more than 1000 octets"):
        read_file(Path("/dev/zero"), most=1000)


def test_a_directory_is_no_file_and_takes_no_descriptor(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)
    with pytest.raises(IsADirectoryError):
        open_to_write(tmp_path, replace=True)
    assert os.listdir("/proc/self/fd") == before
