"""Consequences of what the network says about registrations, by the subscription to reg-event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from wic.errors import LocalProtocolError
from wic.registration import (
    BindingLost,
    DepartureEnded,
    Deregistered,
    IdentitiesChanged,
    Refreshed,
    Registered,
    RegistrationFailure,
)
from wic.registration.recovery import Remedy
from wic.registration.reg_event.reginfo import (
    REGINFO,
    AorState,
    ContactEvent,
    ContactInfo,
    ContactState,
    RegInfo,
    RegistrationInfo,
)
from wic.sip.dialog import Dialog
from wic.sip.flow import Flow
from wic.sip.message import Request, Response
from wic.sip.parser import parse
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Household

    from wic.registration import AgentEvent

FLOW = Flow("WSS", ("127.0.0.1", 40000), ("127.0.0.1", 8443), "1")
ALICE = Uri.parse("sip:alice@ims.example")
HOME = Uri.parse("sip:home@ims.example")
WORK = Uri.parse("sip:work@ims.example")


@dataclass
class Notifier:
    """The registrar's end of the subscription, and the user that it watches."""

    household: Household
    dialog: Dialog | None = None
    version: int = -1
    uri: str = "sip:alice@x7k2.invalid;transport=ws"
    """The address of the contact."""

    def take(self) -> Request:
        """Take the SUBSCRIBE that is on its way."""
        (transmit,) = self.household.endpoint.to_send()
        request = parse(transmit.data)
        assert isinstance(request, Request)
        assert request.method == "SUBSCRIBE"
        return request

    def grant(self) -> Request:
        """Accept the SUBSCRIBE that is on its way."""
        request = self.take()
        contact = ("Contact", "<sip:scscf@ims.example>")
        answer = Response.answer(request, 200, to_tag="s", headers=[contact, ("Expires", 600000)])
        self.dialog = Dialog.from_request(request, answer)
        self.version = -1
        assert self.household.reply(answer) == []
        return request

    def notify(
        self, *told: RegistrationInfo, state: str = "active;expires=600000", **users: ContactEvent
    ) -> list[AgentEvent]:
        """Say what became of the contact at each user's address-of-record."""
        assert self.dialog is not None
        self.version += 1
        registrations = told + tuple(self.registration(user, event) for user, event in users.items())
        body = RegInfo(version=self.version, full=True, registrations=registrations).to_xml()
        headers = [
            ("Via", f"SIP/2.0/WSS p.invalid;branch=z9hG4bK{self.dialog.local_cseq}"),
            ("Contact", "<sip:scscf@ims.example>"),
            ("Event", "reg"),
            ("Subscription-State", state),
            ("Content-Type", REGINFO),
        ]
        request = self.dialog.create_request("NOTIFY", headers, body)
        self.household.endpoint.receive(request.to_bytes(), self.household.flow, now=self.household.now)
        told = self.household.drain()
        self.answers = self.household.endpoint.to_send()
        assert self.answers[0].data.startswith(b"SIP/2.0 200")
        return told

    def registration(self, user: str, event: ContactEvent) -> RegistrationInfo:
        ends = event.terminates
        contact = ContactInfo(
            id=f"c-{user}",
            uri=self.uri,
            unknown_params=(("+sip.instance", '"<urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128>"'), ("reg-id", "1")),
            state=ContactState.TERMINATED if ends else ContactState.ACTIVE,
            event=event,
            expires=600 if event is ContactEvent.SHORTENED else None,
        )
        state = AorState.TERMINATED if ends else AorState.ACTIVE
        return RegistrationInfo(aor=f"sip:{user}@ims.example", id=user, state=state, contacts=(contact,))


@pytest.fixture
def watched(make_household: Callable[..., Household]) -> tuple[Household, Notifier]:
    """A user who is registered, and whose subscription the registrar has accepted."""
    household = make_household(reg_event=True)
    household.agent.register(FLOW, now=0)
    household.accept()
    notifier = Notifier(household)
    assert str(notifier.grant().to.uri) == str(ALICE)
    assert notifier.notify(alice=ContactEvent.REGISTERED) == []
    return household, notifier


