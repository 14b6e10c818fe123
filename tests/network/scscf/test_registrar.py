"""Registrar: bindings, implicit registration sets, barred identities (TS 24.229 §5.4.1), messages as text."""

from __future__ import annotations

import re

import pytest

from wic.network.hss import SubscriberProfile
from wic.sip.uri import Uri

IMPI = "alice@ims.example"
INSTANCE = '"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"'
CONTACT = f"<sip:alice@host.invalid>;+sip.instance={INSTANCE}"


def register(registrar, *lines: str, **more: object) -> str:
    response = registrar.register(registrar.digest("auth-done"), *lines, **more)
    assert response.startswith("SIP/2.0 200 "), response
    return response


def gruus(response: str) -> tuple[str, str]:
    found = re.search(r';pub-gruu="([^"]*)";temp-gruu="([^"]*)"', response)
    return found[1], found[2]


@pytest.mark.usefixtures("several_sets")
def test_a_barred_identity_may_be_registered_and_is_not_shown(make_registrar, header) -> None:
    assert header(register(make_registrar()), "P-Associated-URI") == ['"Al" <sip:al@ims.example>, <tel:+4930123>']


@pytest.mark.usefixtures("several_sets")
def test_a_ue_learns_the_time(make_registrar, header) -> None:
    """RFC 3261 §10.3 step 8, §20.17."""
    assert header(register(make_registrar()), "Date") == ["Sun, 09 Sep 2001 01:46:40 GMT"]


@pytest.mark.usefixtures("several_sets")
def test_registering_one_identity_registers_its_set_and_no_other(make_registrar) -> None:
    registrar = make_registrar()
    register(registrar)
    called = {
        impu: registrar.targets.find(Uri.parse(impu), now=registrar.now)
        for impu in ("sip:al@ims.example", "tel:+4930123")
    }
    assert all(party.bindings for party in called.values())
    assert not registrar.targets.find(Uri.parse("sip:work@ims.example"), now=registrar.now).bindings
    # TS 24.229 §5.4.3.3: a barred identity cannot be called
    assert registrar.targets.find(Uri.parse("sip:alice@ims.example"), now=registrar.now) is None


@pytest.mark.usefixtures("several_sets")
def test_each_set_has_bindings_of_its_own(make_registrar, header, hss) -> None:
    registrar = make_registrar()
    register(registrar)
    response = register(registrar, impu="sip:work@ims.example", call_id="c2")
    assert header(response, "P-Associated-URI") == ["<sip:work@ims.example>"]
    assert len(hss.bindings(IMPI, now=registrar.now)) == 2
    gone = register(registrar, "Expires: 0", impu="sip:work@ims.example", call_id="c2")
    assert header(gone, "Contact") == []
    assert [binding.registration_set for binding in hss.bindings(IMPI, now=registrar.now)] == [0]
    everywhere = register(registrar, "Expires: 0", contact="*")
    assert header(everywhere, "Contact") == []
    assert [told for _, told in registrar.told[-2:]] == [[("sip:alice@host.invalid", "unregistered", None)]] * 2


@pytest.mark.usefixtures("several_sets")
def test_a_set_of_barred_identities_only_is_associated_with_nothing(make_registrar, header, hss) -> None:
    (barred, *_) = hss.subscriber(IMPI).identities
    hss.add(SubscriberProfile(IMPI, (barred,)))
    registrar = make_registrar()
    response = register(registrar, "Supported: gruu", contact=CONTACT)
    assert header(response, "P-Associated-URI") == []
    assert registrar.targets.find(Uri.parse(gruus(response)[1]), now=registrar.now) is None


@pytest.mark.usefixtures("several_sets")
def test_a_missing_binding_can_be_removed(make_registrar, header) -> None:
    """RFC 3261 §10.3; see docs/design/deviations.md for the 481 of TS 24.229."""
    registrar = make_registrar()
    assert header(register(registrar, "Expires: 0"), "Contact") == []
    assert registrar.told == []


@pytest.mark.usefixtures("several_sets")
def test_of_a_contact_that_is_there_twice_the_last_one_counts(make_registrar, header, hss) -> None:
    registrar = make_registrar()
    one = "<sip:alice@host.invalid>"
    for contact, left in ((f"{one}, {one};expires=0", []), (f"{one};expires=0, {one}", [f"{one};expires=600000"])):
        assert header(register(registrar, contact=contact), "Contact") == left
        assert len(hss.bindings(IMPI, now=registrar.now)) == len(left)


