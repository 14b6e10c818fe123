from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from wic.registration.reg_event.reginfo import (
    AorState,
    ContactEvent,
    ContactInfo,
    ContactState,
    RegInfo,
    RegistrationInfo,
)
from wic.registration.reg_event.table import Fit, RegistrationTable


def document(version: int, *told: tuple[str, str, bool], full: bool = False) -> RegInfo:
    """Make a document of triples: registration, contact, whether it is bound."""
    registrations = []
    for id in dict.fromkeys(each[0] for each in told):
        contacts = {
            name: ContactInfo(
                id=name,
                uri=f"sip:{name}@h",
                state=ContactState.ACTIVE if bound else ContactState.TERMINATED,
                event=ContactEvent.REGISTERED if bound else ContactEvent.EXPIRED,
            )
            for owner, name, bound in told
            if owner == id
        }
        state = AorState.ACTIVE
        registrations.append(RegistrationInfo(aor=f"sip:{id}@d", id=id, state=state, contacts=tuple(contacts.values())))
    return RegInfo(version=version, full=full, registrations=tuple(registrations))


def names(table: RegistrationTable) -> list[tuple[str, str]]:
    return [(each.aor, each.info.id) for each in table]


def test_how_documents_follow_each_other() -> None:
    table = RegistrationTable()
    assert table.fit(document(0)) is Fit.GAP
    assert table.fit(document(5, full=True)) is Fit.NEXT
    table.apply(document(5, full=True))
    fits = {version: table.fit(document(version)) for version in (4, 5, 6, 7)}
    assert fits == {4: Fit.STALE, 5: Fit.STALE, 6: Fit.NEXT, 7: Fit.GAP}
    assert table.fit(document(0, full=True)) is Fit.NEXT
    table.begin()
    assert table.fit(document(6)) is Fit.GAP


def test_the_order_is_that_of_the_full_document() -> None:
    table = RegistrationTable()
    table.apply(document(0, ("a", "1", True), ("b", "2", True), full=True))
    table.apply(document(1, ("a", "1", False), ("a", "3", True)))
    assert names(table) == [("sip:a@d", "3"), ("sip:b@d", "2")]
    table.apply(document(2, ("b", "2", True), ("a", "3", True), full=True))
    assert names(table) == [("sip:b@d", "2"), ("sip:a@d", "3")]


def test_ended_contacts_were_bound_or_named_as_ended() -> None:
    table = RegistrationTable()
    change = table.apply(document(0, ("a", "1", True), ("a", "2", False), full=True))
    assert [each.info.id for each in change.ended] == ["2"]
    assert [each.info.id for each in change.active] == ["1"]
    change = table.apply(document(1, ("a", "1", True), full=True))
    assert (change.ended, change.active) == ((), ())
    change = table.apply(document(2, full=True))
    assert [(each.aor, each.info.event) for each in change.ended] == [("sip:a@d", ContactEvent.EXPIRED)]


def test_an_end_keeps_the_event_it_was_told_with() -> None:
    table = RegistrationTable()
    table.apply(document(0, ("a", "1", True), ("a", "2", True), full=True))
    (registration,) = document(1, ("a", "1", False), ("a", "2", False)).registrations
    events = (ContactEvent.UNREGISTERED, ContactEvent.REFRESHED)
    contacts = tuple(replace(each, event=event) for each, event in zip(registration.contacts, events, strict=True))
    change = table.apply(RegInfo(version=1, full=False, registrations=(replace(registration, contacts=contacts),)))
    assert [each.info.event for each in change.ended] == [ContactEvent.UNREGISTERED, ContactEvent.EXPIRED]


triples = st.tuples(st.sampled_from("abc"), st.sampled_from("123"), st.booleans())


@given(st.lists(st.tuples(st.booleans(), st.lists(triples, max_size=6)), max_size=8))
def test_partial_documents_add_up_to_a_full_one(steps: list[tuple[bool, list[tuple[str, str, bool]]]]) -> None:
    table = RegistrationTable()
    table.apply(document(0, full=True))
    model: set[tuple[str, str]] = set()
    for version, (full, told) in enumerate(steps, start=1):
        last = {(owner, name): bound for owner, name, bound in told}
        if full:
            model = set()
        model = {key for key in model if last.get(key, True)} | {key for key, bound in last.items() if bound}
        given_ = document(version, *((owner, name, bound) for (owner, name), bound in last.items()), full=full)
        assert table.fit(given_) is Fit.NEXT
        table.apply(given_)
        assert {(aor[4], id) for aor, id in names(table)} == model
