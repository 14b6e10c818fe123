"""GRUUs: URIs that lead to one instance of a UE (RFC 5627, TS 24.229 §5.4.7A)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from wic.sip.uri import Uri

if TYPE_CHECKING:
    from wic.network.hss import Hss, StoredBinding, UeInstance
    from wic.sip.random_source import RandomSource

_PURPOSE = [b"temporary GRUU"]
_NUMBER = 8
_RANDOM = 8
_OCTETS = 16 + _NUMBER + _RANDOM
"""The tag of SIV, before what it seals."""


@dataclass(frozen=True, slots=True)
class Gruus:
    """GRUUs of one instance."""

    public: Uri
    """Shows the public identity and the instance; the same as long as the instance is."""
    temporary: Uri
    """Shows nothing to other parties; a new one with each REGISTER, all of them valid until the last binding ends."""
    first_cseq: int
    """CSeq number since which temporary GRUUs have been valid (RFC 5628 §5)."""


class GruuFactory:
    """Makes GRUUs, and finds the instances that temporary ones lead to.

    A temporary GRUU is the number of an instance and random octets, sealed by AES-SIV (RFC 5297): other parties can
    neither make one nor tell whether two belong to one instance, and nothing has to be stored for it.
    """

    def __init__(self, hss: Hss, domain: str, random_source: RandomSource) -> None:
        self._hss = hss
        self._domain = domain
        self._random_source = random_source
        self._seal = AESSIV(hss.gruu_key())

    def make(self, binding: StoredBinding, impu: str) -> Gruus | None:
        """Return the GRUUs of a binding, the public one for `impu`; None without an instance, or if that is no SIP URI."""
        if binding.instance is None or not impu.startswith(("sip:", "sips:")):
            return None
        instance = self._hss.instance_of(binding.impi, binding.registration_set, binding.instance)
        if instance is None:
            return None
        # RFC 5627 §3.1.1, §3.1.2: the identity with the instance; or an opaque user of the domain, with "gr" alone.
        aor = Uri.parse(impu)
        bare = binding.instance.removeprefix("<").removesuffix(">")
        public = aor.replace(params=aor.params.with_("gr", bare))
        random = hashlib.sha256(self._random_source.hex(16).encode()).digest()[:_RANDOM]
        sealed = self._seal.encrypt(instance.number.to_bytes(_NUMBER) + random, _PURPOSE)
        user = base64.urlsafe_b64encode(sealed).decode().rstrip("=")
        temporary = Uri("sip", user, host=self._domain, params=aor.params.with_("gr"))
        return Gruus(public, temporary, instance.first_cseq)

    def read_temporary(self, uri: Uri) -> UeInstance | None:
        """Return the instance that a temporary GRUU leads to; None if it is forged, or not valid any more."""
        try:
            sealed = base64.urlsafe_b64decode(f"{uri.username}=".encode("ascii"))
            data = self._seal.decrypt(sealed, _PURPOSE) if len(sealed) == _OCTETS else b""
        except (UnicodeEncodeError, binascii.Error, InvalidTag):
            return None
        return self._hss.instance(int.from_bytes(data[:_NUMBER])) if data else None


def instance_of(uri: Uri) -> str | None:
    """Return the instance that a public GRUU names, as `+sip.instance` has it; None if it names none."""
    name = uri.params.get("gr")
    return f"<{name}>" if name else None