@pytest.fixture
def watched_with_home(watched: tuple[Household, Notifier]) -> tuple[Household, Notifier]:
    """The same user with a further identity."""
    household, notifier = watched
    household.agent.add(HOME, now=0)
    household.accept()
    return household, notifier


def failures(told: list[AgentEvent]) -> list[tuple[str | None, Remedy, float | None]]:
    return [
        (each.impu.user, each.recovery.remedy, each.retry_after)
        for each in told
        if isinstance(each, RegistrationFailure)
    ]


@pytest.mark.parametrize(
    ("event", "remedy", "after"),
    [
        (ContactEvent.DEACTIVATED, Remedy.RETRY, 0.0),
        (ContactEvent.EXPIRED, Remedy.RETRY, 0.0),
        (ContactEvent.PROBATION, Remedy.RETRY, 60.0),
        (ContactEvent.REJECTED, Remedy.GIVE_UP, None),
        (ContactEvent.UNREGISTERED, Remedy.GIVE_UP, None),
    ],
)
def test_the_network_ends_the_registration(
    watched: tuple[Household, Notifier], event: ContactEvent, remedy: Remedy, after: float | None
) -> None:
    """TS 24.229 §5.1.1.7: the subscription ends with the registration; each registration has its own."""
    household, notifier = watched
    assert failures(notifier.notify(alice=event)) == [("alice", remedy, after)]
    assert household.agent.lives == (after is not None)
    if after is not None:
        household.wait()
        assert household.now == after
        household.accept()
        assert notifier.grant().call_id


def test_one_identity_of_two_is_ended_for_good(watched_with_home: tuple[Household, Notifier]) -> None:
    """The other one leads from then on, and is watched; no connection brings the first one back."""
    household, notifier = watched_with_home
    told = notifier.notify(alice=ContactEvent.REJECTED, home=ContactEvent.REGISTERED)
    assert failures(told) == [("alice", Remedy.GIVE_UP, None)]
    assert household.agent.leading_impu == HOME
    subscribe = parse(notifier.answers[-1].data)
    assert isinstance(subscribe, Request)
    assert (subscribe.method, str(subscribe.to.uri)) == ("SUBSCRIBE", str(HOME))
    household.agent.register(FLOW, now=1)
    assert [type(each) for each in household.accept()] == [Refreshed]
    assert household.endpoint.to_send() == []


def test_all_identities_are_ended_at_once(watched_with_home: tuple[Household, Notifier]) -> None:
    household, notifier = watched_with_home
    told = notifier.notify(alice=ContactEvent.REJECTED)
    assert failures(told) == [("alice", Remedy.GIVE_UP, None), ("home", Remedy.GIVE_UP, None)]
    assert not household.agent.lives


def test_a_registration_that_is_shortened_is_renewed(watched_with_home: tuple[Household, Notifier]) -> None:
    """TS 24.229 §5.1.1.5A."""
    household, notifier = watched_with_home
    assert notifier.notify(alice=ContactEvent.SHORTENED) == []
    assert household.agent.next_timeout() == 300.0
    assert [binding.expires for binding in household.agent.bindings] == [600, 600]


def test_identities_that_the_network_registers_and_ends(watched: tuple[Household, Notifier]) -> None:
    household, notifier = watched
    (changed,) = notifier.notify(alice=ContactEvent.REGISTERED, extra=ContactEvent.CREATED)
    assert isinstance(changed, IdentitiesChanged)
    assert [uri.user for uri in changed.identities.usable] == ["alice", "extra"]
    assert household.agent.choose(changed.identities.usable[1])[1] is household.agent.bindings[0]
    (changed,) = notifier.notify(alice=ContactEvent.REGISTERED)
    assert isinstance(changed, IdentitiesChanged)
    assert [uri.user for uri in changed.identities.usable] == ["alice"]


def test_an_identity_that_is_ended_is_usable_again_with_the_next_200(watched: tuple[Household, Notifier]) -> None:
    household, notifier = watched
    extra = ("P-Associated-URI", "<sip:alice@ims.example>, <sip:extra@ims.example>")
    household.agent.refresh(now=0)
    household.accept(7200, extra)
    notifier.notify(alice=ContactEvent.REGISTERED, extra=ContactEvent.CREATED)
    notifier.notify(alice=ContactEvent.REGISTERED)
    assert [uri.user for uri in household.agent.identities.usable] == ["alice"]
    household.agent.refresh(now=1)
    household.accept(7200, extra)
    assert [uri.user for uri in household.agent.identities.usable] == ["alice", "extra"]


