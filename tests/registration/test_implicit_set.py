from __future__ import annotations

import pytest

from wic.registration import ImplicitSet
from wic.sip.uri import Uri

ALICE = Uri.parse("sip:alice@ims.example")
HOME = Uri.parse("sip:home@ims.example")
PHONE = Uri.parse("tel:+358401234567")


def test_the_first_associated_uri_is_the_default_identity() -> None:
    """TS 24.229 §5.1.1.2.1."""
    registered = ImplicitSet(ALICE, (PHONE, ALICE, HOME))
    assert registered.default == PHONE
    assert registered.identities == (PHONE, ALICE, HOME)
    assert not registered.barred


def test_a_registered_identity_that_is_not_associated_is_barred() -> None:
    registered = ImplicitSet(ALICE, (HOME, PHONE))
    assert registered.barred
    assert registered.preferred() == HOME


@pytest.mark.parametrize(
    ("wanted", "preferred"),
    [
        (None, "sip:alice@ims.example"),
        ("sip:home@IMS.example;user=phone", "sip:home@IMS.example;user=phone"),
        ("tel:+358-40-123-4567", "tel:+358-40-123-4567"),
        ("sip:mallory@ims.example", "tel:+358401234567"),
    ],
)
def test_the_preferred_identity(wanted: str | None, preferred: str) -> None:
    """RFC 3325 §9.2: one of those that the network has confirmed, or it would be removed anyway."""
    registered = ImplicitSet(ALICE, (PHONE, ALICE, HOME))
    assert str(registered.preferred(None if wanted is None else Uri.parse(wanted))) == preferred


def test_a_registrar_without_associated_uris_bars_no_identity() -> None:
    registered = ImplicitSet(ALICE)
    assert (registered.identities, registered.barred, registered.preferred()) == ((ALICE,), False, ALICE)
