"""The WIC's subscription to its own registration, against a notifier that a test speaks for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from wic.auth import DigestClient, DigestCredentials, Secret
from wic.errors import LocalProtocolError
from wic.registration import Binding, Identity, websocket_contact
from wic.registration.reg_event.events import (
    IdentitiesReported,
    RegEventActive,
    RegEventEvent,
    RegEventFailed,
    RegisteredIdentity,
    RegistrationShortened,
    RegistrationTerminated,
    Termination,
)
from wic.registration.reg_event.reginfo import (
    REGINFO,
    AorState,
    ContactEvent,
    ContactInfo,
    ContactState,
    RegInfo,
    RegistrationInfo,
    TemporaryGruu,
)
from wic.registration.reg_event.subscription import RegEventSubscription
from wic.sip.dialog import Dialog
from wic.sip.endpoint import Endpoint, EndpointOptions
from wic.sip.flow import Flow
from wic.sip.headers import NameAddr
from wic.sip.message import Request, Response
from wic.sip.parser import parse
from wic.sip.random_source import CountingSource
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Callable

FLOW = Flow("WSS", ("127.0.0.1", 40000), ("127.0.0.1", 8443), "1")
OTHER_FLOW = Flow("WSS", ("127.0.0.1", 40001), ("127.0.0.1", 8443), "2")
INSTANCE = "urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128"
ALICE, TEL = "sip:alice@ims.example", "tel:+4930123"
URI = "sip:alice@x7k2.invalid;transport=ws"
GRUU = f"{ALICE};gr={INSTANCE}"
IDENTITY = Identity(
    impu=Uri.parse(ALICE), domain="ims.example", instance=INSTANCE, contact=websocket_contact("alice", "x7k2.invalid")
)


def contact(event: ContactEvent = ContactEvent.REGISTERED, id: str = "c1", **more: object) -> ContactInfo:
    state = ContactState.TERMINATED if event.terminates else ContactState.ACTIVE
    params = (("+sip.instance", f'"<{INSTANCE}>"'), ("reg-id", "1"))
    return ContactInfo(**{"id": id, "uri": URI, "state": state, "event": event, "unknown_params": params} | more)  # type: ignore[arg-type]


def registration(*contacts: ContactInfo, aor: str = ALICE, id: str = "r1", **more: object) -> RegistrationInfo:
    state = AorState.ACTIVE if contacts else AorState.INIT
    return RegistrationInfo(**{"aor": aor, "id": id, "state": state, "contacts": contacts} | more)  # type: ignore[arg-type]


def implicit(event: ContactEvent = ContactEvent.CREATED, **more: object) -> RegistrationInfo:
    return registration(contact(event, "c2", **more), aor=TEL, id="r2")


@dataclass
class World:
    """Both ends, and the wire between them as a list."""

    user_agent: str | None = None
    own: NameAddr = field(default_factory=lambda: IDENTITY.contact_header(1))
    granted: NameAddr | None = None
    now: float = 0.0

    def __post_init__(self) -> None:
        random_source = CountingSource()
        self.endpoint = Endpoint(random_source=random_source, options=EndpointOptions(via={"WSS": "x7k2.invalid"}))
        credentials = DigestClient(
            DigestCredentials(username="alice", secret=Secret("pw"), realms=frozenset({"r"})),
            random_source=random_source,
        )
        self.reg_event = RegEventSubscription(
            self.endpoint, contact=self.own, credentials=credentials, user_agent=self.user_agent
        )
        self.version = -1
        self.dialog: Dialog | None = None

    @property
    def binding(self) -> Binding:
        return Binding(
            contact=self.granted or self.own,
            expires=600000,
            expires_at=600000,
            impu=Uri.parse(ALICE),
            service_route=(NameAddr.parse("<sip:orig@scscf.ims.example;lr>"),),
            associated_uris=(NameAddr.parse(f"<{ALICE}>"), NameAddr.parse(f"<{TEL}>")),
            public_gruu=Uri.parse(GRUU),
        )

    def take(self) -> Request:
        (transmit,) = self.endpoint.to_send()
        self.flow = transmit.flow
        self.request = parse(transmit.data)
        assert isinstance(self.request, Request)
        return self.request

    def answer(self, status: int = 200, *headers: tuple[str, object]) -> list[RegEventEvent]:
        own = [("Contact", "<sip:scscf@ims.example>"), ("Expires", 600000)] if status == 200 else []
        response = Response.answer(self.request, status, to_tag="s", headers=[*own, *headers])
        if self.dialog is None or self.request.to.tag is None:
            self.dialog = Dialog.from_request(self.request, Response.answer(self.request, 200, to_tag="s"))
        self.endpoint.receive(response.to_bytes(), self.flow, now=self.now)
        return self.drain()

    def subscribe(self) -> Request:
        self.reg_event.subscribe(binding=self.binding, flow=FLOW, now=self.now)
        return self.take()

    def notify(self, *registrations: RegistrationInfo, full: bool = True, **more: object) -> list[RegEventEvent]:
        self.version += 1
        info = RegInfo(version=self.version, full=full, registrations=registrations)
        return self.send(info.to_xml(), **more)  # type: ignore[arg-type]

    def send(
        self, body: bytes, *, kind: str | None = REGINFO, state: str = "active;expires=600000", status: int = 200
    ) -> list[RegEventEvent]:
        """Send a NOTIFY and check the status of its answer."""
        assert self.dialog is not None
        headers = [
            ("Via", f"SIP/2.0/WSS p.invalid;branch=z9hG4bK{self.dialog.local_cseq}"),
            ("Contact", "<sip:scscf@ims.example>"),
            ("Event", "reg"),
            ("Subscription-State", state),
            *([("Content-Type", kind)] if kind else []),
        ]
        request = self.dialog.create_request("NOTIFY", headers, body)
        self.endpoint.receive(request.to_bytes(), self.flow, now=self.now)
        events = self.drain()
        answers = [parse(transmit.data) for transmit in self.endpoint.to_send()]
        assert [each.status for each in answers if isinstance(each, Response)] == [status]
        return events

    def drain(self) -> list[RegEventEvent]:
        while (event := self.endpoint.next_event()) is not None:
            assert self.reg_event.handle(event, now=self.now), event
        events = []
        while (told := self.reg_event.next_event()) is not None:
            events.append(told)
        return events

    def wait(self) -> float:
        """Let time pass until there is something to do."""
        due = self.reg_event.next_timeout()
        assert due is not None
        self.now = max(due, self.now)
        self.reg_event.handle_timeout(now=self.now)
        return self.now


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def active(world: World) -> World:
    """A subscription that has told of two identities."""
    world.subscribe()
    world.answer()
    world.notify(registration(contact()), implicit())
    return world


def test_the_subscribe(world: World) -> None:
    """TS 24.229 §5.1.1.3, TS 34.229-1 A.1.4."""
    request = world.subscribe()
    assert (request.method, request.uri_text) == ("SUBSCRIBE", ALICE)
    assert str(request.from_.uri) == str(request.to.uri) == ALICE
    assert request.to.tag is None
    assert request.headers.get_all("Route") == ["<sip:orig@scscf.ims.example;lr>"]
    assert request.headers.get("Contact") == f"<{GRUU}>"
    assert (request.headers.get("Event"), request.expires) == ("reg", 600000)
    assert request.headers.get("Accept") == REGINFO
    assert "P-Preferred-Identity" not in request.headers


def test_the_name_of_the_program() -> None:
    assert World("wic").subscribe().headers.get("User-Agent") == "wic"


def test_a_challenge(world: World) -> None:
    world.subscribe()
    world.answer(401, ("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'))
    assert 'nonce="n"' in (world.take().headers.get("Authorization") or "")


def test_identities_and_gruus(world: World) -> None:
    world.subscribe()
    assert world.answer() == []
    gruus = {"pub_gruu": GRUU, "temp_gruu": TemporaryGruu("sip:t1@ims.example;gr", 1)}
    events = world.notify(registration(contact(**gruus)), implicit(pub_gruu="sip:", temp_gruu=TemporaryGruu(":", 1)))
    default = RegisteredIdentity(Uri.parse(ALICE), Uri.parse(GRUU), Uri.parse("sip:t1@ims.example;gr"))
    told = IdentitiesReported((default, RegisteredIdentity(Uri.parse(TEL), implicit=True)))
    assert events == [RegEventActive(), told]
    gruus["temp_gruu"] = TemporaryGruu("sip:t2@ims.example;gr", 1)
    assert world.notify(registration(contact(**gruus)), implicit()) == []


@pytest.mark.parametrize("waits", [(30, None), (None, 30), (10, 30)])
@pytest.mark.parametrize("event", [each for each in ContactEvent if each.terminates])
def test_the_network_ends_the_registration(active: World, event: ContactEvent, waits: tuple[int | None, ...]) -> None:
    """TS 24.229 §5.1.1.7; of several waits the longest."""
    events = active.notify(
        registration(contact(event, retry_after=waits[0]), state=AorState.TERMINATED),
        implicit(event, retry_after=waits[1]),
        state="terminated;reason=noresource",
    )
    wait = 30 if event is ContactEvent.PROBATION else None
    aors = (Uri.parse(ALICE), Uri.parse(TEL))
    assert events == [
        RegistrationTerminated(Termination(event.value), wait, aors, last=True),
        IdentitiesReported(()),
        RegEventFailed(None, "noresource", None),
    ]
    assert active.reg_event.next_timeout() is None


def test_one_identity_goes(active: World) -> None:
    events = active.notify(implicit(ContactEvent.UNREGISTERED), full=False)
    assert events == [
        RegistrationTerminated(Termination.UNREGISTERED, None, (Uri.parse(TEL),), last=False),
        IdentitiesReported((RegisteredIdentity(Uri.parse(ALICE)),)),
    ]


def test_identities_that_go_for_different_reasons(active: World) -> None:
    one = contact(ContactEvent.REJECTED)
    other = contact(ContactEvent.PROBATION, "c2", retry_after=30)
    (first, second, _) = active.notify(registration(one), registration(other, aor=TEL, id="r2"))
    assert first == RegistrationTerminated(Termination.PROBATION, 30, (Uri.parse(TEL),), last=False)
    assert second == RegistrationTerminated(Termination.REJECTED, None, (Uri.parse(ALICE),), last=True)


def test_a_full_state_without_us(active: World) -> None:
    (ended, _) = active.notify(registration())
    aors = (Uri.parse(ALICE), Uri.parse(TEL))
    assert ended == RegistrationTerminated(Termination.EXPIRED, None, aors, last=True)


def test_a_contact_that_took_the_place_of_ours(active: World) -> None:
    """The same device under another id, as after its own re-registration."""
    gone = contact(ContactEvent.EXPIRED)
    assert active.notify(registration(gone, contact(id="c9")), full=False) == []


def test_other_contacts_are_none_of_our_business(active: World) -> None:
    others = (
        contact(id="o1", unknown_params=(("+sip.instance", '"<urn:uuid:other>"'),), uri="sip:alice@o.invalid"),
        contact(id="o2", unknown_params=(("+sip.instance", f'"<{INSTANCE}>"'), ("reg-id", "2"))),
        contact(id="o3", unknown_params=(), uri="?"),
    )
    assert active.notify(registration(*others), full=False) == []
    ended = [
        contact(ContactEvent.REJECTED, each.id, uri=each.uri, unknown_params=each.unknown_params) for each in others
    ]
    assert active.notify(registration(*ended), full=False) == []


def test_without_an_instance_the_uri_decides() -> None:
    """Some registrars keep no more than the URI."""
    world = World()
    world.subscribe()
    world.answer()
    _, told = world.notify(registration(contact(unknown_params=())))
    assert told == IdentitiesReported((RegisteredIdentity(Uri.parse(ALICE)),))
    (ended, _) = world.notify(registration(contact(ContactEvent.REJECTED, unknown_params=())))
    assert isinstance(ended, RegistrationTerminated)


def test_identities_that_are_none(world: World) -> None:
    world.subscribe()
    world.answer()
    assert world.notify(registration(contact(), aor="sip:")) == [RegEventActive()]
    (ended,) = world.notify(registration(contact(ContactEvent.REJECTED), aor="sip:"))
    assert ended == RegistrationTerminated(Termination.REJECTED, None, (), last=True)


def test_the_network_wants_us_to_authenticate_again(active: World) -> None:
    """TS 24.229 §5.1.1.5A."""
    shortened = ContactEvent.SHORTENED
    said = (registration(contact(shortened, expires=60)), implicit(shortened, expires=50))
    assert active.notify(*said, full=False)[0] == RegistrationShortened(50)
    assert RegistrationShortened(50) not in active.notify(*said)  # nothing new
    assert active.notify(registration(contact(shortened)), full=False) == []


def test_a_gap_makes_it_ask_for_everything(active: World) -> None:
    """RFC 3680 §5.2."""
    active.version += 1
    assert active.notify(implicit(ContactEvent.UNREGISTERED), full=False) == []
    active.version += 1
    assert active.notify(implicit(ContactEvent.UNREGISTERED), full=False) == []
    assert active.wait() == 0
    request = active.take()
    assert (request.method, request.to.tag) == ("SUBSCRIBE", "s")
    active.answer()
    assert active.notify(registration(contact()), implicit()) == []
    active.version += 1
    active.notify(implicit(), full=False)
    assert active.wait() == 5


def test_a_partial_state_at_first(world: World) -> None:
    world.subscribe()
    world.answer()
    assert world.notify(registration(contact()), full=False) == []
    world.wait()
    assert world.take().to.tag == "s"


def test_an_old_document_is_passed_over(active: World) -> None:
    active.version -= 1
    assert active.notify(implicit(ContactEvent.UNREGISTERED), full=False) == []
    assert active.reg_event.next_timeout() == 599400


def test_a_notifier_whose_version_never_moves(active: World) -> None:
    """Kamailio's presence server, for one: every document is full, with version 0."""
    active.version = -1
    assert active.notify(registration(contact())) != []


