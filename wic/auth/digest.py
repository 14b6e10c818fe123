"""Arithmetic of Digest (RFC 7616 §3.4, RFC 8760): pure functions of names, secrets and nonces."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from wic.auth.secret import Secret


@dataclass(frozen=True, slots=True)
class DigestAlgorithm:
    """An algorithm under the name it has in `algorithm=`."""

    name: str
    hash_name: str
    """Name for `hashlib`."""
    session: bool = False
    """Whether A1 takes in the nonces (the `-sess` variants)."""

    def hash(self, data: bytes | str) -> str:
        """Return H(data) in lower-case hexadecimal."""
        octets = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        return hashlib.new(self.hash_name, octets, usedforsecurity=False).hexdigest()


# RFC 7616 §3.9.2 was computed with SHA-512 cut to 256 bits; SHA-512-256 is the function of FIPS 180-4.
_HASHES = (("MD5", "md5"), ("SHA-256", "sha256"), ("SHA-512-256", "sha512_256"))

ALGORITHMS = {
    algorithm.name.lower(): algorithm
    for name, hash_name in _HASHES
    for algorithm in (DigestAlgorithm(name, hash_name), DigestAlgorithm(f"{name}-sess", hash_name, session=True))
}
"""The algorithms of RFC 7616, by their names in lower case."""


def find_algorithm(name: str | None) -> DigestAlgorithm | None:
    """Return the algorithm of that name, MD5 for none (RFC 7616 §3.3), or None if it is unknown.

    >>> find_algorithm("sha-256").hash_name
    'sha256'
    """
    return ALGORITHMS.get("md5" if name is None else name.lower())


def make_ha1(algorithm: DigestAlgorithm, username: str, realm: str, password: Secret | bytes) -> Secret:
    """Return H(username:realm:password), the form in which a server keeps a password (RFC 7616 §3.4.2).

    A password that is no text is given as octets.
    """
    octets = password if isinstance(password, bytes) else password.reveal().encode("utf-8", "surrogateescape")
    return Secret(algorithm.hash(f"{username}:{realm}:".encode("utf-8", "surrogateescape") + octets))


@dataclass(frozen=True, kw_only=True, slots=True)
class DigestInput:
    """Input of a response, apart from the secret."""

    algorithm: DigestAlgorithm
    nonce: str
    uri: str
    method: str
    qop: str | None = None
    """`auth`, `auth-int`, or None for the form of RFC 2069 that knows neither qop nor nc."""
    nc: str = ""
    """Eight hexadecimal digits."""
    cnonce: str = ""
    body: bytes = b""

    def response(self, ha1: Secret) -> str:
        """Return the `response` of a client (RFC 7616 §3.4.1)."""
        return self._digest(ha1, self.method)

    def rspauth(self, ha1: Secret) -> str:
        """Return the `rspauth` of a server; `body` is that of its response (RFC 7616 §3.5)."""
        return self._digest(ha1, "")

    def _digest(self, ha1: Secret, method: str) -> str:
        h = self.algorithm.hash
        secret = ha1.reveal()
        if self.algorithm.session:
            secret = h(f"{secret}:{self.nonce}:{self.cnonce}")  # RFC 7616 §3.4.2
        a2 = f"{method}:{self.uri}"  # RFC 7616 §3.4.3; §3.5: no method in rspauth
        if self.qop == "auth-int":
            a2 = f"{a2}:{h(self.body)}"  # RFC 7616 §3.4.3
        middle = f"{self.nonce}:{self.nc}:{self.cnonce}:{self.qop}" if self.qop else self.nonce  # RFC 7616 §3.4.1
        return h(f"{secret}:{middle}:{h(a2)}")
