"""Test CA of an embedded network, and the certificates that it issues to the servers."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import trustme

from wic.errors import ConfigurationError
from wic.files import replace_file

if TYPE_CHECKING:
    from pathlib import Path

CA_FILE = "ca.pem"
CA_KEY_FILE = "ca.key"


class CertificateAuthority:
    """CA in a directory, so that accounts trust it after a restart as well.

    Args:
        directory: holds `ca.pem` and `ca.key` (mode 0600); both are made if they are missing.

    Raises:
        ConfigurationError: the files exist and cannot be used, or cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        self.certificate_path = directory / CA_FILE
        key_path = directory / CA_KEY_FILE
        try:
            if self.certificate_path.exists() and key_path.exists():
                self._ca = trustme.CA.from_pem(self.certificate_path.read_bytes(), key_path.read_bytes())
            else:
                self._ca = trustme.CA(organization_name="wic test network", organization_unit_name="test CA")
                # The key first: where only one of the two was written, both are made anew.
                replace_file(key_path, self._ca.private_key_pem.bytes())
                replace_file(self.certificate_path, self._ca.cert_pem.bytes(), mode=0o644)  # for clients to trust
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(f"the test CA in {directory} cannot be used: {error}") from error

    def server_context(self, *names: str) -> ssl.SSLContext:
        """Return a TLS context for a server with these host names and addresses.

        Raises:
            ConfigurationError: one of them cannot be in a certificate.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
        try:
            self._ca.issue_cert(*names).configure_cert(context)
        except ValueError as error:  # RFC 5890 §2.3.1: a label that is too long, empty or begins with "_"
            listed = ", ".join(map(repr, names))
            raise ConfigurationError(f"no certificate can name {listed}: {error}") from error
        return context
