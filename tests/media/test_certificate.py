from __future__ import annotations

from wic.media import Certificate


def test_announces_itself_by_sha_256() -> None:
    certificate = Certificate.generate()
    (fingerprint,) = certificate.fingerprints
    assert fingerprint.algorithm == "sha-256"
    assert len(fingerprint.value) == 32 * 3 - 1
    assert Certificate.generate().fingerprints != certificate.fingerprints


def test_its_repr_holds_no_key() -> None:
    certificate = Certificate.generate()
    assert repr(certificate) == f"Certificate({certificate.fingerprints[0]})"
