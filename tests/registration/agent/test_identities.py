"""Several identities over one flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.auth import BearerClient, Secret
from wic.errors import ConfigurationError, LocalProtocolError, RegistrationFailed
from wic.registration import (
    BindingLost,
    BindingSuspended,
    DepartureEnded,
    Deregistered,
    IdentitiesChanged,
    Refreshed,
    Registered,
    RegisterFailed,
    RegistrationFailure,
)
from wic.sip.flow import Flow
from wic.sip.message import Request
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Household

    from wic.registration import AgentEvent, Identity

FLOW = Flow("WSS", ("127.0.0.1", 40000), ("127.0.0.1", 8443), "1")

OTHER_FLOW = Flow("WSS", ("127.0.0.1", 40000), ("127.0.0.1", 8443), "2")
ALICE = Uri.parse("sip:alice@ims.example")
HOME = Uri.parse("sip:home@ims.example")
WORK = Uri.parse("sip:work@ims.example")


def kinds(told: list[AgentEvent]) -> list[tuple[str | None, type[object]]]:
    """Return the users and the kinds of the events that concern one identity."""
    return [
        (event.impu.user, type(event))
        for event in told
        if isinstance(event, Registered | Refreshed | Deregistered | RegistrationFailure)
    ]


def users(household: Household) -> list[str | None]:
    """Return the users that are registered."""
    return [binding.impu.user for binding in household.agent.bindings]


@pytest.fixture
def three(household: Household) -> Household:
    """Three identities that are registered."""
    household.agent.register(FLOW, now=0)
    household.agent.add(HOME, now=0)
    household.agent.add(WORK, now=0)
    told = household.accept() + household.accept() + household.accept()
    assert kinds(told) == [("alice", Registered), ("home", Registered), ("work", Registered)]
    return household


def test_one_register_after_the_other(three: Household) -> None:
    """TS 24.229 §5.1.1.2.1."""
    assert [str(request.to.uri) for request in three.sent] == [str(ALICE), str(HOME), str(WORK)]
    assert len({request.call_id for request in three.sent}) == 3
    assert len({request.headers.get("Contact") for request in three.sent}) == 1
    assert users(three) == ["alice", "home", "work"]


def test_an_agent_without_a_connection(household: Household) -> None:
    agent = household.agent
    assert (agent.leading, str(agent.leading_impu), agent.bindings, agent.lives) == (None, str(ALICE), (), False)
    assert agent.next_timeout() is None
    assert str(agent.contact) == "sip:alice@x7k2.invalid;transport=ws"
    assert agent.identities.usable == ()
    assert agent.choose(None) == (ALICE, None)
    with pytest.raises(ConfigurationError, match=r"not an identity of this account"):
        agent.choose(HOME)
    with pytest.raises(LocalProtocolError, match="no connection"):
        agent.add(HOME, now=0)
    agent.deregister(now=0)
    assert not agent.is_leaving


def test_an_identity_of_the_account_is_added_before_its_turn(make_household: Callable[..., Household]) -> None:
    household = make_household(impus=(HOME, WORK))
    household.agent.register(FLOW, now=0)
    household.accept()
    assert household.agent.add(WORK, now=0)
    assert kinds(household.accept() + household.accept()) == [("home", Registered), ("work", Registered)]


def test_an_identity_that_is_registered_is_not_added(household: Household) -> None:
    household.agent.register(FLOW, now=0)
    household.accept()
    assert not household.agent.add(Uri.parse("sip:alice@IMS.example"), now=0)
    assert household.endpoint.to_send() == []


def test_an_identity_is_added_once(household: Household) -> None:
    household.agent.register(FLOW, now=0)
    assert household.agent.add(HOME, now=0)
    assert household.agent.add(Uri.parse("sip:home@IMS.example"), now=0)
    assert kinds(household.accept() + household.accept()) == [("alice", Registered), ("home", Registered)]
    assert household.endpoint.to_send() == []


def test_an_identity_that_waits_for_its_turn_is_refused_and_forgotten(household: Household) -> None:
    household.agent.register(FLOW, now=0)
    household.agent.add(HOME, now=0)
    household.accept()
    assert kinds(household.answer(403)) == [("home", RegisterFailed)]
    assert household.agent.lives
    household.cut()
    household.flow = OTHER_FLOW
    household.agent.register(OTHER_FLOW, now=1)
    assert kinds(household.accept()) == [("alice", Refreshed)]
    assert household.endpoint.to_send() == []


@pytest.mark.parametrize("status", [503, 480])
def test_an_identity_that_is_refused_for_now_is_tried_for(household: Household, status: int) -> None:
    household.agent.register(FLOW, now=0)
    household.agent.add(HOME, now=0)
    household.accept()
    assert kinds(household.answer(status, ("Retry-After", 30))) == [("home", RegisterFailed)]
    household.wait()
    assert household.now == 30
    assert kinds(household.accept()) == [("home", Registered)]


def test_an_identity_that_is_added_while_the_flow_is_lost_is_registered_over_the_next(household: Household) -> None:
    household.agent.register(FLOW, now=0)
    household.accept()
    household.agent.add(HOME, now=0)
    household.take()
    assert kinds(household.cut()) == [("home", RegisterFailed), ("alice", BindingSuspended)]
    household.flow = OTHER_FLOW
    assert household.agent.add(HOME, now=1), "the caller still waits"
    household.agent.register(OTHER_FLOW, now=1)
    assert kinds(household.accept() + household.accept()) == [("alice", Refreshed), ("home", Registered)]


def test_an_identity_that_was_refused_before_is_begun_anew(make_household: Callable[..., Household]) -> None:
    household = make_household(impus=(HOME, WORK))
    household.agent.register(FLOW, now=0)
    household.accept()
    assert kinds(household.answer(403)) == [("home", RegisterFailed)]
    household.agent.add(HOME, now=0)
    assert kinds(household.accept() + household.accept()) == [("work", Registered), ("home", Registered)]
    assert users(household) == ["alice", "home", "work"]


def test_identities_of_the_account_are_registered_unless_the_network_does_it(
    make_household: Callable[..., Household],
) -> None:
    household = make_household(impus=(HOME, ALICE, WORK))
    household.agent.register(FLOW, now=0)
    told = household.accept(7200, ("P-Associated-URI", f"<{ALICE}>, <{WORK}>"))
    told += household.accept(7200, ("P-Associated-URI", f"<{HOME}>"))
    assert kinds(told) == [("alice", Registered), ("home", Registered)]
    assert household.endpoint.to_send() == []
    (changed,) = [event for event in told if isinstance(event, IdentitiesChanged)]
    assert [uri.user for uri in changed.identities.usable] == ["alice", "work", "home"]
    assert household.agent.choose(HOME) == (HOME, household.agent.bindings[1])
    assert household.agent.choose(None) == (ALICE, household.agent.bindings[0])


def test_an_identity_that_was_given_up_stays_away(make_household: Callable[..., Household]) -> None:
    """TS 24.229 §5.1.1.6: no refresh of the main identity brings it back."""
    household = make_household(impus=(HOME,))
    household.agent.register(FLOW, now=0)
    household.accept()
    household.accept()
    household.agent.deregister(HOME, now=0)
    household.accept()
    household.agent.refresh(now=1)
    assert kinds(household.accept()) == [("alice", Refreshed)]
    assert household.endpoint.to_send() == []


def test_an_identity_that_leaves_is_not_added(three: Household) -> None:
    three.agent.deregister(HOME, now=5)
    with pytest.raises(LocalProtocolError, match="is being deregistered"):
        three.agent.add(HOME, now=5)
    three.accept()
    assert three.agent.add(HOME, now=5)
    assert kinds(three.accept()) == [("home", Registered)]


def test_an_identity_added_again_outlives_the_flow_it_waits_for(three: Household) -> None:
    three.agent.deregister(HOME, now=5)
    three.agent.deregister(ALICE, now=5)
    three.accept()
    three.accept()
    three.agent.refresh(now=5)
    for impu in (ALICE, HOME):
        three.agent.add(impu, now=5)
    three.take()
    three.cut()
    three.flow = OTHER_FLOW
    three.agent.register(OTHER_FLOW, now=6)
    told = three.accept() + three.accept() + three.accept()
    assert kinds(told) == [("alice", Registered), ("work", Refreshed), ("home", Registered)]


def test_an_identity_is_added_again_after_a_refresh_that_is_not_for_it(three: Household) -> None:
    """A refresh of all waits for its turn, and comes to nothing for the main identity, which was given up."""
    three.agent.deregister(ALICE, now=5)
    three.accept()
    three.agent.refresh(now=5)
    three.agent.refresh(now=5)
    assert three.agent.add(ALICE, now=5)
    told = [event for _ in range(4) for event in three.accept()]
    assert kinds(told) == [("home", Refreshed), ("work", Refreshed), ("home", Refreshed), ("alice", Registered)]


def test_refreshes_take_turns(three: Household) -> None:
    three.wait()
    assert three.now == 6600
    three.agent.handle_timeout(now=three.now)
    assert three.agent.next_timeout() == 7200  # of the one on its way; the others wait for it
    told = three.accept()
    three.wait()
    told += three.accept()
    three.wait()
    told += three.accept()
    assert kinds(told) == [("alice", Refreshed), ("home", Refreshed), ("work", Refreshed)]
    assert three.now == 6600


def test_all_are_refreshed_at_once(three: Household) -> None:
    three.agent.refresh(now=10)
    told = three.accept() + three.accept() + three.accept()
    assert kinds(told) == [("alice", Refreshed), ("home", Refreshed), ("work", Refreshed)]


def test_only_registered_identities_are_refreshed(household: Household) -> None:
    household.agent.refresh(now=0)
    assert household.endpoint.to_send() == []


def test_one_identity_is_removed(three: Household) -> None:
    """TS 24.371 §6A.2, TS 24.229 §5.1.1.6."""
    three.agent.deregister(HOME, now=5)
    assert kinds(three.accept()) == [("home", Deregistered)]
    assert (str(three.sent[-1].to.uri), three.sent[-1].expires) == (str(HOME), 0)
    assert users(three) == ["alice", "work"]
    three.agent.deregister(HOME, now=6)
    assert three.endpoint.to_send() == []


def test_all_are_removed_the_main_one_last(three: Household) -> None:
    three.agent.deregister(now=5)
    told = three.accept() + three.accept() + three.accept()
    assert kinds(told) == [("work", Deregistered), ("home", Deregistered), ("alice", Deregistered)]
    assert users(three) == []
    assert not three.agent.lives


def test_an_identity_that_is_refused_does_not_stop_the_others(household: Household) -> None:
    household.agent.register(FLOW, now=0)
    household.agent.add(HOME, now=0)
    assert kinds(household.answer(403)) == [("alice", RegisterFailed)]
    assert kinds(household.accept()) == [("home", Registered)]


def test_all_are_taken_over_to_a_new_flow(three: Household) -> None:
    assert kinds(three.cut()) == [("alice", BindingSuspended), ("home", BindingSuspended), ("work", BindingSuspended)]
    three.flow = OTHER_FLOW
    three.agent.register(OTHER_FLOW, now=1)
    told = three.accept() + three.accept() + three.accept()
    assert kinds(told) == [("alice", Refreshed), ("home", Refreshed), ("work", Refreshed)]
    three.agent.add(Uri.parse("sip:fourth@ims.example"), now=2)
    assert kinds(three.accept()) == [("fourth", Registered)]


def test_a_flow_that_is_lost_while_others_wait_for_their_turn(three: Household) -> None:
    three.agent.refresh(now=5)
    three.agent.deregister(WORK, now=5)
    three.take()
    told = three.cut()
    assert kinds(told) == [
        ("alice", BindingSuspended),
        ("home", BindingSuspended),
        ("work", BindingSuspended),
        ("work", Deregistered),
    ]
    assert three.endpoint.to_send() == []


def test_each_registration_that_does_not_come_back_is_lost(three: Household) -> None:
    three.cut()
    three.wait()
    assert kinds(three.drain()) == [("alice", BindingLost), ("home", BindingLost), ("work", BindingLost)]


def test_a_restoration_concerns_all(household: Household) -> None:
    route = ("Service-Route", "<sip:scscf.example;lr>")
    household.agent.register(FLOW, now=0)
    household.agent.add(HOME, now=0)
    household.accept(7200, route)
    household.accept(7200, route)
    body = (
        b'<ims-3gpp version="1"><alternative-service><type>restoration</type><reason/>'
        b"<action>initial-registration</action></alternative-service></ims-3gpp>"
    )
    headers = [("Content-Type", "application/3gpp-ims+xml"), ("P-Asserted-Identity", "<sip:scscf.example;lr>")]
    invite = Request.build(
        "MESSAGE", "sip:b", [("From", "<sip:a>;tag=1"), ("To", "<sip:b>"), ("Call-ID", "x"), ("CSeq", "1 MESSAGE")]
    )
    household.now = 5
    household.endpoint.send_request(invite, FLOW, now=5)
    household.answer(504, *headers, body=body)
    assert len(household.foreign) == 1, "it belongs to the request as well"
    household.wait()
    told = household.accept(7200, route)
    household.wait()
    told += household.accept(7200, route)
    assert kinds(told) == [("alice", Refreshed), ("home", Refreshed)]
    assert household.now == 5


def test_an_ended_identity_comes_back_only_when_it_is_added_again(three: Household) -> None:
    three.agent.deregister(ALICE, now=5)
    three.accept()
    assert three.agent.leading_impu == HOME
    three.cut()
    three.flow = OTHER_FLOW
    three.agent.register(OTHER_FLOW, now=7)
    assert kinds(three.accept() + three.accept()) == [("home", Refreshed), ("work", Refreshed)]
    assert three.endpoint.to_send() == []
    three.agent.add(ALICE, now=8)
    assert kinds(three.accept()) == [("alice", Registered)]
    assert three.agent.leading_impu == HOME
    assert users(three) == ["alice", "home", "work"]


def test_another_token_does_not_undo_commands_that_wait(three: Household) -> None:
    """A deregistration that waits for its turn, and a first registration, are not replaced by a refresh."""
    three.agent.refresh(now=5)
    three.agent.deregister(WORK, now=5)
    fourth = Uri.parse("sip:fourth@ims.example")
    three.agent.add(fourth, now=5)
    three.agent.refresh(now=5)
    three.agent.register(FLOW, now=5)
    told = []
    while three.agent.is_leaving or len(three.agent.bindings) < 3:
        told += three.accept()
    assert ("work", Deregistered) in kinds(told)
    assert ("work", Refreshed) not in kinds(told)
    assert ("fourth", Registered) in kinds(told)
    assert users(three) == ["alice", "home", "fourth"]


def test_another_token_does_not_undo_a_deregistration_on_its_way(three: Household) -> None:
    three.agent.deregister(ALICE, now=5)
    removal = three.take()
    three.agent.register(FLOW, now=5)
    told = three.grant(removal) + three.accept() + three.accept()
    assert kinds(told) == [("alice", Deregistered), ("home", Refreshed), ("work", Refreshed)]
    assert three.endpoint.to_send() == []


def test_an_identity_that_is_registered_leads_before_one_that_is_tried_for(household: Household) -> None:
    household.agent.register(FLOW, now=0)
    household.accept()
    household.agent.add(HOME, now=0)
    household.answer(503, ("Retry-After", 30))
    household.agent.add(WORK, now=0)
    household.accept()
    household.agent.deregister(ALICE, now=0)
    household.accept()
    assert household.agent.leading_impu == WORK


def test_a_main_identity_that_is_added_again_leads(make_household: Callable[..., Household]) -> None:
    household = make_household(impus=(HOME,))
    household.agent.register(FLOW, now=0)
    household.take()
    household.cut()
    assert household.agent.add(ALICE, now=1)
    told = household.accept() + household.accept()
    assert kinds(told) == [("alice", Registered), ("home", Registered)]
    assert household.agent.leading is not None
    assert household.agent.leading.binding == household.agent.bindings[0]


def test_the_agent_lives_while_its_main_identity_waits_for_another_connection(household: Household) -> None:
    household.agent.register(FLOW, now=0)
    household.take()
    household.cut()
    assert household.agent.lives
    household.flow = OTHER_FLOW
    household.agent.register(OTHER_FLOW, now=1)
    household.answer(403)
    assert not household.agent.lives


def test_the_agent_lives_while_an_identity_waits_for_its_turn(household: Household) -> None:
    household.agent.register(FLOW, now=0)
    household.accept()
    household.agent.deregister(ALICE, now=5)
    assert not household.agent.lives
    household.agent.add(HOME, now=5)
    assert household.agent.lives


def test_the_agent_lives_while_a_further_identity_waits_for_another_connection(household: Household) -> None:
    household.agent.register(FLOW, now=0)
    household.accept()
    household.agent.add(HOME, now=0)
    household.cut()
    household.agent.deregister(ALICE, now=5)
    assert household.agent.lives
    assert household.agent.leading_impu == HOME


def test_a_refresh_gives_no_life_to_an_identity_that_was_refused(household: Household) -> None:
    household.agent.register(FLOW, now=0)
    household.accept()
    household.agent.add(HOME, now=0)
    household.answer(503)
    household.agent.handle_timeout(now=30)
    household.answer(403)
    household.agent.deregister(ALICE, now=100)
    household.agent.refresh(now=100)
    assert not household.agent.lives


def test_a_deregistration_that_is_forsaken_says_why(three: Household) -> None:
    late = RegistrationFailed("the network did not answer within 5 s")
    three.agent.deregister(WORK, now=5)
    three.agent.deregister(HOME, now=5)
    assert three.agent.is_leaving
    three.agent.forsake(late)
    assert not three.agent.is_leaving
    three.take()
    told = [event for event in three.cut() if isinstance(event, Deregistered)]
    assert told == [Deregistered(WORK, late), Deregistered(HOME, late)]


def test_a_deregistration_that_is_confirmed_late_is_confirmed(three: Household) -> None:
    three.agent.deregister(WORK, now=5)
    three.agent.forsake(RegistrationFailed("the network did not answer within 5 s"))
    told = three.accept()
    assert told[0] == Deregistered(WORK)
    assert told[1] == DepartureEnded()


def test_a_registration_that_was_lost_before_leaves_without_a_word(household: Household) -> None:
    household.agent.register(FLOW, now=0)
    household.accept()
    household.wait()
    assert kinds(household.answer(403)) == [("alice", BindingLost)]
    household.agent.deregister(now=household.now)
    assert household.drain() == [DepartureEnded()]


def test_a_registration_that_is_about_to_go_registers_no_others(make_household: Callable[..., Household]) -> None:
    household = make_household(impus=(HOME,))
    household.agent.register(FLOW, now=0)
    household.agent.deregister(now=0)
    assert kinds(household.accept() + household.accept()) == [("alice", Registered), ("alice", Deregistered)]
    assert household.endpoint.to_send() == []


def test_registrations_without_a_backoff_do_not_try_again(make_household: Callable[..., Household]) -> None:
    household = make_household(make_backoff=None)
    household.agent.register(FLOW, now=0)
    assert kinds(household.answer(500)) == [("alice", RegisterFailed)]
    assert household.agent.next_timeout() is None


def test_another_token_lets_those_register_whose_token_was_refused(
    make_household: Callable[..., Household], identity: Identity
) -> None:
    """RFC 8898 §2.1.3: as often as there is another one; those that were refused for another reason stay away."""
    bearer = BearerClient(token=Secret("old"))
    household = make_household(impus=(HOME, WORK), credentials=bearer)
    household.agent.register(FLOW, now=0)
    household.accept()
    household.answer(403)
    for _ in range(2):  # the second time in a row is the end
        household.answer(401, ("WWW-Authenticate", 'Bearer realm="ims.example", error="invalid_token"'))
        household.agent.register(FLOW, now=0)
        household.accept()
    assert household.endpoint.to_send() == []
    household.agent.renewed(now=0)
    assert kinds(household.accept()) == [("work", Registered)]
    assert household.endpoint.to_send() == []


def test_a_wait_that_the_network_asks_for_outlives_the_flow(household: Household) -> None:
    """RFC 3261 §20.33."""
    household.agent.register(FLOW, now=0)
    household.agent.add(HOME, now=0)
    household.accept()
    household.answer(480, ("Retry-After", 30))
    household.cut()
    household.flow = OTHER_FLOW
    household.agent.register(OTHER_FLOW, now=1)
    assert kinds(household.accept()) == [("alice", Refreshed)]
    assert household.endpoint.to_send() == []
    with pytest.raises(RegistrationFailed, match=r"asks to wait 28 s more before sip:home@ims\.example"):
        household.agent.add(HOME, now=2)
    household.wait()
    assert household.now == 30
    assert kinds(household.accept()) == [("home", Registered)]