def test_a_registration_that_ends_with_all_its_contacts(active: World) -> None:
    ended = registration(aor=TEL, id="r2", state=AorState.TERMINATED)
    (told, _) = active.notify(ended, full=False)
    assert told == RegistrationTerminated(Termination.EXPIRED, None, (Uri.parse(TEL),), last=False)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"?", REGINFO, 400),
        (b'<!DOCTYPE r [<!ENTITY a "b">]><r>&a;</r>', REGINFO, 400),
        (b"x", "text/plain", 415),
        (b"x", None, 415),
    ],
)
def test_bodies_that_are_refused(active: World, body: bytes, kind: str | None, status: int) -> None:
    assert active.send(body, kind=kind, status=status) == []
    assert active.notify(registration(contact()), implicit()) == []


def test_too_many_contacts(active: World) -> None:
    for batch in range(2):
        many = [contact(id=f"{batch}-{number}", unknown_params=()) for number in range(1500)]
        active.version += 1
        info = RegInfo(version=active.version, full=False, registrations=(registration(*many),))
        body = info.to_xml().replace(b"  ", b"")
        active.send(body, status=200 if batch == 0 else 413)


def test_a_notify_without_a_body(active: World) -> None:
    assert active.send(b"", kind=None) == []


def test_a_lost_subscription_is_made_anew_and_compared(active: World) -> None:
    (failed,) = active.send(b"", kind=None, state="terminated;reason=deactivated")
    assert failed == RegEventFailed(None, "deactivated", 0.0)
    active.wait()
    assert active.take().to.tag is None
    active.answer()
    active.version = -1
    (back, ended, _) = active.notify(registration(contact()))
    assert back == RegEventActive()
    assert isinstance(ended, RegistrationTerminated)
    assert ended.aors == (Uri.parse(TEL),)


