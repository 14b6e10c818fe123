"""Certificate of a client, shown in every DTLS handshake."""

from __future__ import annotations

from wic.media._aiortc import DtlsCertificate
from wic.sdp.attributes import Fingerprint

__all__ = ["Certificate"]


class Certificate:
    """A self-signed ECDSA P-256 certificate with its key; make one per client and share it.

    It is valid for 30 days. A key for every call would cost a signature, and identify the call no
    better than its ICE credentials, which are fresh for every transport.
    """

    __slots__ = ("_fingerprints", "_shown")

    def __init__(self, shown: DtlsCertificate) -> None:
        self._shown = shown
        # RFC 8122 §5: SHA-256 is the one every peer must know; more would only lengthen the SDP.
        self._fingerprints = tuple(
            Fingerprint(fingerprint.algorithm, fingerprint.value)
            for fingerprint in shown.getFingerprints()
            if fingerprint.algorithm == "sha-256"
        )

    @classmethod
    def generate(cls) -> Certificate:
        """Make a new key and its certificate."""
        return cls(DtlsCertificate.generateCertificate())

    @property
    def fingerprints(self) -> tuple[Fingerprint, ...]:
        """Fingerprints for `a=fingerprint`."""
        return self._fingerprints

    @property
    def shown(self) -> DtlsCertificate:
        """The certificate as aiortc takes it."""
        return self._shown

    def __repr__(self) -> str:
        return f"Certificate({self._fingerprints[0]})"
