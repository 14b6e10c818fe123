"""Calls that outlive the connection of their WIC, and those that do not."""

from __future__ import annotations

import re

import pytest

from tests.support.waiting import until

BOB = "sip:bob@ims.example"
FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 40000 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 127.0.0.1\r\n"
    f"a=rtpmap:0 PCMU/8000\r\na=ice-ufrag:abcd\r\na=ice-pwd:{'p' * 22}\r\na=fingerprint:{FINGERPRINT}\r\n"
    "a=setup:{}\r\na=rtcp-mux\r\na=3ge2ae:requested\r\n"
)


class Call:
    """A call between two WICs made of strings, as each of them sees it."""

    def __init__(self, alice, bob, ok: bytes, invited: bytes) -> None:
        self.alice, self.bob = alice, bob
        self._routes = {
            "alice": [f"Route: {value}" for value in reversed(alice.headers(ok, "Record-Route"))],
            "bob": [f"Route: {value}" for value in bob.headers(invited, "Record-Route")],
        }
        self._remote = {"alice": alice.header(ok, "Contact"), "bob": bob.header(invited, "Contact")}
        self._from = {"alice": alice.header(ok, "From"), "bob": f"{bob.header(invited, 'To')};tag=bob"}
        self._to = {"alice": alice.header(ok, "To"), "bob": bob.header(invited, "From")}

    def within(self, user: str, method: str, *lines: str, **more) -> str:
        uri = re.search(r"<(.*)>", self._remote[user])[1]
        wic = self.alice if user == "alice" else self.bob
        return wic.request(
            method,
            uri,
            *self._routes[user],
            *lines,
            to=self._to[user],
            from_=self._from[user],
            call_id="call-1",
            **more,
        )


@pytest.fixture
async def call(ue):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", cseq=10, body=SDP.format("actpass")))
    invited = await bob.expect("INVITE")
    bob.send(bob.respond(invited, "200 OK", body=SDP.format("active")))
    ok = await alice.expect("SIP/2.0 200")
    made = Call(alice, bob, ok, invited)
    alice.send(made.within("alice", "ACK", cseq=10))
    await bob.expect("ACK")
    return made


async def lose(wic, ims) -> None:
    """Cut a connection, and wait until the eP-CSCF has noticed."""
    connections = len(ims.epcscf.node.driver.connections)
    wic.cut()
    await until(lambda: len(ims.epcscf.node.driver.connections) < connections)


async def back(ue, user: str = "alice"):
    """Come back over a new connection."""
    again = await ue(user, register=False)
    await again.registered()
    return again


async def test_requests_pass_both_ways_after_a_return(call, ue, ims):
    await lose(call.alice, ims)
    assert ims.epcscf.calls == 2
    call.alice = await back(ue)
    call.alice.send(call.within("alice", "INFO", cseq=20))
    call.bob.send(call.bob.respond(await call.bob.expect("INFO"), "200 OK"))
    await call.alice.expect("SIP/2.0 200")
    call.bob.send(call.within("bob", "INFO", cseq=20))
    call.alice.send(call.alice.respond(await call.alice.expect("INFO"), "200 OK"))
    await call.bob.expect("SIP/2.0 200")
    call.alice.send(call.within("alice", "BYE", cseq=21))
    call.bob.send(call.bob.respond(await call.bob.expect("BYE"), "200 OK"))
    await call.alice.expect("SIP/2.0 200")
    await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)


async def test_a_call_survives_again_and_again(call, ue, ims):
    for number in range(3):
        await lose(call.alice, ims)
        call.alice = await back(ue)
        await lose(call.bob, ims)
        call.bob = await back(ue, "bob")
        call.bob.send(call.within("bob", "INFO", cseq=20 + number))
        call.alice.send(call.alice.respond(await call.alice.expect("INFO"), "200 OK"))
        await call.bob.expect("SIP/2.0 200")
    assert ims.epcscf.calls == 2


async def test_a_wic_that_does_not_come_back_loses_the_call(call, ims, time_passes):
    await lose(call.alice, ims)
    time_passes(ims.epcscf, 29)
    assert ims.epcscf.calls == 2
    time_passes(ims.epcscf, 31)
    bye = await call.bob.expect("BYE")
    assert "connection" in call.bob.header(bye, "Reason")
    call.bob.send(call.bob.respond(bye, "200 OK"))
    await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)


async def test_a_wic_that_comes_back_too_late_gets_481(call, ue, ims, time_passes):
    """RFC 5057 §5.1: 481 ends the dialog at the WIC, 403 would not."""
    await lose(call.alice, ims)
    time_passes(ims.epcscf, 31)
    call.bob.send(call.bob.respond(await call.bob.expect("BYE"), "200 OK"))
    call.alice = await back(ue)
    call.alice.send(call.within("alice", "BYE", cseq=20))
    await call.alice.expect("SIP/2.0 481")