def test_503_with_retry_after(world: World) -> None:
    """TS 34.229-1 §10.1."""
    assert not world.reg_event.stands
    first = world.subscribe()
    assert world.reg_event.stands
    (failed,) = world.answer(503, ("Retry-After", 120))
    assert isinstance(failed, RegEventFailed)
    assert failed.retry_after == 120
    assert not world.reg_event.stands
    assert world.wait() == 120
    assert world.take().call_id != first.call_id


def test_a_reconnection(active: World) -> None:
    active.reg_event.moved(binding=active.binding, flow=OTHER_FLOW, now=active.now)
    request = active.take()
    assert active.flow == OTHER_FLOW
    assert request.to.tag == "s"
    (failed,) = active.answer(481)
    assert isinstance(failed, RegEventFailed)
    active.wait()
    assert active.take().to.tag is None


def test_another_way_is_taken_when_there_is_something_to_send(active: World) -> None:
    route = NameAddr.parse("<sip:orig@other.ims.example;lr>")
    active.reg_event.renewed(binding=replace(active.binding, service_route=(route,)), flow=FLOW)
    assert active.endpoint.to_send() == []
    active.reg_event.moved(binding=replace(active.binding, service_route=(route,)), flow=FLOW, now=active.now)
    assert active.take().headers.get_all("Route") == [], "a dialog keeps its routes"
    active.answer(481)
    active.wait()
    assert active.take().headers.get_all("Route") == [str(route)]


