"""Implicit and explicit registration sets, barred identities (TS 24.229 §5.4.1.2.2F), GRUUs (RFC 5627)."""

from __future__ import annotations

import re

import pytest

from wic.network.hss import Hss, StoredBinding, SubscriberProfile
from wic.registration.reg_event.reginfo import ContactEvent
from wic.sip.random_source import CountingSource
from wic.sip.uri import Uri

IMPI = "alice@ims.example"
INSTANCE = '"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"'
CONTACT = f"<sip:alice@host.invalid>;+sip.instance={INSTANCE}"
pytestmark = pytest.mark.usefixtures("several_sets")


def register(desk, *lines: str, **more: object) -> str:
    response = desk.register(desk.digest("auth-done"), *lines, **more)
    assert response.startswith("SIP/2.0 200 "), response
    return response


def gruus(response: str) -> tuple[str, str]:
    found = re.search(r';pub-gruu="([^"]*)";temp-gruu="([^"]*)"', response)
    return found[1], found[2]


# sets


def test_a_barred_identity_may_be_registered_and_is_not_shown(make_desk, header) -> None:
    assert header(register(make_desk()), "P-Associated-URI") == ['"Al" <sip:al@ims.example>, <tel:+4930123>']


def test_registering_one_registers_its_set_and_no_other(make_desk) -> None:
    desk = make_desk()
    register(desk)
    called = {impu: desk.callees.find(Uri.parse(impu), now=desk.now) for impu in ("sip:al@ims.example", "tel:+4930123")}
    assert all(callee.bindings for callee in called.values())
    assert not desk.callees.find(Uri.parse("sip:work@ims.example"), now=desk.now).bindings
    # TS 24.229 §5.4.3.3: nobody calls a barred identity
    assert desk.callees.find(Uri.parse("sip:alice@ims.example"), now=desk.now) is None


def test_each_set_has_bindings_of_its_own(make_desk, header, hss) -> None:
    desk = make_desk()
    register(desk)
    response = register(desk, impu="sip:work@ims.example", call_id="c2")
    assert header(response, "P-Associated-URI") == ["<sip:work@ims.example>"]
    assert len(hss.bindings(IMPI, now=desk.now)) == 2
    gone = register(desk, "Expires: 0", impu="sip:work@ims.example", call_id="c2")
    assert header(gone, "Contact") == []
    assert [binding.registration_set for binding in hss.bindings(IMPI, now=desk.now)] == [0]
    everywhere = register(desk, "Expires: 0", contact="*")
    assert header(everywhere, "Contact") == []
    assert [told for _, told in desk.told[-2:]] == [[("sip:alice@host.invalid", "unregistered", None)]] * 2


def test_a_deregistration_by_the_network_takes_every_registration_set(make_desk, hss) -> None:
    desk = make_desk()
    register(desk)
    register(desk, impu="sip:work@ims.example", call_id="c2")
    assert desk.removals.deregister(IMPI, ContactEvent.REJECTED, now=desk.now)
    assert hss.bindings(IMPI, now=desk.now) == []
    assert desk.told[-1] == (IMPI, [("sip:alice@host.invalid", "rejected", None)] * 2)


def test_a_set_of_barred_identities_only_is_associated_with_nothing(make_desk, header, hss) -> None:
    (barred, *_) = hss.subscriber(IMPI).identities
    hss.add(SubscriberProfile(IMPI, (barred,)))
    desk = make_desk()
    response = register(desk, "Supported: gruu", contact=CONTACT)
    assert header(response, "P-Associated-URI") == []
    assert desk.callees.find(Uri.parse(gruus(response)[1]), now=desk.now) is None


def test_what_is_not_there_can_be_removed(make_desk, header) -> None:
    """RFC 3261 §10.3; see docs/design/deviations.md for the 481 of TS 24.229."""
    desk = make_desk()
    assert header(register(desk, "Expires: 0"), "Contact") == []
    assert desk.told == []


def test_of_a_contact_that_is_there_twice_the_last_one_counts(make_desk, header, hss) -> None:
    desk = make_desk()
    one = "<sip:alice@host.invalid>"
    for contact, left in ((f"{one}, {one};expires=0", []), (f"{one};expires=0, {one}", [f"{one};expires=600000"])):
        assert header(register(desk, contact=contact), "Contact") == left
        assert len(hss.bindings(IMPI, now=desk.now)) == len(left)


def test_within_one_call_id_only_a_higher_cseq_counts(make_desk) -> None:
    """RFC 3261 §10.3 step 7."""
    desk = make_desk()
    register(desk, cseq=7)
    assert desk.register(desk.digest("auth-done"), cseq=7).startswith("SIP/2.0 500 ")
    assert desk.register(desk.digest("auth-done"), "Expires: 0", contact="*", cseq=6).startswith("SIP/2.0 500 ")
    register(desk, "Expires: 0", contact="*", cseq=8)


def test_questions_change_nothing(make_desk, header) -> None:
    desk = make_desk()
    register(desk)
    assert header(register(desk, contact=""), "Contact") == ["<sip:alice@host.invalid>;expires=600000"]
    assert len(desk.told) == 1


@pytest.mark.parametrize(
    "uri", ["tel:+49-30-123", "sip:+4930123@ims.example", "sip:+49-30-123;x=y@ims.example;user=phone"]
)
def test_a_number_is_one_however_it_is_written(make_desk, uri: str) -> None:
    """TS 24.229 §5.3.2.1."""
    desk = make_desk()
    register(desk)
    assert desk.callees.find(Uri.parse(uri), now=desk.now).impu == "tel:+4930123"


# GRUUs


def test_gruus_are_for_those_who_ask(make_desk) -> None:
    desk = make_desk()
    assert "gruu" not in register(desk, contact=CONTACT)
    assert "gruu" not in register(desk, "Supported: gruu", call_id="c2")