async def test_the_wait_is_a_timer_of_the_driver(call, ims):
    await lose(call.alice, ims)
    due = ims.epcscf.recovery.timers.next_timeout()
    assert 0 < due - ims.epcscf.node.driver.now <= 30


async def test_requests_of_the_far_end_get_500_meanwhile(call, ue, ims):
    await lose(call.alice, ims)
    call.bob.send(call.within("bob", "INFO", cseq=20))
    assert call.bob.header(await call.bob.expect("SIP/2.0 500"), "Retry-After")
    call.alice = await back(ue)
    call.bob.send(call.within("bob", "INFO", cseq=21))
    call.alice.send(call.alice.respond(await call.alice.expect("INFO"), "200 OK"))
    await call.bob.expect("SIP/2.0 200")


async def test_a_request_on_its_way_as_the_connection_breaks_gets_500(call, ue, ims):
    call.bob.send(call.within("bob", "INFO", cseq=20))
    await call.alice.expect("INFO")
    await lose(call.alice, ims)
    assert call.bob.header(await call.bob.expect("SIP/2.0 500"), "Retry-After")


async def test_an_absent_wic_keeps_its_subscription(ue, ims, mw):
    """The NOTIFY that was on its way comes again."""
    alice = await ue("alice")
    lines = ("Event: reg", f"Contact: {alice.contact}", "Expires: 3600")
    alice.send(alice.request("SUBSCRIBE", "sip:alice@ims.example", *lines, call_id="reg-event"))
    await alice.expect("SIP/2.0 200")
    await alice.expect("NOTIFY")
    await lose(alice, ims)
    await until(lambda: any(b"CSeq: 1 NOTIFY" in each for each in mw if each.startswith(b"SIP/2.0 500")))
    assert len(ims.scscf.notifier) == 2  # the other one is the eP-CSCF's
    alice = await back(ue)
    assert alice.header(await alice.expect("NOTIFY"), "CSeq") == "2 NOTIFY"


async def test_a_far_end_that_hangs_up_meanwhile(call, ue, ims):
    await lose(call.alice, ims)
    call.bob.send(call.within("bob", "BYE", 'Reason: Q.850;cause=16;text="Normal"', cseq=20))
    await call.bob.expect("SIP/2.0 200")
    await until(lambda: ims.epcscf.calls == 0 and ims.agw.contexts == 0)
    again = await ue("alice", register=False)
    again.send(again.register())
    challenge = next(
        each
        for each in again.headers(await again.expect("SIP/2.0 401"), "WWW-Authenticate")
        if again.parameter(each, "algorithm") == "SHA-256"
    )
    again.send(again.register(again.credentials(challenge)))
    first, second = [await again.expect(""), await again.expect("")]
    bye = first if first.startswith(b"BYE") else second
    assert bye.startswith(b"BYE")
    assert again.header(bye, "Reason") == 'Q.850;cause=16;text="Normal"'
    assert again.header(bye, "Call-ID") == "call-1"
    again.send(again.respond(bye, "200 OK"))


async def test_a_far_end_that_hangs_up_on_a_wic_that_never_returns(call, ims, time_passes):
    await lose(call.alice, ims)
    call.bob.send(call.within("bob", "BYE", cseq=20))
    await call.bob.expect("SIP/2.0 200")
    assert [len(ue.missed_byes) for ue in ims.epcscf.ues] == [1, 0]
    time_passes(ims.epcscf, 31)
    assert [ue.impi for ue in ims.epcscf.ues] == ["bob@ims.example"]


async def test_an_old_connection_that_still_stands_is_closed(call, ue, ims):
    again = await back(ue)
    await call.alice.ended.wait()
    call.alice = again
    call.alice.send(call.within("alice", "INFO", cseq=20))
    call.bob.send(call.bob.respond(await call.bob.expect("INFO"), "200 OK"))
    await call.alice.expect("SIP/2.0 200")
    assert ims.epcscf.registrations == 2


async def test_a_request_on_its_way_over_a_replaced_connection_gets_500(call, ue, ims):
    """RFC 5057 §5.1: the dialog goes on over the new connection, so the answer must not end it."""
    call.bob.send(call.within("bob", "INFO", cseq=20))
    await call.alice.expect("INFO")
    again = await back(ue)
    assert call.bob.header(await call.bob.expect("SIP/2.0 500"), "Retry-After")
    call.alice = again
    call.bob.send(call.within("bob", "INFO", cseq=21))
    call.alice.send(call.alice.respond(await call.alice.expect("INFO"), "200 OK"))
    await call.bob.expect("SIP/2.0 200")


