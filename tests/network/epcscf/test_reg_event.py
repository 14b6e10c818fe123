"""The eP-CSCF's own subscriptions, beside a core made of strings (TS 24.229 §5.2.3, §5.2.5.2)."""

from __future__ import annotations

import re

import pytest

EMPTY = (
    'Authorization: Digest username="alice@ims.example", realm="ims.example", nonce="", '
    'uri="sip:ims.example", response=""'
)
ALICE, TEL = "sip:alice@ims.example", "tel:+4930123"


def header(message: str, name: str) -> str:
    return re.findall(rf"^{name}: (.*)\r$", message, re.MULTILINE)[0]


def reginfo(*registrations: tuple[str, str], version: int = 0, state: str = "full", uri: str = "") -> str:
    """Write a document of addresses-of-record and contact events."""
    told = []
    for aor, event in registrations:
        bound = "active" if event in ("registered", "created") else "terminated"
        told.append(
            f'<registration aor="{aor}" id="{aor}" state="{bound}">'
            f'<contact id="c{aor}" state="{bound}" event="{event}"><uri>{uri}</uri></contact></registration>'
        )
    head = f'<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="{version}" state="{state}">'
    return f"{head}{''.join(told)}</reginfo>"


class Core:
    """The S-CSCF's part of one registration and its subscription."""

    def __init__(self, edge, wic) -> None:
        self.edge, self.wic = edge, wic
        self.cseq = 0

    async def register(self, expires: int = 600, *, associated: tuple[str, ...] = (ALICE, TEL)) -> None:
        self.wic.send(self.wic.register(EMPTY, expires=expires))
        request = await self.edge.core.expect("REGISTER")
        self.path = header(request, "Path")
        uris = ", ".join(f"<{each}>" for each in associated)
        self.edge.core.grant(request, f"P-Associated-URI: {uris}", expires=expires)
        await self.wic.expect("SIP/2.0 200")

    async def subscribed(self) -> str:
        self.request = await self.edge.core.expect(f"SUBSCRIBE {ALICE} ")
        self.watcher = self.edge.core.sender(self.request)
        self.edge.core.answer(self.request, "200 OK", "Contact: <sip:127.0.0.1:9>", "Expires: 600000")
        return self.request

    async def notify(self, body: str, state: str = "active;expires=600000") -> str:
        """Send a NOTIFY and return its answer."""
        self.cseq += 1
        text = [
            f"NOTIFY {header(self.request, 'Contact')[1:-1]} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.edge.core.port};branch=z9hG4bKn{self.cseq}",
            "Max-Forwards: 70",
            f"From: {header(self.request, 'To')};tag=core",
            f"To: {header(self.request, 'From')}",
            f"Call-ID: {header(self.request, 'Call-ID')}",
            f"CSeq: {self.cseq} NOTIFY",
            "Contact: <sip:127.0.0.1:9>",
            "Event: reg",
            f"Subscription-State: {state}",
            "Content-Type: application/reginfo+xml",
            f"Content-Length: {len(body)}",
            "",
            body,
        ]
        self.edge.core.send("\r\n".join(text), self.watcher)
        return await self.edge.core.expect("SIP/2.0 ")

    def reginfo(self, *registrations: tuple[str, str], **more: object) -> str:
        return reginfo(*registrations, uri=self.wic.contact[1:-1], **more)  # type: ignore[arg-type]


@pytest.fixture
async def core(make_edge) -> Core:
    edge = await make_edge(reg_event=True)
    made = Core(edge, await edge.wic("alice"))
    await made.register()
    return made


def is_registered(core: Core) -> bool:
    return core.edge.epcscf.registrations == 1


async def test_the_subscribe(core) -> None:
    request = await core.subscribed()
    own = f"<sip:127.0.0.1:{core.edge.epcscf.node.mw.port}>"
    assert header(request, "From").startswith(f"{own};tag=")
    assert header(request, "To") == f"<{ALICE}>"
    assert header(request, "Contact") == own
    # TS 24.229 §5.2.3: the URI that stands in Path, by which the S-CSCF can tell whose registration it is.
    assert header(request, "P-Asserted-Identity") == core.path
    assert (header(request, "Event"), header(request, "Expires")) == ("reg", "600000")
    assert "icid-value=" in header(request, "P-Charging-Vector")


async def test_one_subscription_is_enough(core) -> None:
    await core.subscribed()
    await core.register()
    await core.notify(core.reginfo((ALICE, "registered"), (TEL, "created")))
    assert core.edge.core.nothing_came()
    assert is_registered(core)


async def test_the_network_ends_the_registration(core) -> None:
    await core.subscribed()
    await core.notify(core.reginfo((ALICE, "registered"), (TEL, "created")))
    ended = core.reginfo((ALICE, "deactivated"), (TEL, "deactivated"), version=1)
    assert (await core.notify(ended, "terminated;reason=noresource")).startswith("SIP/2.0 200")
    assert not is_registered(core)
    core.wic.send(core.wic.request("OPTIONS", "sip:bob@ims.example"))
    await core.wic.expect("SIP/2.0 403")
    assert len(core.edge.epcscf.watcher) == 0
    await core.register()
    await core.subscribed()  # for the new registration


async def test_one_identity_less_ends_no_registration(core) -> None:
    await core.subscribed()
    await core.notify(core.reginfo((ALICE, "registered"), (TEL, "created")))
    await core.notify(core.reginfo((TEL, "unregistered"), version=1, state="partial"))
    assert is_registered(core)


