"""TLS between bytes and bytes.

asyncio's own TLS keeps a read buffer of 256 kB for each connection, which is most of what a registered
client costs. This is the same OpenSSL over `ssl.MemoryBIO` without that buffer, and it can half-close.
"""

from __future__ import annotations

import ssl

# One TLS record (RFC 8446 §5.1), so that a read never allocates more than a record can hold.
_RECORD = 16 * 1024


class TlsPipe:
    """One end of a TLS connection, without a socket.

    Whoever drives it sends `to_send()` to the peer after each of the other calls.
    """

    __slots__ = ("_incoming", "_outgoing", "_tls", "established", "peer_closed")

    def __init__(self, context: ssl.SSLContext, *, server_hostname: str | None = None) -> None:
        """Prepare one end: a client's if `server_hostname` is given, else a server's."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_hostname is None, server_hostname=server_hostname
        )
        self.established = False
        """The handshake is complete and the peer's certificate, where one is asked for, is good."""
        self.peer_closed = False
        """The peer said that it sends no more (close_notify)."""

    def start(self) -> None:
        """Begin the handshake.

        Raises:
            ssl.SSLError: this end cannot take part, for instance for lack of a certificate.
        """
        self._handshake()

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the peer and return what they say, decrypted.

        Raises:
            ssl.SSLError: the peer is not trusted, does not speak TLS, or broke its rules.
        """
        self._incoming.write(data)
        if not self.established:
            self._handshake()
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

    def to_send(self) -> bytes:
        """Return what must be sent to the peer now."""
        return self._outgoing.read()

    def _handshake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.established = True

    def _read(self) -> bytes:
        chunks = []
        try:
            while self._incoming.pending or self._tls.pending():
                chunk = self._tls.read(_RECORD)
                if not chunk:
                    self.peer_closed = True
                    break
                chunks.append(chunk)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.peer_closed = True
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)
