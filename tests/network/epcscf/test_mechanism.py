"""Authentication mechanism of a REGISTER, and the protection that the eP-CSCF claims for it."""

from __future__ import annotations

import pytest

from wic.network.epcscf.mechanism import Mechanism, determine, integrity_protected
from wic.sip.errors import MalformedHeader
from wic.sip.message import Request

DIGEST = 'Digest username="alice@ims.example", realm="ims.example", nonce="", uri="sip:ims.example", response=""'


def register(*lines: tuple[str, str]) -> Request:
    return Request.build("REGISTER", "sip:ims.example", lines)


@pytest.mark.parametrize(
    ("authorization", "security_client", "expected"),
    [
        ([], None, Mechanism.UNKNOWN),
        ([DIGEST], None, Mechanism.DIGEST),
        ([f"{DIGEST}, algorithm=MD5"], None, Mechanism.DIGEST),
        ([f"{DIGEST}, algorithm=SHA-512-256"], None, Mechanism.DIGEST),
        ([f"{DIGEST}, algorithm=AKAv2-SHA-256"], None, Mechanism.AKA),
        ([f'{DIGEST}, algorithm="akav2-sha-256"'], None, Mechanism.AKA),
        ([f"{DIGEST}, algorithm=AKAv2-SHA-512-256"], None, Mechanism.AKA),
        ([f"{DIGEST}, algorithm=AKAv1-MD5"], None, Mechanism.AKA),
        ([f"{DIGEST}, algorithm=AKA-MD5"], None, Mechanism.DIGEST),
        ([f"{DIGEST}, algorithm=AKAv2-SHA-256"], "ipsec-3gpp;alg=hmac-sha-1-96", Mechanism.IPSEC),
        ([f"{DIGEST}, algorithm=AKAv2-SHA-256"], "sdes-srtp;mediasec, IPSEC-3GPP ;q=0.1", Mechanism.IPSEC),
        ([f"{DIGEST}, algorithm=AKAv2-SHA-256"], "sdes-srtp;mediasec", Mechanism.AKA),
        ([DIGEST], "ipsec-3gpp;alg=hmac-sha-1-96", Mechanism.DIGEST),
        ([DIGEST], 'ipsec-3gpp, "', Mechanism.DIGEST),
        ([f"{DIGEST}, algorithm=AKAv2-SHA-256"], ',ipsec-3gpp, "', Mechanism.IPSEC),
        (["Bearer abc"], None, Mechanism.TOKEN),
        (['bearer access_token="abc"'], None, Mechanism.TOKEN),
        (["Bearer"], None, Mechanism.TOKEN),
        ([DIGEST, "Bearer abc"], None, Mechanism.TOKEN),
        (["Basic abc="], None, Mechanism.UNKNOWN),
    ],
)
def test_the_mechanism_follows_from_the_register(authorization, security_client, expected):
    lines = [("Authorization", value) for value in authorization]
    lines += [] if security_client is None else [("Security-Client", security_client)]
    assert determine(register(*lines)) is expected


def test_credentials_that_cannot_be_read():
    with pytest.raises(MalformedHeader):
        determine(register(("Authorization", "Digest =")))


@pytest.mark.parametrize(
    ("mechanism", "associated", "answered", "expected"),
    [
        # TS 24.371 §6.4.1.2 1 a), b), c)
        (Mechanism.DIGEST, False, False, None),
        (Mechanism.DIGEST, False, True, "tls-pending"),
        (Mechanism.DIGEST, True, False, "tls-protected"),
        (Mechanism.DIGEST, True, True, "tls-protected"),
        # §6.4.1.3 a)
        (Mechanism.AKA, False, False, "tls-connected"),
        (Mechanism.AKA, False, True, "tls-connected"),
        (Mechanism.AKA, True, True, "tls-connected"),
        # The eP-CSCF does not vouch for Digest credentials beside a token.
        (Mechanism.TOKEN, True, True, None),
        (Mechanism.UNKNOWN, False, False, None),
        (Mechanism.UNKNOWN, True, True, None),
    ],
)
def test_the_protection_that_is_claimed(mechanism, associated, answered, expected):
    found = integrity_protected(mechanism, associated=associated, answered=answered, existing="tls-protected")
    assert found == expected