@pytest.mark.usefixtures("several_sets")
def test_within_one_call_id_only_a_higher_cseq_counts(make_registrar) -> None:
    """RFC 3261 §10.3 step 7."""
    registrar = make_registrar()
    register(registrar, cseq=7)
    assert registrar.register(registrar.digest("auth-done"), cseq=7).startswith("SIP/2.0 500 ")
    assert registrar.register(registrar.digest("auth-done"), "Expires: 0", contact="*", cseq=6).startswith(
        "SIP/2.0 500 "
    )
    register(registrar, "Expires: 0", contact="*", cseq=8)


@pytest.mark.usefixtures("several_sets")
def test_a_register_without_contact_changes_nothing(make_registrar, header) -> None:
    registrar = make_registrar()
    register(registrar)
    assert header(register(registrar, contact=""), "Contact") == ["<sip:alice@host.invalid>;expires=600000"]
    assert len(registrar.told) == 1


@pytest.mark.usefixtures("several_sets")
def test_gruus_are_for_a_ue_that_supports_them(make_registrar) -> None:
    registrar = make_registrar()
    assert "gruu" not in register(registrar, contact=CONTACT)
    assert "gruu" not in register(registrar, "Supported: gruu", call_id="c2")


@pytest.mark.usefixtures("several_sets")
@pytest.mark.parametrize("supported", [",", '"', "gruu, <", "a b"])
@pytest.mark.parametrize("contact", ["<sip:alice@host.invalid>", f"{CONTACT};reg-id=1"])
def test_what_cannot_be_read_of_supported_is_not_supported(make_registrar, header, supported, contact) -> None:
    """The answer to a REGISTER that has changed something is a 200 (RFC 3261 §10.3 step 8)."""
    response = register(make_registrar(), f"Supported: {supported}", contact=contact)
    assert response.startswith("SIP/2.0 200")
    assert len(header(response, "Contact")) == 1
    assert ("pub-gruu" in response) == ("gruu" in supported and contact.startswith(CONTACT))


@pytest.mark.usefixtures("several_sets")
def test_the_public_gruu_is_stable_and_hides_the_barred_identity(make_registrar) -> None:
    registrar = make_registrar()
    expected = "sip:al@ims.example;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
    assert gruus(register(registrar, "Supported: gruu", contact=CONTACT))[0] == expected
    assert gruus(register(registrar, "Supported: gruu", contact=CONTACT, call_id="c2"))[0] == expected


@pytest.mark.usefixtures("several_sets")
def test_the_gruu_in_a_contact_is_ignored(make_registrar) -> None:
    response = register(make_registrar(), "Supported: gruu", contact=f'{CONTACT};pub-gruu="sip:bob@ims.example;gr=1"')
    assert "bob" not in response


@pytest.mark.usefixtures("with_password")
def test_a_trusted_node_may_register_for_a_short_time(make_registrar) -> None:
    """TS 24.371 §6.4.3."""
    registrar = make_registrar()
    assert ";expires=7" in registrar.register(registrar.digest("auth-done"), "Expires: 7")
    assert registrar.register(registrar.digest("tls-yes"), "Expires: 7").startswith("SIP/2.0 423 ")


@pytest.mark.parametrize("odd", ["\udcfc", "\0", "\\\0", "\x07", "\udced\udca0\udc80"])
@pytest.mark.usefixtures("several_sets")
def test_octets_of_a_contact_that_are_no_text_are_stored_and_shown_like_any_other(
    make_registrar, header, hss, odd
) -> None:
    registrar = make_registrar()
    contact = f'"M{odd}ller" <sip:alice@host.invalid>;x="{odd}"'
    for _ in range(2):
        (bound,) = header(register(registrar, f"Subject: {odd}", contact=contact), "Contact")
        assert "<sip:alice@host.invalid>" in bound
    (binding,) = hss.bindings(IMPI, now=registrar.now)
    assert binding.contact.encode()
    registrar.now += 1
    register(registrar, "Expires: 0", contact=contact)
    assert not hss.bindings(IMPI, now=registrar.now)
