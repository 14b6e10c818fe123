"""The S-CSCF as notifier of registrations, spoken to over UDP in plain text."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from wic.network.hss import Hss, PublicIdentity, StoredBinding, SubscriberProfile
from wic.network.scscf.changes import BindingChange
from wic.network.scscf.reg_event import RegEventNotifierOptions
from wic.network.scscf.server import Scscf, ScscfOptions
from wic.registration.reg_event.reginfo import AorState, ContactEvent, ContactState, RegInfo, parse_reginfo

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import MwPeer

ALICE, TEL, HIDDEN = "sip:alice@ims.example", "tel:+4930123", "sip:secret@ims.example"
IMPI = "alice@ims.example"
NOW = 1e9


def header(message: str, name: str) -> str:
    return re.findall(rf"^{name}: *(.*?)\r?$", message, re.MULTILINE)[0]


def document(notify: str) -> RegInfo:
    return parse_reginfo(notify.partition("\r\n\r\n")[2].encode())


class World:
    def __init__(self, path: Path, peer: MwPeer) -> None:
        self.path, self.peer = path, peer
        self.wall = NOW
        self.trusted = True
        self.number = 0
        self.options = RegEventNotifierOptions(interval=0, max_subscriptions=2)

    async def start(self) -> None:
        self.hss = Hss(self.path / "hss.db", realm="ims.example")
        options = ScscfOptions(reg_event=self.options, port=getattr(self, "port", 0))
        self.scscf = await Scscf.open(
            self.hss, trust=lambda _: self.trusted, options=options, wall_clock=lambda: self.wall
        )
        self.port = self.scscf.node.mw.port

    async def stop(self) -> None:
        await self.scscf.close()
        self.hss.close()

    @property
    def edge(self) -> str:
        host, port = self.peer.address
        return f"sip:{host}:{port}"

    def binding(self, key: str = "k", **more: object) -> StoredBinding:
        host, port = self.peer.address
        contact = f'"Al" <sip:alice@{key}.invalid;transport=ws>;q=0.5;reg-id=1;+sip.instance="<urn:uuid:{key}>";lone'
        made = StoredBinding(
            impi=IMPI,
            key=key,
            contact=contact,
            path=(f"<sip:token@{host}:{port};lr;ob>",),
            call_id="c",
            cseq=7,
            expires_at=NOW + 3600,
            instance=f"<urn:uuid:{key}>",
        )
        return replace(made, **more)  # type: ignore[arg-type]

    def bind(self, key: str = "k", event: ContactEvent | None = None, **more: object) -> None:
        binding = self.binding(key, **more)
        self.hss.change_bindings(IMPI, store=[binding])
        if event is not None:
            self.tell(BindingChange(binding, event))

    def unbind(self, key: str, event: ContactEvent, retry_after: int | None = None) -> None:
        self.hss.change_bindings(IMPI, remove=[key])
        self.tell(BindingChange(self.binding(key), event, retry_after))

    def tell(self, *changes: BindingChange) -> None:
        self.scscf.observers.changed(IMPI, changes, now=self.wall)
        self.scscf.node.driver.pump()

    def send(
        self,
        uri: str = ALICE,
        *lines: str,
        asserted: str = ALICE,
        to: str = "",
        call: str = "",
        contact: str = "",
        expires: int = 3600,
    ) -> None:
        self.number += 1
        host, port = self.peer.address
        text = [
            f"SUBSCRIBE {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{self.number}",
            "Max-Forwards: 70",
            f"From: <{ALICE}>;tag=a",
            f"To: {to or f'<{ALICE}>'}",
            f"Call-ID: {call or f'c{self.number}'}",
            f"CSeq: {self.number} SUBSCRIBE",
            f"Contact: <{contact or f'sip:ue@{host}:{port}'}>",
            *([f"P-Asserted-Identity: <{asserted}>"] if asserted else []),
            f"Expires: {expires}",
            *(lines or ["Event: reg"]),
            "Content-Length: 0\r\n\r\n",
        ]
        mw = self.scscf.node.mw
        self.peer.send("\r\n".join(text), (mw.host, mw.port))

    async def notified(self, status: str = "200 OK") -> str:
        """Take a NOTIFY and answer it."""
        notify = await self.peer.receive("NOTIFY ")
        self.peer.answer(notify, status)
        return notify

    async def subscribed(self, **more: object) -> tuple[str, RegInfo]:
        self.send(**more)  # type: ignore[arg-type]
        accepted = await self.peer.receive("SIP/2.0 200")
        return accepted, document(await self.notified())

    async def over(self, count: int = 0) -> None:
        """Expect that many subscriptions to be left once all that was sent has been dealt with."""
        self.send(expires=1)
        await self.peer.receive("SIP/2.0 4")
        assert len(self.scscf.notifier) == count


@pytest.fixture
async def world(tmp_path, make_mw_peer):
    made = World(tmp_path, await make_mw_peer())
    with Hss(tmp_path / "hss.db", realm="ims.example") as hss:
        hss.add(
            SubscriberProfile(IMPI, (PublicIdentity(ALICE), PublicIdentity(TEL), PublicIdentity(HIDDEN, barred=True)))
        )
    await made.start()
    made.bind()
    yield made
    await made.stop()


async def test_the_user_is_told_everything_at_once(world) -> None:
    accepted, told = await world.subscribed()
    assert header(accepted, "Expires") == "3600"
    assert header(accepted, "Contact") == f"<sip:127.0.0.1:{world.port}>"
    assert (told.version, told.full) == (0, True)
    default, tel = told.registrations  # the barred identity is not to be seen
    assert (default.aor, tel.aor) == (ALICE, TEL)
    assert {each.state for each in told.registrations} == {AorState.ACTIVE}
    (contact,), (other,) = default.contacts, tel.contacts
    assert (contact.uri, contact.display_name, contact.q) == ("sip:alice@k.invalid;transport=ws", "Al", "0.5")
    assert (contact.event, other.event) == (ContactEvent.REGISTERED, ContactEvent.CREATED)
    assert (contact.callid, contact.cseq, contact.expires) == ("c", 7, 3600)
    assert contact.unknown_params == (("reg-id", "1"), ("+sip.instance", '"<urn:uuid:k>"'), ("lone", ""))
    assert contact.pub_gruu == other.pub_gruu == "sip:alice@ims.example;gr=urn:uuid:k"
    assert contact.temp_gruu is not None
    assert contact.temp_gruu.first_cseq == 7
    assert contact.id != other.id


async def test_a_contact_without_instance_has_no_gruu(world) -> None:
    world.bind(instance=None, contact="<sip:alice@k.invalid>")
    _, told = await world.subscribed()
    (contact,) = told.registrations[0].contacts
    assert (contact.pub_gruu, contact.temp_gruu, contact.display_name, contact.unknown_params) == (None, None, None, ())


@pytest.mark.parametrize("asserted", [ALICE, TEL])
async def test_any_identity_of_the_set_may_ask(world, asserted) -> None:
    await world.subscribed(asserted=asserted)


async def test_the_edge_in_the_path_may_ask(world) -> None:
    """TS 24.229 §5.4.2.1.1."""
    await world.subscribed(asserted=world.edge)


@pytest.mark.parametrize("asserted", ["sip:bob@ims.example", HIDDEN, "sip:127.0.0.1:9", "tel:+1", ""])
async def test_nobody_else_may(world, asserted) -> None:
    world.send(asserted=asserted)
    await world.peer.receive("SIP/2.0 403")
    assert len(world.scscf.notifier) == 0


@pytest.mark.parametrize(
    ("asserted", "contact"),
    [
        ("sip:team@ims.example", "sip:team@{who}.invalid;transport=ws"),
        ("sip:team@ims.example", "sip:team@ims.example;gr=urn:uuid:{who}"),
        ("{edge}", ""),
    ],
)
@pytest.mark.parametrize("who", ["ann", "ben"])
async def test_of_those_who_share_an_identity_each_watches_its_own(world, asserted, contact, who) -> None:
    """The Contact of the SUBSCRIBE, or the URI that the eP-CSCF wrote into Path, tells who it is."""
    host, port = world.peer.address
    for name in ("ann", "ben"):
        impi = f"{name}@ims.example"
        world.hss.add(SubscriberProfile(impi, (PublicIdentity("sip:team@ims.example"),)))
        more = {"contact": f"<sip:team@{name}.invalid;transport=ws>", "path": (f"<sip:{name}@{host}:{port};lr;ob>",)}
        world.hss.change_bindings(impi, store=[world.binding(name, impi=impi, **more)])
    asserted = asserted.format(edge=f"sip:{who}@{host}:{port}")
    lines = ("Event: reg", f"Record-Route: <sip:{host}:{port};lr>")
    world.send("sip:team@ims.example", *lines, asserted=asserted, contact=contact.format(who=who))
    await world.peer.receive("SIP/2.0 200")
    told = document(await world.notified())
    assert [each.uri for each in told.registrations[0].contacts] == [f"sip:team@{who}.invalid;transport=ws"]


async def test_only_the_trusted_assert(world) -> None:
    world.trusted = False
    world.send()
    await world.peer.receive("SIP/2.0 403")


async def test_somebody_who_is_not_registered_may_not(world) -> None:
    world.hss.change_bindings(IMPI, remove=["k"])
    world.send()
    await world.peer.receive("SIP/2.0 403")


@pytest.mark.parametrize(
    ("lines", "more", "status"),
    [
        (("Event: reg", "Accept: text/plain"), {}, "406"),
        (("Event: reg",), {"expires": 59}, "423"),
        (("Event: reg", "P-Asserted-Identity: ?"), {}, "400"),
    ],
)
async def test_subscriptions_that_cannot_be_granted(world, lines, more, status) -> None:
    world.send(ALICE, *lines, **more)
    await world.peer.receive(f"SIP/2.0 {status}")


async def test_users_who_do_not_exist(world) -> None:
    world.send("sip:nobody@ims.example")
    await world.peer.receive("SIP/2.0 404")


async def test_other_packages_go_to_the_user(world) -> None:
    world.send(ALICE, "Event: dialog")
    world.peer.answer(await world.peer.receive("SUBSCRIBE sip:alice@k.invalid"), "489 Bad Event")
    await world.peer.receive("SIP/2.0 489")
    world.send(ALICE, "Event: ?")
    await world.peer.receive("SUBSCRIBE sip:alice@k.invalid")


@pytest.mark.parametrize("event", [ContactEvent.REGISTERED, ContactEvent.REFRESHED, ContactEvent.SHORTENED])
async def test_changes_are_told_one_by_one(world, event) -> None:
    await world.subscribed()
    world.bind("other", event, expires_at=NOW + 60)
    told = document(await world.notified())
    assert (told.version, told.full) == (1, False)
    contacts = [each.contacts for each in told.registrations]
    assert [len(each) for each in contacts] == [1, 1]
    implicit = ContactEvent.CREATED if event is ContactEvent.REGISTERED else event
    assert [each.event for (each,) in contacts] == [event, implicit]
    assert contacts[0][0].expires == 60


async def test_one_of_two_contacts_goes(world) -> None:
    world.bind("other")
    await world.subscribed()
    world.unbind("other", ContactEvent.PROBATION, 30)
    told = document(await world.notified())
    (contact,) = told.registrations[0].contacts
    assert told.registrations[0].state is AorState.ACTIVE
    assert (contact.state, contact.event, contact.retry_after) == (ContactState.TERMINATED, ContactEvent.PROBATION, 30)


@pytest.mark.parametrize(
    "event", [ContactEvent.DEACTIVATED, ContactEvent.REJECTED, ContactEvent.UNREGISTERED, ContactEvent.EXPIRED]
)
async def test_the_last_contact_goes(world, event) -> None:
    await world.subscribed()
    world.unbind("k", event)
    notify = await world.notified()
    assert header(notify, "Subscription-State") == "terminated;reason=noresource"
    told = document(notify)
    assert {each.state for each in told.registrations} == {AorState.TERMINATED}
    assert [contact.event for each in told.registrations for contact in each.contacts] == [event, event]
    await world.over()


async def test_changes_are_put_together_while_a_notify_has_no_answer(world) -> None:
    world.send()
    await world.peer.receive("SIP/2.0 200")
    first = await world.peer.receive("NOTIFY ")
    world.bind("one", ContactEvent.REGISTERED)
    world.bind("two", ContactEvent.REGISTERED)
    world.bind("one", ContactEvent.REFRESHED)
    await asyncio.sleep(0)
    world.peer.answer(first, "200 OK")
    told = document(await world.notified())
    assert [contact.event for contact in told.registrations[0].contacts] == [
        ContactEvent.REFRESHED,
        ContactEvent.REGISTERED,
    ]


async def test_what_was_missed_is_told_in_full(world) -> None:
    world.send()
    await world.peer.receive("SIP/2.0 200")
    await world.notified("500 No")
    world.bind("other", ContactEvent.REGISTERED)
    told = document(await world.notified())
    assert (told.version, told.full, len(told.registrations[0].contacts)) == (1, True, 2)


async def test_a_prove_flag_is_part_of_the_full_state(world) -> None:
    world.bind(prove=True)
    _, told = await world.subscribed()
    assert told.registrations[0].contacts[0].event is ContactEvent.SHORTENED


async def test_refresh_and_end(world) -> None:
    accepted, _ = await world.subscribed(call="kept")
    to = header(accepted, "To")
    contact = header(accepted, "Contact")[1:-1]
    world.send(contact, to=to, call="kept", expires=600)
    assert header(await world.peer.receive("SIP/2.0 200"), "Expires") == "600"
    assert document(await world.notified()).version == 1
    world.send(contact, to=to, call="kept", expires=0)
    await world.peer.receive("SIP/2.0 200")
    assert header(await world.notified(), "Subscription-State") == "terminated;reason=timeout"
    await world.over()
    world.send(contact, to=to, call="kept")
    await world.peer.receive("SIP/2.0 481")


async def test_fetching(world) -> None:
    world.send(expires=0)
    await world.peer.receive("SIP/2.0 200")
    assert document(await world.notified()).full
    await world.over()


async def test_a_watcher_that_is_gone_is_forgotten(world) -> None:
    world.send()
    await world.peer.receive("SIP/2.0 200")
    await world.notified("481 Gone")
    await world.over()


async def test_the_oldest_gives_way(world) -> None:
    for _ in range(2):
        await world.subscribed()
    await world.subscribed(asserted=world.edge)  # is counted apart
    world.send()
    got = [await world.peer.receive("") for _ in range(3)]
    for message in got:
        if message.startswith("NOTIFY"):
            world.peer.answer(message, "200 OK")
    states = [header(each, "Subscription-State") for each in got if each.startswith("NOTIFY")]
    assert sorted(states) == ["active;expires=3600", "terminated;reason=probation;retry-after=3600"]
    await world.over(3)


async def test_data_version_are_not_told(world) -> None:
    await world.subscribed()
    world.scscf.observers.changed("bob@ims.example", [BindingChange(world.binding(), ContactEvent.EXPIRED)], now=NOW)
    world.tell(BindingChange(world.binding(registration_set=1), ContactEvent.REGISTERED))
    world.bind("other", ContactEvent.REGISTERED)
    assert document(await world.notified()).version == 1


async def test_a_restart_goes_on_with_the_dialog(world) -> None:
    accepted, _ = await world.subscribed(call="kept")
    await world.stop()
    world.wall += 100
    await world.start()
    assert len(world.scscf.notifier) == 1
    world.bind("other", ContactEvent.REGISTERED)
    notify = await world.notified()
    assert (header(notify, "Call-ID"), header(notify, "CSeq")) == ("kept", "2 NOTIFY")
    assert header(notify, "From") == header(accepted, "To")
    assert header(notify, "Subscription-State") == "active;expires=3500"
    assert document(notify).version == 1
    world.send(header(accepted, "Contact")[1:-1], to=header(accepted, "To"), call="kept", expires=600)
    await world.peer.receive("SIP/2.0 200")
    assert document(await world.notified()).version == 2


async def test_what_happened_before_a_crash_is_told_after_it(world) -> None:
    await world.subscribed()
    await world.stop()
    with Hss(world.path / "hss.db", realm="ims.example") as hss:
        hss.change_bindings(IMPI, store=[world.binding("other")])
    await world.start()
    told = document(await world.notified())
    assert (told.version, told.full, len(told.registrations[0].contacts)) == (1, True, 2)


async def test_a_registration_that_ended_before_a_crash(world) -> None:
    await world.subscribed()
    await world.stop()
    with Hss(world.path / "hss.db", realm="ims.example") as hss:
        hss.change_bindings(IMPI, remove=["k"])
    await world.start()
    notify = await world.notified()
    assert header(notify, "Subscription-State") == "terminated;reason=noresource"
    assert {each.state for each in document(notify).registrations} == {AorState.INIT}
    await world.over()


async def test_a_subscription_that_expired_meanwhile(world) -> None:
    await world.subscribed()
    await world.stop()
    world.wall += 3600
    await world.start()
    assert len(world.scscf.notifier) == 0
    with world.hss.transaction() as db:
        assert db.execute("SELECT count(*) FROM reg_event_subscription").fetchone() == (0,)


async def test_a_subscriber_that_was_removed(world) -> None:
    await world.subscribed()
    world.hss.remove(IMPI)
    world.tell(BindingChange(world.binding(), ContactEvent.DEACTIVATED))
    notify = await world.notified()
    assert document(notify).registrations == ()
    await world.over()
