"""Target lookup: telephone numbers, instances, flows."""

from __future__ import annotations

import pytest

from wic.sip.uri import Uri

IMPI = "alice@ims.example"
INSTANCE = '"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"'
CONTACT = f"<sip:alice@host.invalid>;+sip.instance={INSTANCE}"
pytestmark = pytest.mark.usefixtures("several_sets")


def register(registrar, *lines: str, **more: object) -> str:
    response = registrar.register(registrar.digest("auth-done"), *lines, **more)
    assert response.startswith("SIP/2.0 200 "), response
    return response


@pytest.mark.parametrize(
    "uri", ["tel:+49-30-123", "sip:+4930123@ims.example", "sip:+49-30-123;x=y@ims.example;user=phone"]
)
def test_each_form_of_a_number_means_the_same_user(make_registrar, uri: str) -> None:
    """TS 24.229 §5.3.2.1."""
    registrar = make_registrar()
    register(registrar)
    assert registrar.targets.find(Uri.parse(uri), now=registrar.now).impu == "tel:+4930123"


def test_a_gruu_of_another_instance_leads_nowhere_now(make_registrar) -> None:
    registrar = make_registrar()
    register(registrar, contact=CONTACT)
    assert registrar.targets.find(Uri.parse("sip:al@ims.example;gr=urn:uuid:0"), now=registrar.now).bindings == ()
    assert registrar.targets.find(Uri.parse("sip:unknown@ims.example;gr=urn:uuid:0"), now=registrar.now) is None


def test_of_several_flows_of_an_instance_the_newest_is_taken(make_registrar) -> None:
    """RFC 5626 §7."""
    registrar = make_registrar()
    for reg_id in (2, 1):
        registrar.now += 1
        register(registrar, "Supported: outbound", contact=f"{CONTACT};reg-id={reg_id}", call_id=f"c{reg_id}")
    party = registrar.targets.find(Uri.parse("sip:al@ims.example"), now=registrar.now)
    assert [binding.call_id for binding in party.bindings] == ["c1"]
