from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.errors import ConfigurationError
from wic.network.directory import NetworkDirectory

if TYPE_CHECKING:
    from pathlib import Path


def test_a_directory_belongs_to_one_network_at_a_time(tmp_path: Path) -> None:
    first = NetworkDirectory(tmp_path / "ims")
    with pytest.raises(ConfigurationError, match=r"a network already runs in .*ims: stop it first"):
        NetworkDirectory(tmp_path / "ims")
    first.close()
    NetworkDirectory(tmp_path / "ims").close()


def test_a_temporary_directory_is_removed() -> None:
    directory = NetworkDirectory(None)
    assert directory.path.is_dir()
    directory.close()
    assert not directory.path.exists()


def test_a_file_system_without_locks_is_named_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(ConfigurationError, match=r"cannot use the directory .*: No locks available"):
        NetworkDirectory(tmp_path)