def test_the_subscription_moves_with_the_registration(watched: tuple[Household, Notifier]) -> None:
    household, notifier = watched
    assert notifier.dialog is not None
    tag = notifier.dialog.id.local_tag
    household.cut()
    household.flow = Flow("WSS", ("127.0.0.1", 40001), ("127.0.0.1", 8443), "2")
    household.agent.register(household.flow, now=1)
    household.accept()
    assert notifier.take().to.tag == tag, "it is the same subscription"


def test_a_registration_begun_anew_is_watched_anew(watched: tuple[Household, Notifier]) -> None:
    """TS 24.229 §5.1.1.3: an S-CSCF that lost the registration has lost the subscription too."""
    household, notifier = watched
    household.agent.refresh(now=1)
    household.answer(481)
    (event,) = household.accept()
    assert isinstance(event, Refreshed)
    assert event.anew
    assert notifier.take().to.tag is None


def test_the_last_notify_is_waited_for_and_without_consequences(watched: tuple[Household, Notifier]) -> None:
    """TS 24.229 §5.1.1.6: the subscription is over as if it had been unsubscribed."""
    household, notifier = watched
    household.agent.deregister(now=1)
    assert household.accept() == [Deregistered(ALICE), DepartureEnded()]
    assert household.agent.is_parting
    told = notifier.notify(state="terminated;reason=noresource", alice=ContactEvent.UNREGISTERED)
    assert told == [DepartureEnded()]
    assert not household.agent.is_parting


def test_a_last_notify_is_not_waited_for_without_end(watched: tuple[Household, Notifier]) -> None:
    household, _ = watched
    household.agent.deregister(now=1)
    household.accept()
    household.agent.part()
    household.agent.part()
    assert not household.agent.is_parting


def test_a_deregistration_that_is_not_confirmed_forgets_the_subscription(watched: tuple[Household, Notifier]) -> None:
    household, _ = watched
    household.agent.deregister(now=1)
    told = household.answer(500)
    assert [type(each) for each in told] == [Deregistered, DepartureEnded]
    assert not household.agent.is_parting


def test_a_subscription_that_is_not_there_yet_is_not_waited_for(make_household: Callable[..., Household]) -> None:
    household = make_household(reg_event=True)
    household.agent.register(FLOW, now=0)
    household.accept()
    Notifier(household).take()
    household.agent.deregister(now=1)
    assert household.accept() == [Deregistered(ALICE), DepartureEnded(), DepartureEnded()]
    assert not household.agent.is_parting


@pytest.mark.parametrize("status", [403, 489])
def test_a_network_without_reg_event(make_household: Callable[..., Household], status: int) -> None:
    household = make_household(reg_event=True)
    household.agent.register(FLOW, now=0)
    household.accept()
    request = Notifier(household).take()
    assert household.reply(Response.answer(request, status, to_tag="s")) == []
    household.wait()
    assert [type(each) for each in household.accept()] == [Refreshed]


def test_a_subscription_is_refreshed(watched: tuple[Household, Notifier]) -> None:
    household, _ = watched
    due = []
    for _ in range(200):
        household.wait()
        sent = household.endpoint.to_send()
        if sent and sent[0].data.startswith(b"SUBSCRIBE"):
            due.append(household.now)
            break
        if sent:
            request = parse(sent[0].data)
            assert isinstance(request, Request)
            contact = f"{request.contacts[0]};expires=7200"
            household.reply(Response.answer(request, 200, to_tag="r", headers=[("Contact", contact)]))
    assert due == [599400.0]


def test_a_binding_that_is_lost_takes_the_subscription_along(watched: tuple[Household, Notifier]) -> None:
    household, _ = watched
    household.wait()
    (event,) = household.answer(403)
    assert isinstance(event, BindingLost)
    household.agent.register(FLOW, now=household.now)
    (again,) = household.accept()
    assert isinstance(again, Registered)
    assert Notifier(household).take().to.tag is None


