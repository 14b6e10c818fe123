from __future__ import annotations

from dataclasses import replace

import pytest

from wic.errors import ConfigurationError
from wic.registration import Identity, parse_impu, websocket_contact
from wic.registration.identity import find_own
from wic.sip.headers import NameAddr


def test_the_contact_of_a_wic(identity: Identity) -> None:
    """RFC 7118 §5: transport=ws for WSS too; TS 24.229 §5.1.1.2.1."""
    assert str(identity.contact_header(1)) == (
        "<sip:alice@x7k2.invalid;transport=ws>;reg-id=1"
        ';+sip.instance="<urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128>"'
        ';+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"'
    )
    assert "icsi-ref" not in str(replace(identity, services=()).contact_header(1))


def test_a_contact_without_a_user() -> None:
    assert str(websocket_contact(None, "x.invalid")) == "sip:x.invalid;transport=ws"


@pytest.mark.parametrize("text", ["sip:alice@ims.example", "sips:alice@ims.example", "tel:+358401234567"])
def test_public_identities(text: str) -> None:
    assert str(parse_impu(text)) == text


@pytest.mark.parametrize("text", ["alice", "", "http://ims.example/", "sip:", "sip:a b@c"])
def test_what_is_no_public_identity_is_a_configuration_error(text: str) -> None:
    with pytest.raises(ConfigurationError, match="write it like"):
        parse_impu(text)


@pytest.mark.parametrize(
    ("name", "value"), [("domain", "a b"), ("domain", ""), ("instance", "urn:x"), ("instance", "<>")]
)
def test_what_no_header_can_carry_is_a_configuration_error(name: str, value: str, identity: Identity) -> None:
    with pytest.raises(ConfigurationError, match="write it like"):
        replace(identity, **{name: value})


OWN_INSTANCE = ';+sip.instance="<urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128>"'
OWN_URI = "<sip:alice@x7k2.invalid;transport=ws>"


@pytest.mark.parametrize(
    ("contacts", "found"),
    [
        ([OWN_URI], 0),
        (["<sip:alice@phone.example>", OWN_URI + ";expires=9"], 1),
        ([f"<sip:other@a.invalid>{OWN_INSTANCE};reg-id=2", f"<sip:other@b.invalid>{OWN_INSTANCE};reg-id=1"], 1),
        ([f"<sip:other@a.invalid>{OWN_INSTANCE}"], 0),
        ([OWN_URI, f"<sip:other@b.invalid>{OWN_INSTANCE};reg-id=1"], 1),
        ([f"{OWN_URI}{OWN_INSTANCE};reg-id=2"], None),
        (["<sip:alice@phone.example>"], None),
        ([], None),
    ],
)
def test_our_contact_among_others(contacts: list[str], found: int | None, identity: Identity) -> None:
    values = [NameAddr.parse(text) for text in contacts]
    assert find_own(values, identity.contact_header(1)) == (None if found is None else values[found])
