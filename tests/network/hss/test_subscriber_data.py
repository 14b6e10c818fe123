"""Permanent subscriber data: profiles, passwords, USIMs (TS 33.102 §6.3.2, §6.3.5, Annex C), authorization entities."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.subscribers import add_with_password
from wic.auth.aka import AutsRefused, make_auts
from wic.auth.milenage import Milenage
from wic.auth.secret import Secret
from wic.auth.tuak import Tuak, TuakOptions
from wic.errors import ConfigurationError
from wic.network.hss import Hss, PublicIdentity, StoredBinding, SubscriberProfile, UsimKeys, identities_of, make_profile
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from pathlib import Path

    from wic.auth.aka_server import AuthenticationVector

ALICE = make_profile("alice@ims.example", ["sip:alice@ims.example", "tel:+491234"])
IMPI, IMPU = "alice@ims.example", "sip:alice@ims.example"
TWO_SETS = SubscriberProfile(
    IMPI,
    (
        PublicIdentity("sip:alice@ims.example", barred=True),
        PublicIdentity("sip:al@ims.example", display_name="Al"),
        PublicIdentity("sip:work@ims.example", registration_set=1),
    ),
)
# TS 35.208 §4.3.1
K = bytes.fromhex("465b5ce8b199b49faa5f0a2ee238a6bc")
OP = bytes.fromhex("cdc202d5123e20f62b6d676ac72cb318")
OPC = bytes.fromhex("cd63cb71954a9f4e48a5994e37a02baf")
RAND = bytes.fromhex("23553cbe9637a89d218ae64dae47bf35")
FUNCTIONS = Milenage(K, opc=OPC)


def binding() -> StoredBinding:
    return StoredBinding(
        impi=IMPI, key="k1", contact="<sip:k1@host.invalid>", path=(), call_id="c", cseq=1, expires_at=100.0
    )


def sqn_of(vector: AuthenticationVector | None) -> int:
    assert vector is not None
    ak = FUNCTIONS.f2345(vector.rand)[3]
    return int.from_bytes(bytes(a ^ b for a, b in zip(vector.autn[:6], ak, strict=True)))


# Profiles


def test_a_subscriber_is_found_by_each_identity(hss: Hss) -> None:
    assert hss.subscriber(ALICE.impi) == ALICE
    assert hss.holders("tel:+491234") == [ALICE]
    assert hss.subscribers() == [ALICE]
    assert hss.ha1(ALICE.impi, "SHA-256") == "bb"
    assert hss.algorithms(ALICE.impi) == {"MD5", "SHA-256"}


def test_an_unknown_subscriber_is_not_found(hss: Hss) -> None:
    assert hss.subscriber("unknown") is None
    assert hss.holders("sip:unknown@ims.example") == []
    assert hss.ha1(ALICE.impi, "SHA-512-256") is None
    assert hss.remove("unknown") is False


def test_adding_again_replaces_identities_and_keeps_bindings(hss: Hss) -> None:
    hss.change_bindings(ALICE.impi, store=[binding()])
    hss.add(make_profile(ALICE.impi, ["sip:alicia@ims.example"]), {"MD5": "cc"})
    assert hss.holders("tel:+491234") == []
    assert hss.reachable("sip:alicia@ims.example", now=0) == [binding()]


def test_removing_a_subscriber_removes_its_bindings_and_passwords(hss: Hss) -> None:
    hss.change_bindings(ALICE.impi, store=[binding()])
    assert hss.remove(ALICE.impi) is True
    assert hss.bindings(ALICE.impi, now=0) == []
    assert hss.ha1(ALICE.impi, "MD5") is None


def test_a_profile_is_read_as_it_was_written(hss: Hss) -> None:
    hss.add(TWO_SETS)
    assert hss.subscriber(IMPI) == TWO_SETS
    assert hss.holders("sip:work@ims.example") == [TWO_SETS]


@pytest.mark.parametrize(
    ("identity", "forms"),
    [
        (
            "tel:123;phone-context=ims.example",
            ["tel:1-23;phone-context=IMS.example", "sip:123@IMS.example", "sips:123@ims.example;user=phone"],
        ),
        ("sip:123@ims.example", ["tel:1-23;phone-context=ims.example", "sip:123@ims.example:5060"]),
        ("tel:*21#;phone-context=ims.example", ["sip:*21%23@ims.example"]),
    ],
)
def test_a_local_number_is_one_identity_in_every_form(hss: Hss, identity: str, forms: list[str]) -> None:
    hss.add(make_profile("one@ims.example", [identity]))
    for form in forms:
        assert [name for name in identities_of(Uri.parse(form), "ims.example") if hss.holders(name)] == [identity]
        with pytest.raises(ConfigurationError, match="of the subscriber one@"):
            hss.check_free(make_profile("two@ims.example", [str(Uri.parse(form).aor())]))
    for other in ("sip:123@other.example", "tel:123;phone-context=other.example", "sip:12a@ims.example"):
        names = identities_of(Uri.parse(other), "ims.example")
        assert "tel:123;phone-context=ims.example" not in names


def test_a_barred_identity_is_neither_associated_nor_shown() -> None:
    assert [each.impu for each in TWO_SETS.associated(0)] == ["sip:al@ims.example"]
    assert TWO_SETS.public_name(TWO_SETS.identities[0]).impu == "sip:al@ims.example"
    assert TWO_SETS.public_name(TWO_SETS.identities[2]).impu == "sip:work@ims.example"
    assert TWO_SETS.identity("sip:bob@ims.example") is None


@pytest.mark.parametrize(
    ("impi", "impus", "algorithms"),
    [
        ("", ["sip:a@x"], ["MD5"]),
        ("a@x", [], ["MD5"]),
        ("a@x", ["mailto:a@x"], ["MD5"]),
        ("a@x", ["alice"], ["MD5"]),
        ("a@x", ["sip:a@x"], ["SHA-1"]),
    ],
)
def test_invalid_identities_are_refused(hss: Hss, impi: str, impus: list[str], algorithms: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        add_with_password(hss, impi, impus, Secret("x"), algorithms=algorithms)


# SIP Digest


def test_passwords_are_hashed_with_each_algorithm(hss: Hss, tmp_path: Path) -> None:
    bob = add_with_password(hss, "bob@ims.example", ["sip:bob@IMS.example", "tel:+49-30-1"], Secret("Circle of Life"))
    assert bob.impus == ("sip:bob@ims.example", "tel:+49301")
    expected = hashlib.md5(b"bob@ims.example:ims.example:Circle of Life", usedforsecurity=False).hexdigest()
    assert hss.ha1("bob@ims.example", "MD5") == expected
    assert hss.algorithms("bob@ims.example") == {"MD5", "SHA-256", "SHA-512-256"}
    assert all(b"Circle of Life" not in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize(
    "impu",
    [
        "sip:b@x:5060",
        "sip:b:pw@x",
        "sip:b@x;lr",
        "sip:b@x?a=b",
        "tel:+49;ext=1",
        "tel:49",
        "tel:+",
        "tel:+1*",
        "tel:-;phone-context=x",
        "tel:+1f;phone-context=x",
        "sip:x",
        "mailto:b@x",
        "b@x",
    ],
)
def test_an_identity_is_no_address_of_something_else(impu: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a public identity: write "):
        make_profile("b@x", [impu])


def test_an_identity_is_listed_once() -> None:
    assert make_profile("b@x", ["sip:b@x", "sip:%62@X", "tel:+4-9", "tel:+49"]).impus == ("sip:b@x", "tel:+49")
    apart = PublicIdentity("sip:b@X", registration_set=1)
    with pytest.raises(ConfigurationError, match="either by itself or with others"):
        make_profile("b@x", ["sip:b@x", apart])


# IMS AKA


def test_a_vector_is_the_published_one(hss: Hss) -> None:
    hss.add_usim(make_profile(IMPI, [IMPU]), UsimKeys(k=K, op=OP, amf=bytes.fromhex("b9b9")))
    vector = hss.next_vector(IMPI, RAND)
    assert vector is not None
    assert vector.xres.hex() == "a54211d5e3ba50bf"
    assert vector.ck.hex() == "b40ba9a3c58b2a05bbf0d987b21bf8cb"
    assert vector.ik.hex() == "f769bcd751044604127672711c6d3441"
    assert vector.autn[6:8].hex() == "b9b9"


def test_each_vector_has_another_index_and_a_higher_sequence(hss: Hss) -> None:
    hss.add_usim(make_profile(IMPI, [IMPU]), UsimKeys(k=K, opc=OPC))
    numbers = [sqn_of(hss.next_vector(IMPI, RAND)) for _ in range(40)]
    assert [number >> 5 for number in numbers] == list(range(1, 41))
    assert {number & 31 for number in numbers} == set(range(32))


def test_new_keys_go_on_with_the_sequence(hss: Hss) -> None:
    hss.add_usim(make_profile(IMPI, [IMPU]), UsimKeys(k=bytes(16), opc=OPC))
    hss.next_vector(IMPI, RAND)
    hss.add_usim(make_profile(IMPI, [IMPU, "tel:+49"]), UsimKeys(k=K, opc=OPC))
    assert sqn_of(hss.next_vector(IMPI, RAND)) >> 5 == 2
    assert hss.subscriber(IMPI) == make_profile(IMPI, [IMPU, "tel:+49"])


def test_an_auts_resynchronises_the_sequence(hss: Hss) -> None:
    hss.add_usim(make_profile(IMPI, [IMPU]), UsimKeys(k=K, opc=OPC))
    hss.resynchronise(IMPI, RAND, make_auts(FUNCTIONS, RAND, 5000 << 5 | 9))
    assert sqn_of(hss.next_vector(IMPI, RAND)) >> 5 == 5001
    with pytest.raises(AutsRefused):
        hss.resynchronise(IMPI, RAND, bytes(14))
    with pytest.raises(AutsRefused):
        hss.resynchronise(IMPI, bytes(16), make_auts(FUNCTIONS, RAND, 9000 << 5))
    assert sqn_of(hss.next_vector(IMPI, RAND)) >> 5 == 5002


def test_without_a_usim_there_is_no_vector(hss: Hss) -> None:
    add_with_password(hss, IMPI, [IMPU], Secret("x"))
    assert hss.next_vector(IMPI, RAND) is None
    assert hss.usim(IMPI) is None
    hss.resynchronise(IMPI, RAND, bytes(14))
    assert not hss.has_usim(IMPI)
    assert not hss.remove_usim(IMPI)


def test_a_subscriber_may_have_a_usim_and_a_password(hss: Hss) -> None:
    hss.add_usim(make_profile(IMPI, [IMPU]), UsimKeys(k=K, opc=OPC))
    add_with_password(hss, IMPI, [IMPU], Secret("x"))
    assert hss.has_usim(IMPI)
    hss.add_usim(make_profile(IMPI, [IMPU]), UsimKeys(k=K, opc=OPC))
    assert hss.algorithms(IMPI)
    assert hss.remove_passwords(IMPI)
    assert not hss.remove_passwords(IMPI)
    assert hss.remove_usim(IMPI)


def test_tuak_keeps_its_lengths(hss: Hss) -> None:
    usim = UsimKeys(functions="tuak", k=bytes(32), op=bytes(32), tuak=TuakOptions(res_bits=128, iterations=2))
    hss.add_usim(make_profile(IMPI, [IMPU]), usim)
    topc = Tuak(bytes(32), top=bytes(32), options=usim.tuak).topc
    assert hss.usim(IMPI) == UsimKeys(functions="tuak", k=bytes(32), opc=topc, tuak=usim.tuak)
    vector = hss.next_vector(IMPI, RAND)
    assert vector is not None
    assert len(vector.xres) == 16


@pytest.mark.parametrize(
    "parts",
    [
        {"k": K},
        {"k": K, "op": OP, "opc": OPC},
        {"k": K[:15], "opc": OPC},
        {"k": K, "opc": OPC, "amf": b"\0"},
        {"k": K, "opc": OPC, "functions": "comp128"},
        {"k": K, "opc": bytes(32), "functions": "tuak", "tuak": TuakOptions(mac_bits=128)},
    ],
)
def test_invalid_keys_are_refused(parts: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        UsimKeys(**parts)  # type: ignore[arg-type]


def test_keys_are_not_shown() -> None:
    assert K.hex() not in repr(UsimKeys(k=K, opc=OPC)).lower()
    assert repr(K) not in repr(UsimKeys(k=K, opc=OPC))


def test_no_sequence_number_is_given_twice_after_kill_9(tmp_path: Path) -> None:
    """Kill the HSS again and again; a number that was seen outside never comes back."""
    path = tmp_path / "hss.db"
    with Hss(path, realm="ims.example") as hss:
        hss.add_usim(make_profile(IMPI, [IMPU]), UsimKeys(k=K, opc=OPC))
    script = f"""
