"""Requests for one of several identities, and for other users; in virtual time."""

from __future__ import annotations

import itertools

import pytest

from wic.call import ALLOWED, SUPPORTED
from wic.sip.message import Request

pytestmark = pytest.mark.virtual_time

WORK, CLUB, PHONE = "sip:work@ims.example", "sip:club@ims.example", "tel:+358401234567"


class Caller:
    """Sends requests to a client over its connection, as the home network does."""

    def __init__(self, memory_home) -> None:
        self.memory_home = memory_home
        self.home = memory_home.home
        self.numbers = itertools.count(1)

    def send(self, method="INVITE", uri=None, to="sip:alice@ims.example", **headers):
        number = next(self.numbers)
        ((contact, flow),) = self.home.contacts["alice"].values()
        lines = [
            ("From", f"<sip:x@ims.example>;tag={number}"),
            ("To", f"<{to}>"),
            ("Call-ID", f"c{number}"),
            ("CSeq", f"1 {method}"),
            ("Contact", "<sip:x@nowhere.invalid>"),
            *((name.replace("_", "-"), value) for name, value in headers.items()),
        ]
        request = Request.build(method, uri or contact.uri, lines)
        transaction = self.home.endpoint.send_request(request, flow, now=self.home.driver.now)
        self.home.driver.pump()
        return transaction

    async def ask(self, *args, **more):
        """Send a request, and return its first response but 100."""
        transaction = self.send(*args, **more)
        await self.memory_home.until(lambda: transaction.response and transaction.response.status > 100, 5.0)
        return transaction.response


@pytest.fixture
def caller(memory_home):
    memory_home.home.gruu = "1"
    return Caller(memory_home)


@pytest.mark.parametrize(
    ("named", "identity", "contact"),
    [
        ({"P_Called_Party_ID": f"<{WORK}>"}, WORK, f"<{WORK};gr=1>"),
        ({"P_Called_Party_ID": f"<{WORK}>", "to": CLUB}, WORK, f"<{WORK};gr=1>"),
        ({"to": CLUB}, CLUB, f"<{CLUB};gr=1>"),
        ({"to": "sip:group@ims.example"}, "sip:alice@ims.example", "<sip:alice@ims.example;gr=1>"),
        # Registered along with another one: its GRUU is not known.
        ({"P_Called_Party_ID": f"<{PHONE}>"}, PHONE, None),
    ],
)
async def test_the_called_identity_answers(memory_home, caller, named, identity, contact):
    """TS 24.229 §5.1.2A.2: P-Called-Party-ID decides; without it, To."""
    memory_home.home.associated = [PHONE]
    client = memory_home.client("alice", impus=(WORK, CLUB))
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 3, 5.0)
        ringing = await caller.ask(**named)
        (call,) = client.calls
        assert str(call.identity) == identity
        expected = contact or f"<{client.bindings[0].contact.uri}>"
        assert (ringing.status, ringing.headers.get("Contact")) == (180, expected)
        await call.hangup()


async def test_calls_end_with_the_registration_of_their_identity(memory_home, caller):
    """TS 24.371 §6A.2, TS 24.229 §5.1.1.6: those of the identity that leaves, and of those registered along with it."""
    memory_home.home.associated = []
    client = memory_home.client("alice", impus=(WORK,))
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        memory_home.home.associated = [PHONE]
        client.refresh()
        await memory_home.until(lambda: all(len(each.identities) == 2 for each in client.bindings), 5.0)
        for identity in (WORK, PHONE, "sip:alice@ims.example"):
            await caller.ask(P_Called_Party_ID=f"<{identity}>")
        work, phone, alice = client.calls
        await client.deregister(WORK)
        assert [work.is_over, phone.is_over, alice.is_over] == [True, False, False]
        await client.deregister("sip:alice@ims.example")
        assert [phone.is_over, alice.is_over] == [True, True]


async def test_the_identities_that_the_network_asserts(memory_home, caller):
    """RFC 3325 §9.1: a SIP URI and a tel URI, on one line or two; further ones, and what cannot be read, count for nothing."""
    async with memory_home.client() as client:
        for value in (f"<sip:x@ims.example>, <{PHONE}>, <sip:y@ims.example>", "<sip:x@ims.example>", "<sip:"):
            await caller.ask(P_Asserted_Identity=value)
        both, one, none = client.calls
        assert [str(each.uri) for each in both.asserted_identities] == ["sip:x@ims.example", PHONE]
        assert [str(each.uri) for each in one.asserted_identities] == ["sip:x@ims.example"]
        assert none.asserted_identities == ()
        assert [str(each.peer.uri) for each in client.calls] == ["sip:x@ims.example"] * 3


STRANGERS = {"another user": "sip:mallory@ims.example", "a GRUU of another user": "sip:mallory@ims.example;gr=1"}
OWN = {"the contact": None, "the identity": "sip:alice@ims.example", "the GRUU": "sip:alice@ims.example;gr=1"}
OWN |= {"an address that a server sees": "sip:alice@192.0.2.7:40112;transport=ws"}
OWN |= {"a GRUU that it does not know": "sip:alice@ims.example;gr=2"}


@pytest.mark.parametrize("uri", STRANGERS.values(), ids=STRANGERS)
async def test_requests_for_other_users(memory_home, caller, uri):
    """RFC 3261 §8.2.2.1, §11.2."""
    async with memory_home.client() as client:
        assert (await caller.ask(uri=uri)).status == 404
        assert (await caller.ask("OPTIONS", uri=uri)).status == 404
        assert client.calls == ()


@pytest.mark.parametrize("uri", OWN.values(), ids=OWN)
async def test_requests_for_this_user(memory_home, caller, uri):
    async with memory_home.client() as client:
        options = await caller.ask("OPTIONS", uri=uri)
        assert (options.status, options.allow, options.supported) == (200, ALLOWED, SUPPORTED)
        (contact,) = options.contacts
        assert str(contact.uri) == "sip:alice@ims.example;gr=1"
        assert {"+sip.instance", "+g.3gpp.icsi-ref"} <= set(contact.params)
        names = ("Accept", "Accept-Encoding", "Accept-Language")
        assert [options.headers.get(name) for name in names] == ["application/sdp", "identity", "en"]
        assert (await caller.ask(uri=uri)).status == 180
        assert len(client.calls) == 1


async def test_options_tells_what_a_call_would_get(memory_home, caller):
    """RFC 3261 §11.2."""
    client = memory_home.client(max_waiting_calls=1)
    async with client:
        assert [(await caller.ask(method)).status for method in ("OPTIONS", "INVITE")] == [200, 180]
        assert [(await caller.ask(method)).status for method in ("OPTIONS", "INVITE")] == [486, 486]
        memory_home.home.deaf_to = {"REGISTER"}
        flow = next(iter(memory_home.home.contacts["alice"].values()))
        leaving = client.tasks.start(client.deregister())
        await memory_home.until(lambda: client.is_over, 5.0)
        memory_home.home.contacts["alice"] = {"": flow}
        assert [(await caller.ask(method)).status for method in ("OPTIONS", "INVITE")] == [480, 480]
        await leaving
