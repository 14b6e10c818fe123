"""The S-CSCF as notifier of registrations, spoken to over UDP in plain text."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from wic.network.hss import Hss, PublicIdentity, StoredBinding, SubscriberProfile
from wic.network.scscf.location_service import BindingChange
from wic.network.scscf.options import RegEventNotifierOptions
from wic.registration.reg_event.reginfo import AorState, ContactEvent, ContactState, RegInfo, parse_reginfo

if TYPE_CHECKING:
    from conftest import RunningScscf

ALICE, TEL, HIDDEN = "sip:alice@ims.example", "tel:+4930123", "sip:secret@ims.example"
IMPI = "alice@ims.example"
NOW = 1e9


def header(message: str, name: str) -> str:
    return re.findall(rf"^{name}: *(.*?)\r?$", message, re.MULTILINE)[0]


def document(notify: str) -> RegInfo:
    return parse_reginfo(notify.partition("\r\n\r\n")[2].encode())


class Watching:
    """An S-CSCF with one registered subscriber, and an element that watches the registration."""

    def __init__(self, running: RunningScscf) -> None:
        self.running, self.peer = running, running.peer

    @property
    def edge(self) -> str:
        host, port = self.peer.address
        return f"sip:{host}:{port}"

    @property
    def count(self) -> int:
        """Number of subscriptions."""
        return len(self.running.scscf.notifier)

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
        """Store a binding, and tell of it if there is an event."""
        binding = self.binding(key, **more)
        if event is not ContactEvent.REGISTERED:
            self.running.hss.change_bindings(IMPI, store=[binding])
        if event is not None:
            self.change(BindingChange(binding, event))

    def unbind(self, key: str, event: ContactEvent, retry_after: int | None = None) -> None:
        self.change(BindingChange(self.binding(key), event, retry_after))

    def change(self, *changes: BindingChange) -> None:
        running = self.running
        known = running.hss.bindings(IMPI, now=running.wall)
        running.scscf.location_service.change(IMPI, changes, known=known, now=running.wall)
        running.scscf.node.driver.pump()

    def tell(self, *changes: BindingChange, impi: str = IMPI) -> None:
        """Tell the notifier of changes to bindings that are not there."""
        self.running.scscf.notifier.changed(impi, changes, now=self.running.wall)
        self.running.scscf.node.driver.pump()

    def send(
        self,
        uri: str = ALICE,
        *lines: str,
        asserted: str = ALICE,
        to: str = f"<{ALICE}>",
        call: str = "",
        contact: str = "",
        expires: int = 3600,
    ) -> None:
        host, port = self.peer.address
        own = [
            f"Contact: <{contact or f'sip:ue@{host}:{port}'}>",
            *([f"P-Asserted-Identity: <{asserted}>"] if asserted else []),
            f"Expires: {expires}",
            *(lines or ["Event: reg"]),
        ]
        self.running.send("SUBSCRIBE", uri, *own, to=to, call_id=call)

    async def notified(self, status: str = "200 OK") -> str:
        """Take a NOTIFY and answer it."""
        notify = await self.peer.expect("NOTIFY ")
        self.peer.answer(notify, status)
        return notify

    async def subscribed(self, **more: object) -> tuple[str, RegInfo]:
        self.send(**more)  # type: ignore[arg-type]
        accepted = await self.peer.expect("SIP/2.0 200")
        return accepted, document(await self.notified())

    async def refreshed(self, accepted: str, expires: int) -> str:
        """Subscribe again in the dialog of a 200, and return the next 200."""
        way = {"to": header(accepted, "To"), "call": header(accepted, "Call-ID")}
        self.send(header(accepted, "Contact")[1:-1], **way, expires=expires)
        return await self.peer.expect("SIP/2.0 200")

    async def over(self, count: int = 0) -> None:
        """Expect that many subscriptions to be left once all that was sent has been dealt with."""
        self.send(expires=1)
        await self.peer.expect("SIP/2.0 4")
        assert self.count == count


@pytest.fixture
async def watching(make_running):
    running = await make_running(reg_event=RegEventNotifierOptions(interval=0, max_subscriptions=2))
    identities = (PublicIdentity(ALICE), PublicIdentity(TEL), PublicIdentity(HIDDEN, barred=True))
    running.hss.add(SubscriberProfile(IMPI, identities))
    made = Watching(running)
    made.bind()
    return made


@pytest.mark.parametrize(("q", "told"), [("0", "0"), ("1.000", "1.000"), ("best", None), ("", None), ("0.1234", None)])
async def test_a_preference_that_is_no_number_is_left_out(watching, q, told) -> None:
    """A watcher that checks the schema of RFC 3680 could read nothing of the document."""
    watching.bind(contact=f"<sip:alice@k.invalid;transport=ws>;q={q}")
    _, document = await watching.subscribed()
    assert document.registrations[0].contacts[0].q == told


async def test_the_first_notify_has_the_full_state(watching) -> None:
    accepted, told = await watching.subscribed()
    assert header(accepted, "Expires") == "3600"
    assert header(accepted, "Contact") == f"<sip:127.0.0.1:{watching.running.mw.port}>"
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


async def test_a_contact_without_instance_has_no_gruu(watching) -> None:
    watching.bind(instance=None, contact="<sip:alice@k.invalid>")
    _, told = await watching.subscribed()
    (contact,) = told.registrations[0].contacts
    assert (contact.pub_gruu, contact.temp_gruu, contact.display_name, contact.unknown_params) == (None, None, None, ())


@pytest.mark.parametrize("asserted", [ALICE, TEL])
async def test_any_identity_of_the_set_may_ask(watching, asserted) -> None:
    _, told = await watching.subscribed(asserted=asserted)
    assert [each.aor for each in told.registrations] == [ALICE, TEL]


async def test_the_edge_in_the_path_may_ask(watching) -> None:
    """TS 24.229 §5.4.2.1.1."""
    _, told = await watching.subscribed(asserted=watching.edge)
    assert [each.aor for each in told.registrations] == [ALICE, TEL]


@pytest.mark.parametrize("asserted", ["sip:bob@ims.example", HIDDEN, "sip:127.0.0.1:9", "tel:+1", ""])
async def test_other_identities_may_not_watch(watching, asserted) -> None:
    watching.send(asserted=asserted)
    await watching.peer.expect("SIP/2.0 403")
    assert watching.count == 0


@pytest.mark.parametrize(
    ("asserted", "contact"),
    [
        ("sip:team@ims.example", "sip:team@{who}.invalid;transport=ws"),
        ("sip:team@ims.example", "sip:team@ims.example;gr=urn:uuid:{who}"),
        ("{edge}", ""),
    ],
)
@pytest.mark.parametrize("who", ["ann", "ben"])
async def test_subscribers_that_share_an_identity_watch_their_own_registration(
    watching, asserted, contact, who
) -> None:
    """The Contact of the SUBSCRIBE, or the URI that the eP-CSCF wrote into Path, tells who it is."""
    host, port = watching.peer.address
    for name in ("ann", "ben"):
        impi = f"{name}@ims.example"
        watching.running.hss.add(SubscriberProfile(impi, (PublicIdentity("sip:team@ims.example"),)), shared=True)
        more = {"contact": f"<sip:team@{name}.invalid;transport=ws>", "path": (f"<sip:{name}@{host}:{port};lr;ob>",)}
        watching.running.hss.change_bindings(impi, store=[watching.binding(name, impi=impi, **more)])
    asserted = asserted.format(edge=f"sip:{who}@{host}:{port}")
    lines = ("Event: reg", f"Record-Route: <sip:{host}:{port};lr>")
    watching.send("sip:team@ims.example", *lines, asserted=asserted, contact=contact.format(who=who))
    await watching.peer.expect("SIP/2.0 200")
    told = document(await watching.notified())
    assert [each.uri for each in told.registrations[0].contacts] == [f"sip:team@{who}.invalid;transport=ws"]


async def test_an_untrusted_element_may_not_watch(watching) -> None:
    watching.running.trusted.clear()
    watching.send()
    await watching.peer.expect("SIP/2.0 403")


async def test_a_user_that_is_not_registered_may_not_watch(watching) -> None:
    watching.running.hss.change_bindings(IMPI, remove=["k"])
    watching.send()
    await watching.peer.expect("SIP/2.0 403")


@pytest.mark.parametrize(
    ("lines", "more", "status"),
    [
        (("Event: reg", "Accept: text/plain"), {}, "406"),
        (("Event: reg",), {"expires": 59}, "423"),
        (("Event: reg", "P-Asserted-Identity: ?"), {}, "400"),
    ],
)
async def test_subscriptions_that_cannot_be_granted(watching, lines, more, status) -> None:
    watching.send(ALICE, *lines, **more)
    await watching.peer.expect(f"SIP/2.0 {status}")


async def test_an_unknown_user_cannot_be_watched(watching) -> None:
    watching.send("sip:unknown@ims.example")
    await watching.peer.expect("SIP/2.0 404")


async def test_other_packages_go_to_the_user(watching) -> None:
    watching.send(ALICE, "Event: dialog")
    watching.peer.answer(await watching.peer.expect("SUBSCRIBE sip:alice@k.invalid"), "489 Bad Event")
    await watching.peer.expect("SIP/2.0 489")
    watching.send(ALICE, "Event: ?")
    await watching.peer.expect("SUBSCRIBE sip:alice@k.invalid")


@pytest.mark.parametrize("event", [ContactEvent.REGISTERED, ContactEvent.REFRESHED, ContactEvent.SHORTENED])
async def test_a_change_is_notified_by_itself(watching, event) -> None:
    await watching.subscribed()
    watching.bind("other", event, expires_at=NOW + 60)
    told = document(await watching.notified())
    assert (told.version, told.full) == (1, False)
    contacts = [each.contacts for each in told.registrations]
    assert [len(each) for each in contacts] == [1, 1]
    implicit = ContactEvent.CREATED if event is ContactEvent.REGISTERED else event
    assert [each.event for (each,) in contacts] == [event, implicit]
    assert contacts[0][0].expires == 60


async def test_one_of_two_contacts_goes(watching) -> None:
    watching.bind("other")
    await watching.subscribed()
    watching.unbind("other", ContactEvent.PROBATION, 30)
    told = document(await watching.notified())
    (contact,) = told.registrations[0].contacts
    assert told.registrations[0].state is AorState.ACTIVE
    assert (contact.state, contact.event, contact.retry_after) == (ContactState.TERMINATED, ContactEvent.PROBATION, 30)


@pytest.mark.parametrize(
    "event", [ContactEvent.DEACTIVATED, ContactEvent.REJECTED, ContactEvent.UNREGISTERED, ContactEvent.EXPIRED]
)
async def test_the_last_contact_goes(watching, event) -> None:
    await watching.subscribed()
    watching.unbind("k", event)
    notify = await watching.notified()
    assert header(notify, "Subscription-State") == "terminated;reason=noresource"
    told = document(notify)
    assert {each.state for each in told.registrations} == {AorState.TERMINATED}
    assert [contact.event for each in told.registrations for contact in each.contacts] == [event, event]
    await watching.over()


async def test_changes_are_put_together_while_a_notify_has_no_answer(watching) -> None:
    watching.send()
    await watching.peer.expect("SIP/2.0 200")
    first = await watching.peer.expect("NOTIFY ")
    watching.bind("one", ContactEvent.REGISTERED)
    watching.bind("two", ContactEvent.REGISTERED)
    watching.bind("one", ContactEvent.REFRESHED)
    await asyncio.sleep(0)
    watching.peer.answer(first, "200 OK")
    told = document(await watching.notified())
    assert [contact.event for contact in told.registrations[0].contacts] == [
        ContactEvent.REFRESHED,
        ContactEvent.REGISTERED,
    ]


async def test_after_a_failed_notify_the_full_state_follows(watching) -> None:
    watching.send()
    await watching.peer.expect("SIP/2.0 200")
    await watching.notified("500 No")
    watching.bind("other", ContactEvent.REGISTERED)
    told = document(await watching.notified())
    assert (told.version, told.full, len(told.registrations[0].contacts)) == (1, True, 2)


async def test_a_prove_flag_is_part_of_the_full_state(watching) -> None:
    watching.bind(prove=True)
    _, told = await watching.subscribed()
    assert told.registrations[0].contacts[0].event is ContactEvent.SHORTENED


async def test_refresh_and_end(watching) -> None:
    accepted, _ = await watching.subscribed()
    assert header(await watching.refreshed(accepted, 600), "Expires") == "600"
    assert document(await watching.notified()).version == 1
    await watching.refreshed(accepted, 0)
    assert header(await watching.notified(), "Subscription-State") == "terminated;reason=timeout"
    await watching.over()
    watching.send(header(accepted, "Contact")[1:-1], to=header(accepted, "To"), call=header(accepted, "Call-ID"))
    await watching.peer.expect("SIP/2.0 481")


async def test_fetching(watching) -> None:
    watching.send(expires=0)
    await watching.peer.expect("SIP/2.0 200")
    assert document(await watching.notified()).full
    await watching.over()


async def test_a_watcher_that_is_gone_is_forgotten(watching) -> None:
    watching.send()
    await watching.peer.expect("SIP/2.0 200")
    await watching.notified("481 Gone")
    await watching.over()


async def test_the_oldest_subscription_gives_way(watching) -> None:
    for _ in range(2):
        await watching.subscribed()
    await watching.subscribed(asserted=watching.edge)  # is counted apart
    watching.send()
    got = [await watching.peer.expect("") for _ in range(3)]
    for message in got:
        if message.startswith("NOTIFY"):
            watching.peer.answer(message, "200 OK")
    states = [header(each, "Subscription-State") for each in got if each.startswith("NOTIFY")]
    assert sorted(states) == ["active;expires=3600", "terminated;reason=probation;retry-after=3600"]
    await watching.over(3)


async def test_changes_of_other_registrations_are_not_notified(watching) -> None:
    await watching.subscribed()
    watching.tell(BindingChange(watching.binding(), ContactEvent.EXPIRED), impi="bob@ims.example")
    watching.change(BindingChange(watching.binding(registration_set=1), ContactEvent.REGISTERED))
    watching.bind("other", ContactEvent.REGISTERED)
    assert document(await watching.notified()).version == 1


async def test_a_restart_goes_on_with_the_dialog(watching) -> None:
    accepted, _ = await watching.subscribed(call="kept")
    await watching.running.stop()
    watching.running.wall += 100
    await watching.running.start()
    assert watching.count == 1
    watching.bind("other", ContactEvent.REGISTERED)
    notify = await watching.notified()
    assert (header(notify, "Call-ID"), header(notify, "CSeq")) == ("kept", "2 NOTIFY")
    assert header(notify, "From") == header(accepted, "To")
    assert header(notify, "Subscription-State") == "active;expires=3500"
    assert document(notify).version == 1
    await watching.refreshed(accepted, 600)
    assert document(await watching.notified()).version == 2


async def test_a_change_before_a_crash_is_notified_after_it(watching) -> None:
    await watching.subscribed()
    await watching.running.stop()
    with Hss(watching.running.path, realm="ims.example") as hss:
        hss.change_bindings(IMPI, store=[watching.binding("other")])
    await watching.running.start()
    told = document(await watching.notified())
    assert (told.version, told.full, len(told.registrations[0].contacts)) == (1, True, 2)


async def test_a_registration_that_ended_before_a_crash(watching) -> None:
    _, before = await watching.subscribed()
    await watching.running.stop()
    with Hss(watching.running.path, realm="ims.example") as hss:
        hss.change_bindings(IMPI, remove=["k"])
    await watching.running.start()
    notify = await watching.notified()
    assert header(notify, "Subscription-State") == "terminated;reason=noresource"
    told = document(notify)
    assert {each.state for each in told.registrations} == {AorState.INIT}
    assert [each.id for each in told.registrations] == [each.id for each in before.registrations]
    await watching.over()


async def test_a_subscription_that_expired_meanwhile(watching) -> None:
    await watching.subscribed()
    await watching.running.stop()
    watching.running.wall += 3600
    await watching.running.start()
    assert watching.count == 0
    with watching.running.hss.transaction() as db:
        assert db.execute("SELECT count(*) FROM reg_event_subscription").fetchone() == (0,)


async def test_a_subscriber_that_was_removed(watching) -> None:
    await watching.subscribed()
    watching.running.hss.remove(IMPI)
    watching.tell(BindingChange(watching.binding(), ContactEvent.DEACTIVATED))
    notify = await watching.notified()
    assert document(notify).registrations == ()
    await watching.over()


async def test_a_watcher_is_notified_while_the_database_is_locked(running, hold, caplog):
    """A subscription that cannot be stored has to be made again after a restart."""
    other = hold(running.hss)
    contact = f"Contact: <sip:{running.peer.address[0]}:{running.peer.address[1]}>"
    running.send("SUBSCRIBE", ALICE, f"P-Asserted-Identity: <{ALICE}>", "Event: reg", "Expires: 3600", contact)
    await running.peer.expect("SIP/2.0 200")
    running.peer.answer(await running.peer.expect("NOTIFY"), "481 Gone")
    running.send("OPTIONS", "sip:unknown@ims.example")
    await running.peer.expect("SIP/2.0 404")
    assert len(running.scscf.notifier) == 0
    assert "database is locked" in caplog.text
    other.rollback()
