"""Public user identities over all registrations of a user."""

from __future__ import annotations

import pytest

from wic.errors import ConfigurationError
from wic.registration import NO_IDENTITIES, Binding, Identities
from wic.registration.identities import KnownIdentities
from wic.sip.headers import NameAddr
from wic.sip.uri import Uri

ALICE, WORK, EXTRA = (Uri.parse(f"sip:{user}@ims.example") for user in ("alice", "work", "extra"))


def binding(impu: Uri, *associated: Uri) -> Binding:
    uris = tuple(NameAddr("", uri) for uri in associated)
    contact = NameAddr.parse("<sip:alice@x7k2.invalid>")
    return Binding(contact=contact, expires=60, expires_at=60.0, impu=impu, associated_uris=uris)


def test_no_identities() -> None:
    assert Identities.of(()) == NO_IDENTITIES
    assert (NO_IDENTITIES.default, NO_IDENTITIES.usable, NO_IDENTITIES.barred) == (None, (), ())
    with pytest.raises(ConfigurationError, match="use one of none"):
        NO_IDENTITIES.check(ALICE)


def test_identities_of_several_registrations() -> None:
    found = Identities.of((binding(ALICE, EXTRA, ALICE), binding(WORK)))
    assert (found.default, found.usable, found.barred) == (EXTRA, (EXTRA, ALICE, WORK), ())


def test_a_registered_identity_that_is_not_listed_is_barred() -> None:
    """TS 24.229 §5.1.1.2.1."""
    found = Identities.of((binding(ALICE, EXTRA), binding(WORK, ALICE)))
    assert (found.usable, found.barred) == ((EXTRA, ALICE), (WORK,))


def test_a_barred_identity_stays_barred_when_it_is_reported() -> None:
    known, bindings = KnownIdentities(), (binding(ALICE, EXTRA),)
    known.report((ALICE, EXTRA, WORK), bindings)
    known.update(bindings)
    assert (known.current.usable, known.current.barred) == ((EXTRA, WORK), (ALICE,))


def test_only_news_is_news() -> None:
    known = KnownIdentities()
    assert not known.update((binding(ALICE),)), "a first registration is told as such"
    assert not known.update((binding(ALICE),))
    assert known.update((binding(ALICE, ALICE, EXTRA),))
    assert not known.update(()), "the loss of all is told as such"


def test_the_identity_to_call_with_and_its_registration() -> None:
    known, bindings = KnownIdentities(), (binding(ALICE, ALICE, EXTRA), binding(WORK))
    known.update(bindings)
    assert known.choose(None, bindings) == (ALICE, bindings[0])
    assert known.choose(WORK, bindings) == (WORK, bindings[1])
    assert known.choose(EXTRA, bindings) == (EXTRA, bindings[0])
    with pytest.raises(ConfigurationError, match=r"sip:eve@ims\.example is not an identity of this account"):
        known.choose(Uri.parse("sip:eve@ims.example"), bindings)


def test_a_default_identity_that_the_network_has_ended_is_not_called_with() -> None:
    """TS 24.229 §5.1.1.7."""
    known, bindings = KnownIdentities(), (binding(ALICE, EXTRA, WORK),)
    known.report((EXTRA, WORK), bindings)
    known.report((WORK,), bindings)
    known.update(bindings)
    assert known.choose(None, bindings) == (WORK, bindings[0])
    known.confirm()
    known.update(bindings)
    assert known.choose(None, bindings) == (EXTRA, bindings[0])


def test_reports_are_forgotten_with_the_subscription() -> None:
    known, bindings = KnownIdentities(), (binding(ALICE),)
    known.report((ALICE, EXTRA), bindings)
    known.update(bindings)
    assert known.current.usable == (ALICE, EXTRA)
    known.forget_reports()
    assert known.update(bindings)
    assert known.current.usable == (ALICE,)