async def test_another_user_with_the_same_instance_gets_nothing(call, ue, ims):
    """The instance identifier is no secret: it is in every Contact."""
    await lose(call.alice, ims)
    thief = await ue("bob", register=False)
    thief.registration = "thief"
    await thief.registered(contact=f'<sip:alice@{thief.host}>;reg-id=1;+sip.instance="<urn:uuid:alice>"')
    assert ims.epcscf.calls == 2
    call.bob.send(call.within("bob", "INFO", cseq=20))
    await call.bob.expect("SIP/2.0 500")
    stolen = call.within("alice", "BYE", cseq=30)
    thief.send(stolen)
    await thief.expect("SIP/2.0 403")
    assert thief.nothing_came()


async def test_a_wic_that_the_core_refuses_gets_nothing(call, ue, ims):
    await lose(call.alice, ims)
    thief = await ue("alice", register=False)
    thief.send(thief.register())
    challenge = thief.headers(await thief.expect("SIP/2.0 401"), "WWW-Authenticate")[1]
    thief.send(thief.register(thief.credentials(challenge, "wrong")))
    await thief.expect("SIP/2.0 403")
    thief.send(call.within("alice", "BYE", cseq=30))
    await thief.expect("SIP/2.0 403")
    assert ims.epcscf.calls == 2


async def test_another_device_of_the_user_gets_nothing(call, ue, ims):
    await lose(call.alice, ims)
    tablet = await ue("alice", register=False)
    tablet.registration = "tablet"
    await tablet.registered(contact=f'<sip:alice@{tablet.host}>;reg-id=1;+sip.instance="<urn:uuid:tablet>"')
    tablet.send(call.within("alice", "BYE", cseq=30))
    await tablet.expect("SIP/2.0 403")
    assert ims.epcscf.calls == 2


async def test_a_wic_without_instance_is_not_waited_for(ue, ims):
    alice, bob = await ue("alice", register=False), await ue("bob")
    await alice.registered(contact="<sip:alice@alice-host.invalid;transport=ws>")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", cseq=10, body=SDP.format("actpass")))
    invited = await bob.expect("INVITE")
    bob.send(bob.respond(invited, "200 OK", body=SDP.format("active")))
    made = Call(alice, bob, await alice.expect("SIP/2.0 200"), invited)
    alice.send(made.within("alice", "ACK", cseq=10))
    await bob.expect("ACK")
    alice.cut()
    bob.send(bob.respond(await bob.expect("BYE"), "200 OK"))
    await until(lambda: ims.epcscf.calls == 0)
    assert [each.impi for each in ims.epcscf.ues] == ["bob@ims.example"]


async def test_a_call_without_ack_does_not_survive(ue, ims):
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", BOB, f"Contact: {alice.contact}", cseq=10, body=SDP.format("actpass")))
    invited = await bob.expect("INVITE")
    bob.send(bob.respond(invited, "200 OK", body=SDP.format("active")))
    await alice.expect("SIP/2.0 200")
    await lose(alice, ims)
    await bob.expect("ACK")
    bob.send(bob.respond(await bob.expect("BYE"), "200 OK"))
    await until(lambda: ims.epcscf.calls == 0)


async def test_a_request_for_an_absent_wic_gets_480(call, ue, ims):
    await lose(call.alice, ims)
    call.bob.send(call.bob.request("OPTIONS", "sip:alice@ims.example", call_id="o"))
    await call.bob.expect("SIP/2.0 480")


async def test_an_idle_connection_with_a_call_is_kept(call, ims, time_passes):
    await call.alice.registered(expires=0)
    time_passes(ims.epcscf, 40)
    call.alice.send(call.within("alice", "BYE", cseq=20))
    call.bob.send(call.bob.respond(await call.bob.expect("BYE"), "200 OK"))
    await call.alice.expect("SIP/2.0 200")
    assert not call.alice.ended.is_set()
    time_passes(ims.epcscf, 100)
    await call.alice.ended.wait()


async def test_an_ack_for_an_absent_wic_is_lost(call, ims):
    await lose(call.alice, ims)
    call.bob.send(call.within("bob", "ACK", cseq=10))
    call.bob.send(call.within("bob", "INFO", cseq=20))
    await call.bob.expect("SIP/2.0 500")
    assert ims.epcscf.calls == 2


async def test_a_connection_may_be_reported_closed_twice(call, ims):
    """Each message that cannot be sent over it reports it once more."""
    (flow,) = (each.flow for each in ims.epcscf.node.driver.connections if each.flow.remote == call.alice.address)
    await lose(call.alice, ims)
    ims.epcscf.recovery.flow_closed(flow, now=ims.epcscf.node.driver.now)
    assert ims.epcscf.calls == 2
