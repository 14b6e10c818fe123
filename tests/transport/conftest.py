from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trustme

from tests.support.recorder import Recorder
from wic.transport import tls

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def recorder() -> Callable[[], Recorder]:
    return Recorder


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a CA and certificates of 127.0.0.1 (server), of a client, and of another host."""
    directory = tmp_path_factory.mktemp("authority")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(directory / "ca.pem")
    for name, identity in (("server", "127.0.0.1"), ("client", "client.example"), ("other", "other.example")):
        ca.issue_cert(identity).private_key_and_cert_chain_pem.write_to_path(directory / f"{name}.pem")
    return directory


@pytest.fixture(scope="session")
def server_tls(authority: Path) -> ssl.SSLContext:
    return tls.server_context(certificate=authority / "server.pem")


@pytest.fixture(scope="session")
def client_tls(authority: Path) -> ssl.SSLContext:
    return tls.client_context(ca=authority / "ca.pem")