def test_an_identity_that_is_still_tried_for_leads_and_is_watched_once_registered(
    watched: tuple[Household, Notifier],
) -> None:
    household, notifier = watched
    household.agent.add(HOME, now=0)
    household.answer(503, ("Retry-After", 30))
    notifier.notify(alice=ContactEvent.REJECTED)
    assert household.agent.leading_impu == HOME
    household.wait()
    assert [type(each) for each in household.accept()] == [Registered]
    assert str(notifier.take().to.uri) == str(HOME)


def test_a_deregistration_that_comes_with_other_ends_is_told(watched_with_home: tuple[Household, Notifier]) -> None:
    household, notifier = watched_with_home
    household.agent.deregister(HOME, now=5)
    removal = household.take()
    told = notifier.notify(alice=ContactEvent.DEACTIVATED, home=ContactEvent.UNREGISTERED)
    assert failures(told) == [("alice", Remedy.RETRY, 0.0)]
    assert household.grant(removal)[0] == Deregistered(HOME)


def test_an_identity_that_was_ended_before_its_deregistration_is_added_again(
    watched_with_home: tuple[Household, Notifier],
) -> None:
    household, notifier = watched_with_home
    household.agent.refresh(now=5)
    household.agent.deregister(HOME, now=5)
    refresh = household.take()
    told = notifier.notify(alice=ContactEvent.REGISTERED, home=ContactEvent.REJECTED)
    assert failures(told) == [("home", Remedy.GIVE_UP, None)]
    assert not household.agent.is_leaving, "there is nothing to remove, and so no turn to wait for"
    assert household.agent.add(HOME, now=5)
    assert [type(each) for each in household.grant(refresh)] == [Refreshed]
    assert isinstance(household.accept()[0], Registered)
    assert [binding.impu for binding in household.agent.bindings] == [ALICE, HOME]


def test_an_identity_that_was_ended_while_its_register_is_on_its_way_is_not_added(
    watched_with_home: tuple[Household, Notifier],
) -> None:
    """What that REGISTER brings is given up: a caller would be told of a registration that does not last."""
    household, notifier = watched_with_home
    household.agent.refresh(now=5)
    household.accept()
    refresh = household.take()
    told = notifier.notify(alice=ContactEvent.REGISTERED, home=ContactEvent.REJECTED)
    assert failures(told) == [("home", Remedy.GIVE_UP, None)]
    with pytest.raises(LocalProtocolError, match="is being deregistered"):
        household.agent.add(HOME, now=5)
    household.grant(refresh)
    household.accept()
    assert household.agent.add(HOME, now=5)
    assert isinstance(household.accept()[0], Registered)


def test_another_client_that_registers_as_this_device_is_not_fought(
    watched_with_home: tuple[Household, Notifier],
) -> None:
    """RFC 5626 §6: a REGISTER would replace its binding, or remove it."""
    household, notifier = watched_with_home
    household.agent.add(WORK, now=0)
    household.answer(480, ("Retry-After", 30))
    notifier.uri = "sip:alice@another.invalid;transport=ws"
    told = notifier.notify(alice=ContactEvent.REGISTERED)
    assert failures(told) == [("alice", Remedy.GIVE_UP, None), ("home", Remedy.GIVE_UP, None)]
    assert "another client has registered as the same device" in str(told[0].error)  # type: ignore[union-attr]
    assert household.agent.bindings == ()
    assert not household.agent.lives
    household.agent.register(FLOW, now=1)
    household.agent.deregister(now=1)
    assert household.endpoint.to_send() == []
    assert household.agent.next_timeout() is None


def test_an_identity_that_another_client_took_over_is_given_up_alone(
    watched_with_home: tuple[Household, Notifier],
) -> None:
    """RFC 5626 §6: the other client has registered one identity of two."""
    household, notifier = watched_with_home
    notifier.notify(alice=ContactEvent.REGISTERED, home=ContactEvent.REGISTERED)
    ours, notifier.uri = (
        notifier.registration("home", ContactEvent.REGISTERED),
        "sip:alice@another.invalid;transport=ws",
    )
    told = notifier.notify(notifier.registration("alice", ContactEvent.REGISTERED), ours)
    assert failures(told) == [("alice", Remedy.GIVE_UP, None)]
    assert [str(each.impu) for each in household.agent.bindings] == [str(HOME)]
    assert household.agent.leading_impu == HOME


