"""Certificate of a client, shown in every DTLS handshake."""

from __future__ import annotations

from wic.media._aiortc import DtlsCertificate
from wic.sdp.attributes import Fingerprint


class Certificate:
    """A self-signed ECDSA P-256 certificate with its key; make one per client and share it.

    It is valid for 30 days. A key for every call would cost a signature, and identify the call no
    better than its ICE credentials, which are fresh for every transport.
    """

    __slots__ = ("fingerprints", "shown")

    def __init__(self, shown: DtlsCertificate) -> None:
        self.shown = shown
        """The certificate as aiortc takes it."""
        # RFC 8122 §5: SHA-256 is the one every peer must know; more would only lengthen the SDP.
        self.fingerprints = tuple(
            Fingerprint(found.algorithm, found.value)
            for found in shown.getFingerprints()
            if found.algorithm == "sha-256"
        )
        """Fingerprints for `a=fingerprint`."""

    @classmethod
    def generate(cls) -> Certificate:
        """Make a new key and its certificate."""
        return cls(DtlsCertificate.generateCertificate())

    def __repr__(self) -> str:
        return f"Certificate({self.fingerprints[0]})"