def test_the_public_gruu_is_stable_and_hides_the_barred_identity(make_desk) -> None:
    desk = make_desk()
    expected = "sip:al@ims.example;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
    assert gruus(register(desk, "Supported: gruu", contact=CONTACT))[0] == expected
    assert gruus(register(desk, "Supported: gruu", contact=CONTACT, call_id="c2"))[0] == expected


def test_what_a_ue_writes_as_its_gruu_is_not_taken(make_desk) -> None:
    response = register(make_desk(), "Supported: gruu", contact=f'{CONTACT};pub-gruu="sip:bob@ims.example;gr=1"')
    assert "bob" not in response


def test_both_lead_to_the_instance_only(make_desk) -> None:
    desk = make_desk()
    public, temporary = gruus(register(desk, "Supported: gruu", contact=CONTACT))
    register(desk, contact="<sip:alice@other.invalid>", call_id="c2")
    for gruu in (public, temporary):
        callee = desk.callees.find(Uri.parse(gruu), now=desk.now)
        assert callee.impu == "sip:al@ims.example"
        assert [binding.call_id for binding in callee.bindings] == ["c1"]


def test_temporary_gruus_differ_and_stay_good_until_the_binding_ends(make_desk) -> None:
    desk = make_desk()
    issued = [gruus(register(desk, "Supported: gruu", contact=CONTACT))[1] for _ in range(3)]
    assert len(set(issued)) == 3
    assert all(Uri.parse(each).params.get("gr") == "" and "alice" not in each and "al@" not in each for each in issued)
    assert all(desk.callees.find(Uri.parse(each), now=desk.now).bindings for each in issued)
    register(desk, "Expires: 0", contact=CONTACT)
    assert all(desk.callees.find(Uri.parse(each), now=desk.now) is None for each in issued)
    register(desk, contact=CONTACT)
    assert all(desk.callees.find(Uri.parse(each), now=desk.now) is None for each in issued)


def test_another_call_id_makes_temporary_gruus_void(make_desk) -> None:
    """RFC 5627 §5.1."""
    desk = make_desk()
    public, temporary = gruus(register(desk, "Supported: gruu", contact=CONTACT))
    register(desk, contact=CONTACT, call_id="c2")
    assert desk.callees.find(Uri.parse(temporary), now=desk.now) is None
    assert desk.callees.find(Uri.parse(public), now=desk.now).bindings


def test_gruus_end_with_the_time_of_the_binding(make_desk) -> None:
    desk = make_desk()
    public, temporary = gruus(register(desk, "Supported: gruu", "Expires: 60", contact=CONTACT))
    desk.now += 61
    assert not desk.callees.find(Uri.parse(public), now=desk.now).bindings
    assert not desk.callees.find(Uri.parse(temporary), now=desk.now).bindings
    desk.removals.expire(now=desk.now)
    assert desk.callees.find(Uri.parse(temporary), now=desk.now) is None
    assert desk.told[-1][1][0][1] == "expired"


def test_temporary_gruus_outlive_a_restart(make_desk, hss, tmp_path) -> None:
    from wic.network.scscf.gruu import GruuFactory
    from wic.network.scscf.target_lookup import Callees

    desk = make_desk()
    _, temporary = gruus(register(desk, "Supported: gruu", contact=CONTACT))
    with Hss(tmp_path / "hss.db", realm="ims.example") as later:
        callees = Callees(later, GruuFactory(later, "ims.example", CountingSource("x")), "ims.example")
        assert callees.find(Uri.parse(temporary), now=desk.now).bindings


@pytest.mark.parametrize(
    "user", ["x", "A" * 43, "A" * 4000, "%00", "%C3%A9", "!!!!", "", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI"]
)
def test_forged_temporary_gruus_lead_nowhere(make_desk, user: str) -> None:
    desk = make_desk()
    register(desk, contact=CONTACT)
    text = f"sip:{user}@ims.example;gr" if user else "sip:ims.example;gr"
    assert desk.callees.find(Uri.parse(text), now=desk.now) is None


def test_a_gruu_of_another_instance_leads_nowhere_now(make_desk) -> None:
    desk = make_desk()
    register(desk, contact=CONTACT)
    assert desk.callees.find(Uri.parse("sip:al@ims.example;gr=urn:uuid:0"), now=desk.now).bindings == ()
    assert desk.callees.find(Uri.parse("sip:nobody@ims.example;gr=urn:uuid:0"), now=desk.now) is None


def test_of_several_flows_of_an_instance_the_newest_is_taken(make_desk) -> None:
    """RFC 5626 §7."""
    desk = make_desk()
    for reg_id in (2, 1):
        desk.now += 1
        register(desk, "Supported: outbound", contact=f"{CONTACT};reg-id={reg_id}", call_id=f"c{reg_id}")
    callee = desk.callees.find(Uri.parse("sip:al@ims.example"), now=desk.now)
    assert [binding.call_id for binding in callee.bindings] == ["c1"]


def test_no_gruus_without_an_instance_or_a_sip_identity(make_desk, hss) -> None:
    desk = make_desk()
    plain = StoredBinding(impi=IMPI, key="k", contact="<sip:a@b>", path=(), call_id="c", cseq=1, expires_at=2e9)
    assert desk.gruus.make(plain, "sip:al@ims.example") is None
    register(desk, contact=CONTACT)
    (bound,) = hss.bindings(IMPI, now=desk.now)
    assert desk.gruus.make(bound, "tel:+4930123") is None
    assert desk.gruus.make(bound, "sip:al@ims.example").first_cseq == 1
    hss.change_bindings(IMPI, remove=[bound.key])
    assert desk.gruus.make(bound, "sip:al@ims.example") is None