def test_a_connection_that_another_one_replaced_is_the_end(watched: tuple[Household, Notifier]) -> None:
    household, _ = watched
    household.agent.give_way(now=1)
    assert failures(household.told()) == [("alice", Remedy.GIVE_UP, None)]
    household.agent.register(FLOW, now=1)
    assert household.endpoint.to_send() == []


@pytest.mark.parametrize("status", [200, 423, 401, 503])
def test_a_refresh_on_its_way_takes_nothing_from_the_other_client(
    watched: tuple[Household, Notifier], status: int
) -> None:
    household, _ = watched
    household.agent.refresh(now=1)
    register = household.take()
    household.agent.give_way(now=1)
    assert failures(household.told()) == [("alice", Remedy.GIVE_UP, None)]
    contact = [("Contact", f"{register.contacts[0]};expires=7200")] if status == 200 else []
    assert household.reply(Response.answer(register, status, to_tag="r", headers=contact)) == []
    assert household.endpoint.to_send() == []
    assert household.agent.bindings == ()


def test_a_first_registration_on_its_way_takes_nothing_from_the_other_client(
    watched: tuple[Household, Notifier],
) -> None:
    household, _ = watched
    household.agent.add(HOME, now=1)
    register = household.take()
    household.agent.give_way(now=1)
    assert [impu for impu, remedy, _ in failures(household.told()) if remedy is Remedy.GIVE_UP] == ["alice", "home"]
    assert household.grant(register) == []
    assert household.endpoint.to_send() == []
    assert household.agent.bindings == ()


def test_a_removal_on_its_way_ends_by_its_answer(watched: tuple[Household, Notifier]) -> None:
    household, _ = watched
    household.agent.deregister(now=1)
    register = household.take()
    household.agent.give_way(now=1)
    assert household.agent.is_leaving
    assert DepartureEnded() in household.grant(register, 0)


def test_a_deregistration_that_waits_its_turn_ends_with_a_connection_that_was_replaced(
    watched_with_home: tuple[Household, Notifier],
) -> None:
    household, _ = watched_with_home
    household.agent.add(WORK, now=0)  # its REGISTER is on its way
    household.agent.deregister(HOME, now=0)
    assert household.agent.is_leaving
    household.agent.give_way(now=1)
    assert DepartureEnded() in household.told()
    assert not household.agent.is_leaving


def test_an_identity_that_ended_for_good_does_not_take_its_turn_any_more(
    watched_with_home: tuple[Household, Notifier],
) -> None:
    """TS 24.229 §5.1.1.7: its REGISTER over a new connection waits for that of the main identity, and is dropped."""
    household, notifier = watched_with_home
    household.agent.register(FLOW, now=5)
    register = household.take()
    told = notifier.notify(alice=ContactEvent.REGISTERED, home=ContactEvent.REJECTED)
    assert failures(told) == [("home", Remedy.GIVE_UP, None)]
    household.grant(register)
    assert household.endpoint.to_send() == []
    assert [binding.impu for binding in household.agent.bindings] == [ALICE]


@pytest.mark.parametrize("status", [200, 423, 401, 503])
def test_a_refresh_on_its_way_takes_no_single_identity_from_the_other_client(
    watched_with_home: tuple[Household, Notifier], status: int
) -> None:
    household, notifier = watched_with_home
    users = {user: notifier.registration(user, ContactEvent.REGISTERED) for user in ("alice", "home")}
    notifier.notify(*users.values())
    household.agent.refresh(now=5)
    household.accept()
    refresh = household.take()
    notifier.uri = "sip:alice@another.invalid;transport=ws"
    told = notifier.notify(users["alice"], notifier.registration("home", ContactEvent.REGISTERED))
    assert failures(told) == [("home", Remedy.GIVE_UP, None)]
    assert not any("the network ended" in str(each.error) for each in told if isinstance(each, RegistrationFailure))
    contact = [("Contact", f"{refresh.contacts[0]};expires=7200")] if status == 200 else []
    household.reply(Response.answer(refresh, status, to_tag="r", headers=contact))
    assert household.endpoint.to_send() == [], "a removal would end the binding of the other client"
    assert [binding.impu for binding in household.agent.bindings] == [ALICE]