async def test_contacts_of_other_devices_end_no_registration(core) -> None:
    await core.subscribed()
    other = reginfo((ALICE, "rejected"), uri="sip:alice@elsewhere.invalid")
    await core.notify(other)
    await core.notify(reginfo((ALICE, "rejected"), uri="::", version=1))
    assert is_registered(core)


async def test_the_registration_ends_with_the_last_of_its_contacts(core) -> None:
    await core.subscribed()
    own, other = core.wic.contact, "<sip:alice@second.invalid>"
    core.wic.send(core.wic.register(EMPTY, contact=f"{own}, {other}"))
    request = await core.edge.core.expect("REGISTER")
    core.edge.core.answer(request, "200 OK", f"Contact: {own};expires=600", f"Contact: {other};expires=600")
    await core.wic.expect("SIP/2.0 200")
    await core.notify(core.reginfo((ALICE, "unregistered")))
    assert is_registered(core)
    await core.notify(reginfo((ALICE, "unregistered"), uri=other[1:-1], version=1))
    assert not is_registered(core)


@pytest.mark.parametrize("body", ["?", '<!DOCTYPE r [<!ENTITY a "b">]><r>&a;</r>'])
async def test_documents_that_are_none(core, body) -> None:
    await core.subscribed()
    assert (await core.notify(body)).startswith("SIP/2.0 400")
    assert is_registered(core)


async def test_a_core_that_knows_no_reg_event_is_asked_once(core) -> None:
    request = await core.edge.core.expect("SUBSCRIBE")
    core.edge.core.answer(request, "489 Bad Event")
    await core.register()
    assert is_registered(core)
    assert len(core.edge.epcscf.watcher) == 1


async def test_a_subscription_that_is_lost_is_made_anew(core) -> None:
    await core.subscribed()
    await core.notify(core.reginfo((ALICE, "registered")))
    first = core.request
    await core.notify(core.reginfo((ALICE, "registered"), version=1), "terminated;reason=deactivated")
    assert header(await core.subscribed(), "Call-ID") != header(first, "Call-ID")


async def test_a_core_that_ends_the_subscription_is_asked_again_later(core) -> None:
    await core.subscribed()
    await core.notify(core.reginfo((ALICE, "registered")), "terminated;reason=rejected")
    first = core.request
    assert core.edge.core.nothing_came()
    await core.register()
    assert header(await core.subscribed(), "Call-ID") != header(first, "Call-ID")


async def test_a_deregistration_takes_the_subscription_along(core) -> None:
    await core.subscribed()
    await core.notify(core.reginfo((ALICE, "registered")))
    await core.register(expires=0)
    assert len(core.edge.epcscf.watcher) == 0
    assert core.edge.core.nothing_came()
    last = core.reginfo((ALICE, "unregistered"), version=1)
    assert (await core.notify(last, "terminated;reason=noresource")).startswith("SIP/2.0 200")
    assert (await core.notify(last, "terminated;reason=noresource")).startswith("SIP/2.0 481")
    assert core.edge.epcscf.watcher.timers.next_timeout() is None


async def test_late_notifies_of_an_earlier_registration_change_nothing(core) -> None:
    """They are answered for 64*T1, and do not touch the next registration."""
    await core.subscribed()
    await core.notify(core.reginfo((ALICE, "registered")))
    await core.register(expires=0)
    await core.register()
    next_one = await core.edge.core.expect("SUBSCRIBE")
    core.edge.core.answer(next_one, "200 OK", "Contact: <sip:127.0.0.1:9>", "Expires: 600000")
    assert (await core.notify(core.reginfo((ALICE, "rejected"), version=1))).startswith("SIP/2.0 200")
    assert is_registered(core)
    watcher, driver = core.edge.epcscf.watcher, core.edge.epcscf.node.driver
    watcher.timers.handle_timeout(now=driver.now + 31)
    assert (await core.notify(core.reginfo(version=2))).startswith("SIP/2.0 200")
    watcher.timers.handle_timeout(now=driver.now + 33)
    assert (await core.notify(core.reginfo(version=3))).startswith("SIP/2.0 481")


async def test_no_new_subscription_after_a_deregistration(core) -> None:
    await core.subscribed()
    await core.notify(core.reginfo((ALICE, "registered")))
    await core.register(expires=0)
    ended = core.reginfo((ALICE, "unregistered"), version=1)
    assert (await core.notify(ended, "terminated;reason=deactivated")).startswith("SIP/2.0 200")
    assert core.edge.epcscf.watcher.timers.next_timeout() is None


async def test_a_deregistration_where_the_core_knows_no_reg_event(core) -> None:
    core.edge.core.answer(await core.edge.core.expect("SUBSCRIBE"), "489 Bad Event")
    await core.register(expires=0)
    assert len(core.edge.epcscf.watcher) == 0
    await core.register()
    await core.edge.core.expect("SUBSCRIBE")


async def test_a_notify_of_an_unknown_dialog_gets_481(core) -> None:
    await core.subscribed()
    core.request = core.request.replace(header(core.request, "Call-ID"), "unknown")
    assert (await core.notify(core.reginfo())).startswith("SIP/2.0 481")
    assert is_registered(core)


async def test_another_default_identity_takes_the_place_of_the_one_before(core) -> None:
    """Else a registrar that names another one with each 200 would be watched once more each time."""
    await core.subscribed()
    for number in range(3):
        await core.register(associated=(f"sip:alice{number}@ims.example", ALICE))
        request = await core.edge.core.expect(f"SUBSCRIBE sip:alice{number}@ims.example ")
        core.edge.core.answer(request, "200 OK", "Contact: <sip:127.0.0.1:9>", "Expires: 600000")
        assert len(core.edge.epcscf.watcher) == 1