def test_a_registration_that_is_gone_takes_it_along(active: World) -> None:
    """TS 24.229 §5.1.1.6: the subscription is considered cancelled."""
    active.version += 1
    active.notify(implicit(), full=False)
    active.reg_event.drop()
    assert active.reg_event.next_timeout() is None
    assert active.endpoint.to_send() == []
    active.reg_event.drop()
    active.subscribe()


def test_a_registration_that_is_gone_while_nothing_is_missed(active: World) -> None:
    active.reg_event.drop()
    assert active.send(b"", kind=None, status=481) == []


def test_the_last_word_on_a_registration_that_is_gone(active: World) -> None:
    """TS 24.229 §5.1.1.6: as if a SUBSCRIBE with Expires 0 had been sent."""
    active.reg_event.leave(now=active.now)
    assert active.endpoint.to_send() == []
    assert active.reg_event.is_leaving
    assert not active.reg_event.stands
    active.notify(registration(state=AorState.TERMINATED), state="terminated;reason=noresource")
    assert not active.reg_event.is_leaving
    assert active.reg_event.next_timeout() is None


def test_no_departure_without_a_subscription(world: World) -> None:
    world.reg_event.leave(now=0)
    assert not world.reg_event.is_leaving


def test_before_the_first_subscription(world: World) -> None:
    world.reg_event.moved(binding=world.binding, flow=FLOW, now=0)
    world.reg_event.renewed(binding=world.binding, flow=FLOW)
    world.endpoint.receive(b"?", FLOW, now=0)
    event = world.endpoint.next_event()
    assert event is not None
    assert not world.reg_event.handle(event, now=0)
    assert world.endpoint.to_send() == []
    world.subscribe()
    with pytest.raises(LocalProtocolError):
        world.subscribe()


