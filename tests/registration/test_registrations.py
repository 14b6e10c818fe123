"""Several identities over one flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.errors import LocalProtocolError
from wic.registration import (
    BindingCreated,
    BindingLost,
    BindingRefreshed,
    BindingRemoved,
    BindingSuspended,
    RegisterFailed,
    RegistrationState,
)
from wic.sip.flow import Flow
from wic.sip.message import Response
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from conftest import Household

    from wic.registration import Registration, RegistrationEvent

OTHER_FLOW = Flow("WSS", ("127.0.0.1", 40000), ("127.0.0.1", 8443), "2")
ALICE = Uri.parse("sip:alice@ims.example")
HOME = Uri.parse("sip:home@ims.example")
WORK = Uri.parse("sip:work@ims.example")


def kinds(told: list[tuple[Registration, RegistrationEvent]]) -> list[tuple[str | None, type[object]]]:
    return [(registration.identity.impu.user, type(event)) for registration, event in told]


@pytest.fixture
def three(household: Household) -> Household:
    """Three identities that are registered."""
    household.registrations.register_all(now=0)
    household.registrations.add(HOME, now=0)
    household.registrations.add(WORK, now=0)
    told = household.accept() + household.accept() + household.accept()
    assert kinds(told) == [("alice", BindingCreated), ("home", BindingCreated), ("work", BindingCreated)]
    return household


def test_one_register_after_the_other(three: Household) -> None:
    """TS 24.229 §5.1.1.2.1."""
    assert [str(request.to.uri) for request in three.sent] == [str(ALICE), str(HOME), str(WORK)]
    assert len({request.call_id for request in three.sent}) == 3
    assert len({request.headers.get("Contact") for request in three.sent}) == 1
    assert len(three.registrations) == 3
    assert HOME in three.registrations
    assert three.registrations[HOME].binding is not None


def test_the_main_identity_is_there_from_the_beginning(household: Household) -> None:
    (registration,) = household.registrations
    assert household.registrations[ALICE] is registration
    assert registration.state is RegistrationState.UNREGISTERED
    assert household.registrations.next_timeout() is None
    with pytest.raises(KeyError):
        household.registrations[HOME]


def test_an_identity_is_added_once(household: Household) -> None:
    with pytest.raises(LocalProtocolError, match="already"):
        household.registrations.add(Uri.parse("sip:alice@IMS.example"), now=0)


def test_what_waits_for_its_turn_is_on_its_way(household: Household) -> None:
    household.registrations.register_all(now=0)
    household.registrations.add(HOME, now=0)
    assert household.registrations.is_active(ALICE)
    assert household.registrations.is_active(HOME)
    assert not household.registrations.is_active(WORK)
    household.accept()
    household.answer(403)
    assert [household.registrations.is_active(each) for each in (ALICE, HOME, WORK)] == [True, False, False]


def test_what_is_added_again_outlives_the_flow_it_waits_for(three: Household) -> None:
    three.registrations.remove(HOME, now=5)
    three.registrations.remove(ALICE, now=5)
    three.accept()
    three.accept()
    three.registrations[WORK].refresh(now=5)
    for impu in (ALICE, HOME):
        three.registrations.add(impu, now=5)
    three.take()
    three.cut()
    three.flow = OTHER_FLOW
    three.registrations.register_all(now=6, flow=OTHER_FLOW)
    told = three.accept() + three.accept() + three.accept()
    assert kinds(told) == [("alice", BindingCreated), ("work", BindingRefreshed), ("home", BindingCreated)]


def test_refreshes_take_turns(three: Household) -> None:
    three.wait()
    assert three.now == 6600
    three.registrations.handle_timeout(now=three.now)
    assert three.registrations.next_timeout() == 7200  # of the one on its way; the others wait for it
    told = three.accept()
    three.wait()
    told += three.accept()
    three.wait()
    told += three.accept()
    assert kinds(told) == [("alice", BindingRefreshed), ("home", BindingRefreshed), ("work", BindingRefreshed)]
    assert three.now == 6600


def test_all_are_refreshed_at_once(three: Household) -> None:
    three.registrations.refresh_all(now=10)
    told = three.accept() + three.accept() + three.accept()
    assert {type(event) for _, event in told} == {BindingRefreshed}


def test_only_what_is_registered_is_refreshed(household: Household) -> None:
    household.registrations.refresh_all(now=0)
    assert household.endpoint.to_send() == []


def test_one_identity_is_removed(three: Household) -> None:
    """TS 24.371 §6A.2, TS 24.229 §5.1.1.6."""
    three.registrations.remove(HOME, now=5)
    assert kinds(three.accept()) == [("home", BindingRemoved)]
    assert (str(three.sent[-1].to.uri), three.sent[-1].expires) == (str(HOME), 0)
    assert HOME not in three.registrations
    three.registrations.remove(HOME, now=6)
    assert three.endpoint.to_send() == []


def test_all_are_removed_the_main_one_last(three: Household) -> None:
    three.registrations.deregister_all(now=5)
    told = three.accept() + three.accept() + three.accept()
    assert kinds(told) == [("work", BindingRemoved), ("home", BindingRemoved), ("alice", BindingRemoved)]
    assert [registration.identity.impu for registration in three.registrations] == [ALICE]


def test_an_identity_that_is_refused_does_not_stop_the_others(household: Household) -> None:
    household.registrations.register_all(now=0)
    household.registrations.add(HOME, now=0)
    assert kinds(household.answer(403)) == [("alice", RegisterFailed)]
    assert kinds(household.accept()) == [("home", BindingCreated)]


def test_all_are_taken_over_to_a_new_flow(three: Household) -> None:
    assert kinds(three.cut()) == [("alice", BindingSuspended), ("home", BindingSuspended), ("work", BindingSuspended)]
    three.flow = OTHER_FLOW
    three.registrations.register_all(now=1, flow=OTHER_FLOW)
    told = three.accept() + three.accept() + three.accept()
    assert kinds(told) == [("alice", BindingRefreshed), ("home", BindingRefreshed), ("work", BindingRefreshed)]
    three.registrations.add(Uri.parse("sip:fourth@ims.example"), now=2)
    assert kinds(three.accept()) == [("fourth", BindingCreated)]


def test_a_flow_that_is_lost_while_others_wait_for_their_turn(three: Household) -> None:
    three.registrations.refresh_all(now=5)
    three.registrations.remove(WORK, now=5)
    three.take()
    told = three.cut()
    assert kinds(told) == [
        ("alice", BindingSuspended),
        ("home", BindingSuspended),
        ("work", BindingSuspended),
        ("work", BindingRemoved),
    ]
    assert three.endpoint.to_send() == []


def test_what_does_not_come_back_is_lost_for_each(three: Household) -> None:
    three.cut()
    three.wait()
    assert kinds(three.drain()) == [("alice", BindingLost), ("home", BindingLost), ("work", BindingLost)]


def test_a_restoration_concerns_all(household: Household) -> None:
    route = ("Service-Route", "<sip:scscf.example;lr>")
    household.registrations.register_all(now=0)
    household.registrations.add(HOME, now=0)
    household.accept(7200, route)
    household.accept(7200, route)
    body = (
        b'<ims-3gpp version="1"><alternative-service><type>restoration</type><reason/>'
        b"<action>initial-registration</action></alternative-service></ims-3gpp>"
    )
    headers = [("Content-Type", "application/3gpp-ims+xml"), ("P-Asserted-Identity", "<sip:scscf.example;lr>")]
    assert household.registrations.restore(Response.build(504, headers=headers, body=body), now=5)
    household.wait()
    told = household.accept(7200, route)
    household.wait()
    told += household.accept(7200, route)
    assert kinds(told) == [("alice", BindingRefreshed), ("home", BindingRefreshed)]
    assert household.now == 5
    assert not household.registrations.restore(Response.build(504), now=5)


def test_what_was_ended_comes_back_only_when_it_is_added_again(three: Household) -> None:
    """TS 24.229 §5.1.1.7: no automatic registration after `rejected`."""
    three.registrations.remove(ALICE, now=5)
    three.accept()
    three.registrations[HOME].lose("rejected", now=6)
    assert kinds(three.drain()) == [("home", BindingLost)]
    three.cut()
    three.flow = OTHER_FLOW
    three.registrations.register_all(now=7, flow=OTHER_FLOW)
    assert kinds(three.accept()) == [("work", BindingRefreshed)]
    assert three.endpoint.to_send() == []
    three.registrations.add(ALICE, now=8)
    assert kinds(three.accept()) == [("alice", BindingCreated)]
    assert not three.registrations[ALICE].ended
