from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.errors import ConfigurationError
from wic.network.directory import NetworkDirectory, Ports

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


def test_ports_are_read_as_they_were_stored(tmp_path: Path) -> None:
    Ports.from_base(5000).remember(tmp_path)
    assert Ports.remembered(tmp_path) == Ports(5000, 5001, 5002, 5003, 5004, 5005)


def test_ports_of_an_older_version_have_free_ones_for_the_rest(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text('{"wss": 1, "epcscf": 2, "scscf": 3, "msrp": 4}')
    assert Ports.remembered(tmp_path) == Ports(1, 2, 3, 4)


@pytest.mark.parametrize(
    "text", ['{"wss": "x"}', "[]", "{", '{"wss": 1, "epcscf": 2, "scscf": -3, "msrp": 4}', '{"wss": 65536}']
)
def test_a_spoilt_file_of_ports_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / "ports.json").write_text(text)
    assert Ports.remembered(tmp_path) == Ports()


def test_ports_that_cannot_be_stored_are_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot write"):
        Ports().remember(tmp_path / "missing")
