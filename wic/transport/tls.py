"""TLS: contexts with safe defaults, failures in words, and a connection between bytes and bytes.

asyncio's own TLS keeps a read buffer of 256 kB for each connection, which is most of what a registered
client costs. `TlsPipe` is the same OpenSSL over `ssl.MemoryBIO` without that buffer, and it can half-close.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from wic.errors import ConfigurationError, ConnectFailed
from wic.files import read_file

_UNTRUSTED = "its certificate is not trusted; set 'ca' in the account, or pass the CA with --ca FILE beside --server"
# From OpenSSL's x509_vfy.h; Python names only the number.
_CERTIFICATE_FAULTS = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is self-signed and not trusted; if it is right, pass it with --ca FILE, or set 'ca' in the account",
    19: _UNTRUSTED,
    20: _UNTRUSTED,
    21: _UNTRUSTED,
    23: "its certificate has been revoked",
    62: "its certificate is for another host name",
    64: "its certificate is for another address",
}
_NOT_TLS = {  # OpenSSL reads the first octets of a plain answer as the header of a record
    "WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE",
}  # fmt: skip

# One TLS record (RFC 8446 §5.1), so that a read never allocates more than a record can hold.
_RECORD = 16 * 1024


class _Stamped(NamedTuple):
    """A file as it was at one time."""

    path: str  # and no Path, whose hash each account would compute anew
    changed: int


def client_context(*, ca: Path | None = None) -> ssl.SSLContext:
    """Return the context of a TLS client.

    Building one costs milliseconds and a megabyte, so the same file gives the same context, as long as it does not
    change. A caller must not change it.

    Args:
        ca: a PEM file of further trust anchors, besides the system's.

    Raises:
        ConfigurationError: the file cannot be read or is not what it should be.
    """
    return _client_context(_stamped(ca))


@lru_cache(maxsize=32)
def _client_context(ca: _Stamped | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    # TS 33.310 Annex E, RFC 8996: nothing below TLS 1.2.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is not None:
        _load_anchors(context, ca.path)
    return context


def server_context(*, certificate: Path, key: Path | None = None) -> ssl.SSLContext:
    """Build the context of a TLS server.

    Args:
        certificate: a PEM file with the server's certificate chain.
        key: its private key, where that is in another file.

    Raises:
        ConfigurationError: a file cannot be read or is not what it should be.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # as for a client
    context.options |= ssl.OP_NO_RENEGOTIATION  # a client could make the server compute without end
    _load_certificate(context, certificate, key)
    return context


def explain(error: ssl.SSLError) -> str:
    """Name the cause for which a TLS handshake failed, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE_FAULTS.get(error.verify_code, f"its certificate is refused: {error.verify_message}")
    if error.reason in _NOT_TLS:
        return "it does not speak TLS"
    if error.reason and "ALERT" in error.reason:
        return f"it refused the TLS handshake: {_phrase(error.reason.partition('ALERT_')[2])}"
    return f"TLS failed: {_phrase(error.reason or 'unknown error')}"


def _stamped(path: Path | None) -> _Stamped | None:
    if path is None:
        return None
    try:
        name = str(path)
        return _Stamped(name, os.stat(name).st_mtime_ns)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from None


def _phrase(name: str) -> str:
    return name.replace("_", " ").lower()


def _load_anchors(context: ssl.SSLContext, path: str) -> None:
    try:
        context.load_verify_locations(cadata=read_file(Path(path)).decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError):  # ValueError: nothing is in it
        raise ConfigurationError(f"{path} does not hold PEM certificates.") from None
    except OSError as error:
        raise ConfigurationError(f"The CA file {path} cannot be read: {error.strerror}.") from None


def _load_certificate(context: ssl.SSLContext, certificate: Path | str, key: Path | str | None) -> None:
    for each in (certificate, key or certificate):
        if os.path.exists(each) and not os.path.isfile(each):  # OpenSSL would wait for the writer of a pipe
            raise ConfigurationError(f"{each} is not a file.")
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError:
        raise ConfigurationError(f"{certificate} does not hold a PEM certificate with its private key.") from None
    except OSError as error:
        raise ConfigurationError(
            f"The certificate {certificate} or its key cannot be read: {error.strerror}."
        ) from None


class TlsPipe:
    """One end of a TLS connection, without a socket.

    After each call, what is in `outgoing` has to go to the peer.
    """

    __slots__ = ("_incoming", "_tls", "established", "outgoing", "peer_closed")

    def __init__(self, context: ssl.SSLContext, *, server_hostname: str | None = None) -> None:
        """Prepare one end: a client's if `server_hostname` is given, else a server's.

        Raises:
            ConnectFailed: it cannot be the name of a host.
        """
        self._incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        """Bytes for the peer."""
        try:
            self._tls = context.wrap_bio(
                self._incoming, self.outgoing, server_side=server_hostname is None, server_hostname=server_hostname
            )
        except ValueError:  # begins with a dot, or has a label that is empty or longer than 63 octets
            raise ConnectFailed(f"The host {server_hostname} is not known.") from None
        self.established = False
        """The handshake is complete and the peer's certificate, where one is asked for, is good."""
        self.peer_closed = False
        """The peer said that it sends no more (close_notify)."""

    def start(self) -> None:
        """Begin the handshake, or go on with it.

        Raises:
            ssl.SSLError: this end cannot take part, for instance for lack of a certificate.
        """
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.established = True

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the peer and return what they say, decrypted.

        Raises:
            ssl.SSLError: the peer is not trusted, does not speak TLS, or broke its rules.
        """
        self._incoming.write(data)
        if not self.established:
            self.start()
        return self._read() if self.established else b""

    def send(self, data: bytes) -> None:
        """Encrypt `data`; only once `established`."""
        self._tls.write(data)

    def finish(self) -> None:
        """Tell the peer that nothing more will be sent."""
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            # The alert is written; that the peer's own is still missing does not matter.
            return

    def _read(self) -> bytes:
        chunks = []
        try:
            while self._incoming.pending:  # no record leaves a part behind, for a read takes all of it
                chunk = self._tls.read(_RECORD)
                if not chunk:
                    self.peer_closed = True
                    break
                chunks.append(chunk)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # close_notify (RFC 8446 §6.1)
            self.peer_closed = True
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)
