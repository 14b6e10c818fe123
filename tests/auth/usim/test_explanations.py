"""Text of the error when a secret does not fit."""

from __future__ import annotations

import pytest

from wic.auth import AkaFunctions, MacFailure, Milenage, SoftUsim, Tuak, make_vector

K = bytes.fromhex("465b5ce8b199b49faa5f0a2ee238a6bc")
OP = bytes.fromhex("cdc202d5123e20f62b6d676ac72cb318")
OPC = bytes.fromhex("cd63cb71954a9f4e48a5994e37a02baf")
RAND = b"r" * 16
NETWORK = Milenage(K, opc=OPC)
IMS, EPS, OWN = b"\0\0", b"\x80\0", b"\xb9\xb9"


def complaint(
    usim: AkaFunctions, network: AkaFunctions = NETWORK, *, amf: bytes | None = None, sent: bytes = IMS
) -> str:
    vector = make_vector(network, 33, sent, RAND)
    with pytest.raises(MacFailure) as failed:
        SoftUsim(usim, amf=amf).authenticate(vector.rand, vector.autn)
    text = str(failed.value)
    for secret in (K, OP, OPC):
        assert secret.hex() not in text
    return text


@pytest.mark.parametrize(
    ("configured", "words"),
    [
        (
            Milenage(K, opc=OP),
            "the network's MAC fits if the value given as OPc is the OP: correct that in the account",
        ),
        (Milenage(K, op=OPC), "fits if the value given as OP is the OPc"),
        (Milenage(OPC, opc=K), "fits if the values of K and OPc are exchanged"),
        (Milenage(OP, op=K), "fits if the values of K and OP are exchanged"),
        (Milenage(OP, opc=K), "fits if K is given as OPc, and as K the OP"),
        (Milenage(OPC, op=K), "fits if K is given as OP, and as K the OPc"),
    ],
)
def test_values_that_were_mixed_up_are_found(configured: Milenage, words: str) -> None:
    assert words in complaint(configured)


def test_a_top_given_as_topc_is_found() -> None:
    network = Tuak(K, top=b"t" * 32)
    assert "fits if the value given as TOPc is the TOP" in complaint(Tuak(K, topc=b"t" * 32), network)
    assert "fits if the value given as TOP is the TOPc" in complaint(Tuak(K, top=network.topc), network)


def test_other_keys_cannot_be_told_apart() -> None:
    assert complaint(Milenage(b"x" * 16, opc=OPC)) == (
        "the network's MAC does not fit K and OPc: compare first K and then OPc with the network's,"
        " and see that it uses MILENAGE for this subscriber"
    )
    assert "compare first K and then OP with" in complaint(Milenage(K, op=b"x" * 16))
    assert "uses TUAK" in complaint(Tuak(K, top=b"t" * 32))


@pytest.mark.parametrize(
    ("expected", "sent", "words"),
    [
        (IMS, EPS, "; its AMF is 8000 (a vector for EPS), the account's 0000"),
        (IMS, OWN, "; its AMF is b9b9 (a vector for EPS), the account's 0000"),
        (EPS, IMS, "; its AMF is 0000, the account's 8000"),
        (EPS, OWN, "; its AMF is b9b9, the account's 8000"),
    ],
)
def test_another_amf_than_expected_is_told(expected: bytes, sent: bytes, words: str) -> None:
    assert complaint(Milenage(K, opc=b"x" * 16), amf=expected, sent=sent).endswith(words)


@pytest.mark.parametrize(("expected", "sent"), [(None, EPS), (EPS, EPS)])
def test_an_amf_that_is_expected_or_any_is_not_worth_a_word(expected: bytes | None, sent: bytes) -> None:
    assert "AMF" not in complaint(Milenage(K, opc=b"x" * 16), amf=expected, sent=sent)


@pytest.mark.parametrize(("expected", "made_with"), [(None, IMS), (None, EPS), (OWN, OWN)])
def test_an_amf_that_was_changed_on_the_way_is_found(expected: bytes | None, made_with: bytes) -> None:
    vector = make_vector(NETWORK, 33, made_with, RAND)
    autn = vector.autn[:6] + b"\x12\x34" + vector.autn[8:]
    with pytest.raises(MacFailure, match=f"K and OPc fit, but .* AMF {made_with.hex()} and sends 1234"):
        SoftUsim(NETWORK, amf=expected).authenticate(RAND, autn)


def test_an_amf_does_not_matter_when_the_mac_is_right() -> None:
    vector = make_vector(NETWORK, 33, OWN, RAND)
    assert SoftUsim(NETWORK, amf=IMS).authenticate(RAND, vector.autn).res == vector.xres
