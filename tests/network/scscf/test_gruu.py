"""GRUUs (RFC 5627): what they lead to, and for how long."""

from __future__ import annotations

import re

import pytest

from wic.network.hss import Hss, StoredBinding
from wic.network.scscf.gruu import GruuFactory
from wic.network.scscf.target_lookup import TargetLookup
from wic.sip.random_source import CountingSource
from wic.sip.uri import Uri

IMPI = "alice@ims.example"
INSTANCE = '"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"'
CONTACT = f"<sip:alice@host.invalid>;+sip.instance={INSTANCE}"
pytestmark = pytest.mark.usefixtures("several_sets")


def register(registrar, *lines: str, **more: object) -> str:
    response = registrar.register(registrar.digest("auth-done"), *lines, **more)
    assert response.startswith("SIP/2.0 200 "), response
    return response


def gruus(response: str) -> tuple[str, str]:
    found = re.search(r';pub-gruu="([^"]*)";temp-gruu="([^"]*)"', response)
    return found[1], found[2]


def test_both_gruus_lead_to_the_instance_only(make_registrar) -> None:
    registrar = make_registrar()
    public, temporary = gruus(register(registrar, "Supported: gruu", contact=CONTACT))
    register(registrar, contact="<sip:alice@other.invalid>", call_id="c2")
    for gruu in (public, temporary):
        party = registrar.targets.find(Uri.parse(gruu), now=registrar.now)
        assert party.impu == "sip:al@ims.example"
        assert [binding.call_id for binding in party.bindings] == ["c1"]


def test_temporary_gruus_differ_and_stay_good_until_the_binding_ends(make_registrar) -> None:
    registrar = make_registrar()
    issued = [gruus(register(registrar, "Supported: gruu", contact=CONTACT))[1] for _ in range(3)]
    assert len(set(issued)) == 3
    assert all(Uri.parse(each).params.get("gr") == "" and "alice" not in each and "al@" not in each for each in issued)
    assert all(registrar.targets.find(Uri.parse(each), now=registrar.now).bindings for each in issued)
    register(registrar, "Expires: 0", contact=CONTACT)
    assert all(registrar.targets.find(Uri.parse(each), now=registrar.now) is None for each in issued)
    register(registrar, contact=CONTACT)
    assert all(registrar.targets.find(Uri.parse(each), now=registrar.now) is None for each in issued)


def test_another_call_id_makes_temporary_gruus_void(make_registrar) -> None:
    """RFC 5627 §5.1."""
    registrar = make_registrar()
    public, temporary = gruus(register(registrar, "Supported: gruu", contact=CONTACT))
    register(registrar, contact=CONTACT, call_id="c2")
    assert registrar.targets.find(Uri.parse(temporary), now=registrar.now) is None
    assert registrar.targets.find(Uri.parse(public), now=registrar.now).bindings


def test_gruus_end_with_the_time_of_the_binding(make_registrar) -> None:
    registrar = make_registrar()
    public, temporary = gruus(register(registrar, "Supported: gruu", "Expires: 60", contact=CONTACT))
    registrar.now += 61
    assert not registrar.targets.find(Uri.parse(public), now=registrar.now).bindings
    assert not registrar.targets.find(Uri.parse(temporary), now=registrar.now).bindings
    registrar.location_service.expire(now=registrar.now)
    assert registrar.targets.find(Uri.parse(temporary), now=registrar.now) is None
    assert registrar.told[-1][1][0][1] == "expired"


def test_temporary_gruus_outlive_a_restart(make_registrar, hss, tmp_path) -> None:

    registrar = make_registrar()
    _, temporary = gruus(register(registrar, "Supported: gruu", contact=CONTACT))
    with Hss(tmp_path / "hss.db", realm="ims.example") as later:
        targets = TargetLookup(later, GruuFactory(later, "ims.example", CountingSource("x")), "ims.example")
        (bound,) = targets.find(Uri.parse(temporary), now=registrar.now).bindings
        assert bound.contact == CONTACT


@pytest.mark.parametrize(
    "user", ["x", "A" * 43, "A" * 4000, "%00", "%C3%A9", "!!!!", "", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI"]
)
def test_forged_temporary_gruus_lead_nowhere(make_registrar, user: str) -> None:
    registrar = make_registrar()
    register(registrar, contact=CONTACT)
    text = f"sip:{user}@ims.example;gr" if user else "sip:ims.example;gr"
    assert registrar.targets.find(Uri.parse(text), now=registrar.now) is None


def test_no_gruus_without_an_instance_or_a_sip_identity(make_registrar, hss) -> None:
    registrar = make_registrar()
    plain = StoredBinding(impi=IMPI, key="k", contact="<sip:a@b>", path=(), call_id="c", cseq=1, expires_at=2e9)
    assert registrar.gruus.make(plain, "sip:al@ims.example") is None
    register(registrar, contact=CONTACT)
    (bound,) = hss.bindings(IMPI, now=registrar.now)
    assert registrar.gruus.make(bound, "tel:+4930123") is None
    assert registrar.gruus.make(bound, "sip:al@ims.example").first_cseq == 1
    hss.change_bindings(IMPI, remove=[bound.key])
    assert registrar.gruus.make(bound, "sip:al@ims.example") is None