import pathlib
from wic.network.hss import Hss
hss = Hss(pathlib.Path({str(path)!r}), realm="ims.example")
while True:
    print(hss.next_vector({IMPI!r}, bytes(16)).autn.hex(), flush=True)
"""
    seen: list[str] = []
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            seen += [process.stdout.readline() for _ in range(50)]
            os.kill(process.pid, signal.SIGKILL)
            seen += process.stdout.read().splitlines(keepends=True)
    whole = [each for each in seen if each.endswith("\n")]
    assert len(whole) == len(set(whole)) >= 100
    with Hss(path, realm="ims.example") as hss:
        vector = hss.next_vector(IMPI, bytes(16))
        assert vector is not None
        assert vector.autn.hex() + "\n" not in whole


# Trusted-node authentication


def test_entities_belong_to_a_subscriber(hss: Hss) -> None:
    hss.set_entities(IMPI, allowed=["a"], barred=["b"])
    assert [hss.may_authorize(IMPI, entity) for entity in "abc"] == [True, False, False]
    hss.set_entities(IMPI, barred=["b"])
    assert [hss.may_authorize(IMPI, entity) for entity in "abc"] == [True, False, True]
    hss.remove(IMPI)
    assert hss.may_authorize(IMPI, "b")
    with pytest.raises(sqlite3.IntegrityError):
        hss.set_entities("unknown", barred=["b"])
