from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from wic.errors import ConfigurationError
from wic.network.certificates import CertificateAuthority

if TYPE_CHECKING:
    from pathlib import Path


def handshake(server: ssl.SSLContext, ca: Path, name: str) -> list[str]:
    """Run a TLS handshake in memory; return the names in the certificate of the server."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context(cafile=ca).wrap_bio(to_client, to_server, server_hostname=name)
    listener = server.wrap_bio(to_server, to_client, server_side=True)
    sides = [client, listener]
    while sides:
        for side in list(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            sides.remove(side)
    return [each for _, each in (client.getpeercert() or {})["subjectAltName"]]


def test_clients_that_trust_the_ca_accept_the_server(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    names = handshake(authority.server_context("127.0.0.1", "localhost"), authority.certificate_path, "127.0.0.1")
    assert sorted(names) == ["127.0.0.1", "localhost"]


def test_other_names_are_not_accepted(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(authority.server_context("127.0.0.1"), authority.certificate_path, "other.example")


def test_the_ca_is_kept_across_restarts(tmp_path: Path) -> None:
    first = CertificateAuthority(tmp_path)
    before = first.certificate_path.read_bytes()
    second = CertificateAuthority(tmp_path)
    assert second.certificate_path.read_bytes() == before
    handshake(second.server_context("127.0.0.1"), first.certificate_path, "127.0.0.1")


def test_the_key_is_for_the_owner_only(tmp_path: Path) -> None:
    CertificateAuthority(tmp_path)
    assert (tmp_path / "ca.key").stat().st_mode & 0o777 == 0o600


def test_spoilt_files_are_a_configuration_error(tmp_path: Path) -> None:
    CertificateAuthority(tmp_path)
    (tmp_path / "ca.key").write_text("no key")
    with pytest.raises(ConfigurationError, match="test CA"):
        CertificateAuthority(tmp_path)
    with pytest.raises(ConfigurationError):
        CertificateAuthority(tmp_path / "missing")