def test_a_binding_without_gruu(world: World) -> None:
    binding = Binding(contact=world.own, expires=60, expires_at=60, impu=Uri.parse(ALICE))
    world.reg_event.subscribe(binding=binding, flow=FLOW, now=0)
    assert world.take().headers.get("Contact") == f"<{URI}>"


@pytest.mark.parametrize(
    ("associated", "resource"),
    [((TEL, ALICE), ALICE), ((TEL, "sips:work@ims.example"), "sips:work@ims.example"), ((TEL,), TEL)],
)
def test_a_sip_uri_is_subscribed_to_where_there_is_one(
    world: World, associated: tuple[str, ...], resource: str
) -> None:
    """TS 24.229 §5.1.1.3."""
    uris = tuple(NameAddr.parse(f"<{each}>") for each in associated)
    world.reg_event.subscribe(binding=replace(world.binding, associated_uris=uris), flow=FLOW, now=0)
    request = world.take()
    assert {request.uri_text, str(request.to.uri), str(request.from_.uri)} == {resource}


def test_events_of_others_are_left_to_them(active: World) -> None:
    active.endpoint.receive(b"?", FLOW, now=0)
    event = active.endpoint.next_event()
    assert event is not None
    assert not active.reg_event.handle(event, now=0)


# another client that registers as the same device (RFC 5626 §6)

ANOTHER = "sip:alice@another.invalid;transport=ws"


def replacements(told: list[RegEventEvent]) -> list[tuple[list[str], bool]]:
    """Return the identities at which the events tell of another client, and whether none is left."""
    ends = [each for each in told if isinstance(each, RegistrationTerminated)]
    return [(sorted(map(str, each.aors)), each.last) for each in ends if each.reason is Termination.REPLACED]


REPLACED: dict[str, tuple[bool, Callable[[str, str], RegistrationInfo]]] = {
    "its id goes on": (True, lambda aor, id: registration(contact(id=f"c-{id}", uri=ANOTHER), aor=aor, id=id)),
    "its id goes on, partial": (
        False,
        lambda aor, id: registration(contact(id=f"c-{id}", uri=ANOTHER), aor=aor, id=id),
    ),
    "another id, and ours is not named": (
        True,
        lambda aor, id: registration(contact(id=f"n-{id}", uri=ANOTHER), aor=aor, id=id),
    ),
    "a registration with another id": (
        True,
        lambda aor, id: registration(contact(id=f"n-{id}", uri=ANOTHER), aor=aor, id=f"n-{id}"),
    ),
    **{
        f"another id, ours {event.value}{'' if full else ', partial'}": (
            full,
            lambda aor, id, event=event: registration(
                contact(event, id=f"c-{id}"), contact(id=f"n-{id}", uri=ANOTHER), aor=aor, id=id
            ),
        )
        for event in ContactEvent
        if event.terminates
        for full in (True, False)
    },
}


