"""Location service: bindings that the network ends or shortens (TS 24.229 §5.4.1.5, §5.4.1.6), and those that expire."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wic.errors import StorageFailed
from wic.network.hss import make_profile
from wic.network.scscf.location_service import BINDING, BindingChange, BindingState
from wic.registration.reg_event.reginfo import ContactEvent

IMPI = "alice@ims.example"
KEY = "sip:alice@host.invalid"


def register(registrar, *lines: str, **more: str) -> None:
    assert registrar.register(registrar.digest("auth-done"), *lines, **more).startswith("SIP/2.0 200 ")


@pytest.mark.usefixtures("with_password")
def test_a_deregistration_has_a_reason(make_registrar, hss) -> None:
    registrar = make_registrar()
    register(registrar)
    register(registrar, contact="<sip:alice@other.invalid>", call_id="c2")
    assert registrar.location_service.deregister(IMPI, ContactEvent.PROBATION, retry_after=30, now=registrar.now)
    assert hss.bindings(IMPI, now=registrar.now) == []
    told = [(KEY, "probation", 30), ("sip:alice@other.invalid", "probation", 30)]
    assert registrar.told[-1] == (IMPI, told)
    assert not registrar.location_service.deregister(IMPI, ContactEvent.REJECTED, now=registrar.now)


@pytest.mark.usefixtures("with_password")
def test_reauthentication_shortens_the_binding_and_demands_a_challenge(make_registrar, header, hss) -> None:
    registrar = make_registrar()
    register(registrar)
    assert registrar.register(registrar.digest("tls-yes")).startswith("SIP/2.0 200 ")
    assert registrar.location_service.reauthenticate(IMPI, within=60, now=registrar.now)
    assert registrar.told[-1] == (IMPI, [(KEY, "shortened", None)])
    assert [binding.expires_at - registrar.now for binding in hss.bindings(IMPI, now=registrar.now)] == [60]
    challenged = registrar.register(registrar.digest("tls-yes"))
    assert challenged.startswith("SIP/2.0 401 ")
    answer = registrar.answer(header(challenged, "WWW-Authenticate")[0], b"sesame", "tls-yes")
    assert registrar.register(answer).startswith("SIP/2.0 200 ")
    assert registrar.register(registrar.digest("tls-yes")).startswith("SIP/2.0 200 ")


@pytest.mark.usefixtures("with_password")
def test_reauthentication_never_makes_a_binding_longer(make_registrar, hss) -> None:
    registrar = make_registrar()
    register(registrar, "Expires: 60")
    registrar.location_service.reauthenticate(IMPI, within=600, now=registrar.now)
    assert [binding.expires_at - registrar.now for binding in hss.bindings(IMPI, now=registrar.now)] == [60]
    assert not registrar.location_service.reauthenticate("bob@ims.example", within=60, now=registrar.now)


@pytest.mark.usefixtures("with_password")
def test_a_failed_flow_leaves_the_one_that_replaced_it(make_registrar, hss) -> None:
    registrar = make_registrar()
    register(registrar)
    (binding,) = hss.bindings(IMPI, now=registrar.now)
    registrar.location_service.flow_failed(replace(binding, path=("<sip:old@192.0.2.1;lr;ob>",)), now=registrar.now)
    assert hss.bindings(IMPI, now=registrar.now) == [binding]
    registrar.location_service.flow_failed(binding, now=registrar.now)
    assert hss.bindings(IMPI, now=registrar.now) == []
    assert registrar.told[-1] == (IMPI, [(KEY, "deactivated", None)])


@pytest.mark.usefixtures("several_sets")
def test_a_deregistration_by_the_network_takes_every_registration_set(make_registrar, hss) -> None:
    registrar = make_registrar()
    register(registrar)
    register(registrar, impu="sip:work@ims.example", call_id="c2")
    assert registrar.location_service.deregister(IMPI, ContactEvent.REJECTED, now=registrar.now)
    assert hss.bindings(IMPI, now=registrar.now) == []
    assert registrar.told[-1] == (IMPI, [("sip:alice@host.invalid", "rejected", None)] * 2)


@pytest.mark.usefixtures("several_sets")
def test_what_was_stored_is_told_though_the_rest_was_not(make_registrar, hss, monkeypatch) -> None:
    registrar = make_registrar()
    register(registrar)
    register(registrar, impu="sip:work@ims.example", call_id="c2")
    change = hss.change_bindings

    def change_first(impi: str, **changes) -> None:
        if changes["registration_set"]:
            raise StorageFailed("database is locked")
        change(impi, **changes)

    monkeypatch.setattr(hss, "change_bindings", change_first)
    with pytest.raises(StorageFailed):
        registrar.location_service.deregister(IMPI, ContactEvent.REJECTED, now=registrar.now)
    assert len(hss.bindings(IMPI, now=registrar.now)) == 1
    assert registrar.told[-1] == (IMPI, [("sip:alice@host.invalid", "rejected", None)])


@pytest.mark.usefixtures("several_sets")
def test_expired_bindings_are_told_by_subscriber(make_registrar, hss) -> None:
    hss.add(make_profile("bob@ims.example", ["sip:bob@ims.example"]))
    registrar = make_registrar()
    register(registrar, "Expires: 60")
    register(registrar, "Expires: 60", impu="sip:work@ims.example", call_id="c2")
    told = len(registrar.told)
    registrar.location_service.expire(now=registrar.now)
    assert len(registrar.told) == told
    registrar.now += 60
    registrar.location_service.expire(now=registrar.now)
    assert registrar.told[told:] == [(IMPI, [(KEY, "expired", None)] * 2)]


def test_each_event_has_one_row_in_the_table() -> None:
    """The event of a change decides where a binding is: `ContactEvent.terminates` and the table agree."""
    for (_, event), following in BINDING.rows.items():
        assert event.terminates == (following is BindingState.TERMINATED)
    assert {event for _, event in BINDING.rows} == set(ContactEvent) - {ContactEvent.CREATED}


@pytest.mark.usefixtures("with_password")
def test_a_change_that_the_table_forbids_changes_nothing(make_registrar, hss) -> None:
    registrar = make_registrar()
    register(registrar)
    (binding,) = known = hss.bindings(IMPI, now=registrar.now)
    again = BindingChange(replace(binding, cseq=99), ContactEvent.REGISTERED)
    with pytest.raises(KeyError):
        registrar.location_service.change(IMPI, [again], known=known, now=registrar.now)
    assert hss.bindings(IMPI, now=registrar.now) == known
    assert len(registrar.told) == 1