@pytest.mark.parametrize("gone", [(ALICE,), (TEL,), (ALICE, TEL)], ids=["one", "another", "all"])
@pytest.mark.parametrize("shape", REPLACED)
def test_our_instance_with_the_address_of_another_client(world: World, shape: str, gone: tuple[str, ...]) -> None:
    """Told once for each address-of-record, however many documents say so, in any shape."""
    full, replaced = REPLACED[shape]
    ids = {ALICE: "r1", TEL: "r2"}
    ours = {aor: registration(contact(id=f"c-{id}"), aor=aor, id=id) for aor, id in ids.items()}
    world.subscribe()
    world.answer()
    world.notify(*ours.values())
    told = world.notify(*(replaced(aor, id) if aor in gone else ours[aor] for aor, id in ids.items()), full=full)
    assert replacements(told) == [(sorted(gone), len(gone) == len(ids))]
    kept = tuple(RegisteredIdentity(Uri.parse(aor)) for aor in ids if aor not in gone)
    assert IdentitiesReported(kept) in told
    now = {aor: registration(contact(id=f"n-{aor}", uri=ANOTHER), aor=aor, id=ids[aor]) for aor in gone}
    assert world.notify(*(ours | now).values()) == []
    world.notify(*ours.values())
    assert replacements(world.notify(*(ours | now).values())) == [(sorted(gone), len(gone) == len(ids))]


@pytest.mark.parametrize(("expired", "replaced", "ids"), [(ALICE, TEL, ("r1", "r2")), (TEL, ALICE, ("r2", "r1"))])
def test_another_client_is_told_of_last(active: World, expired: str, replaced: str, ids: tuple[str, str]) -> None:
    there = registration(contact(id="n", uri=ANOTHER), aor=replaced, id=ids[1])
    first, last, _ = active.notify(there, registration(aor=expired, id=ids[0]))
    assert first == RegistrationTerminated(Termination.EXPIRED, None, (Uri.parse(expired),), last=False)
    assert last == RegistrationTerminated(Termination.REPLACED, None, (Uri.parse(replaced),), last=True)


def test_an_address_that_the_registrar_has_rewritten_is_ours(world: World) -> None:
    world.subscribe()
    world.answer()
    for _ in range(2):
        assert not replacements(world.notify(registration(contact(uri="sip:alice@192.0.2.7:40112"))))


@pytest.mark.parametrize("event", [ContactEvent.UNREGISTERED, ContactEvent.DEACTIVATED, ContactEvent.EXPIRED])
def test_an_address_of_the_200_is_ours_without_an_instance(world: World, event: ContactEvent) -> None:
    """Kamailio rewrites the URI behind `fix_nated_contact`, and names no instance."""
    world.granted = NameAddr.parse("<sip:alice@192.0.2.7:40112;transport=ws>")
    kept: dict[str, object] = {"uri": str(world.granted.uri), "unknown_params": ()}
    world.subscribe()
    world.answer()
    assert IdentitiesReported((RegisteredIdentity(Uri.parse(ALICE)),)) in world.notify(registration(contact(**kept)))
    told = world.notify(registration(contact(event, **kept)))
    assert told[0] == RegistrationTerminated(Termination(event.value), None, (Uri.parse(ALICE),), last=True)


@pytest.mark.parametrize("full", [True, False])
def test_a_former_address_beside_ours_is_no_other_client(active: World, full: bool) -> None:
    """A registrar without outbound keeps what the last run has left."""
    former = contact(id="c2", uri=ANOTHER)
    for _ in range(2):
        assert not replacements(active.notify(registration(former, contact())))
    told = active.notify(registration(former, contact(ContactEvent.DEACTIVATED)), full=full)
    assert told[0] == RegistrationTerminated(Termination.DEACTIVATED, None, (Uri.parse(ALICE),), last=True)


def test_the_end_of_a_former_address_is_no_end_of_ours(active: World) -> None:
    active.notify(registration(contact(id="c2", uri=ANOTHER), contact()))
    former = contact(ContactEvent.UNREGISTERED, id="c2", uri=ANOTHER)
    assert active.notify(registration(former, contact())) == []


@pytest.mark.parametrize("instance", [f'"<{INSTANCE[:-1]}f>"', None])
def test_other_devices_are_no_replacement(active: World, instance: str | None) -> None:
    params = (("+sip.instance", instance),) if instance else ()
    active.notify(registration(contact()), registration(contact(id="c2"), aor=TEL, id="r2"))
    told = active.notify(registration(contact(uri=ANOTHER, unknown_params=params)), registration(aor=TEL, id="r2"))
    aors = (Uri.parse(ALICE), Uri.parse(TEL))
    assert told[0] == RegistrationTerminated(Termination.EXPIRED, None, aors, last=True)
