"""What the eP-CSCF knows of dialogs: who learns, who goes where, and when it is forgotten (TS 24.229 §5.2.6.3)."""

from __future__ import annotations

import re
from math import inf

import pytest

from tests.support.waiting import until
from wic.network.epcscf.dialogs import Dialogs
from wic.network.epcscf.flow_tokens import Owner
from wic.network.epcscf.passage import Passage, Way
from wic.sip.flow import Flow
from wic.sip.message import Request, Response

WIC = Owner(Flow("WSS", ("127.0.0.1", 443), ("10.0.0.1", 50000)), "alice@ims.example")
BACK = Owner(Flow("WSS", ("127.0.0.1", 443), ("10.0.0.1", 50001)), "alice@ims.example")
OWN = ["<sip:token@10.1.1.1:443;lr;transport=ws>", "<sip:10.1.1.1:5060;lr>"]
CORE = ["<sip:10.2.2.2:5060;lr>", "<sip:10.3.3.3:5060;lr>"]
FAR = "<sip:bob@10.4.4.4:5070;transport=tcp>"


def request(method: str, way: Way = Way.TO_CORE, *, far: str | None = "far", number: int = 0, **more: str) -> Request:
    """Write a request of the WIC, or of the far end; without the tag of the latter it is the first one."""
    own = "<sip:alice@ims.example>" + ("" if way is Way.TO_WIC and far is None else ";tag=own")
    other = "<sip:bob@ims.example>" + (f";tag={far}" if far else "")
    if way is Way.TO_WIC and far is None:
        other += ";tag=far"
    sender, receiver = (own, other) if way is Way.TO_CORE else (other, own)
    lines = [("From", sender), ("To", receiver), ("Call-ID", f"call-{number}"), ("CSeq", f"1 {method}")]
    lines += [(name.replace("_", "-"), value) for name, value in more.items()]
    return Request.build(method, "sip:bob@ims.example", lines)


def answer(request: Request, status: int, *routes: str, to_tag: str = "far", **more: str) -> Response:
    lines = [("Record-Route", each) for each in reversed(routes)]
    lines += [(name.replace("_", "-"), value) for name, value in more.items() if value]
    return Response.answer(request, status, to_tag=to_tag, headers=lines)


class Edge:
    """Dialogs, and what goes by."""

    def __init__(self, limit: int = 8) -> None:
        self.dialogs = Dialogs(limit)
        self.now = 1000.0

    def out(
        self, method: str, status: int, *, far: str = "far", number: int = 0, wic: Owner = WIC, **more: str
    ) -> None:
        """Let a first request of the WIC be answered."""
        asked = request(method, far=None, number=number)
        passing = answer(asked, status, *OWN, *CORE, to_tag=far, **{"Contact": FAR, **more})
        self.dialogs.answered(Passage(Way.TO_CORE, wic), asked, passing, now=self.now)

    def find(self, message: Request, way: Way = Way.TO_CORE, *, wic: Owner = WIC):
        return self.dialogs.find(wic, message, way, now=self.now)

    def passes(self, message: Request, way: Way = Way.TO_CORE) -> None:
        self.find(message, way).passed(message, way, now=self.now)


@pytest.fixture
def edge() -> Edge:
    return Edge()


def goes(edge: Edge, uri: str, *routes: str) -> tuple[str, list[str]]:
    """Return where a request of the WIC goes that has such values."""
    sent = request("INFO")
    sent.uri = type(sent.uri).parse(uri)
    for each in routes:
        sent.headers.add("Route", each)
    edge.find(sent).confine(sent)
    return str(sent.uri), [str(each) for each in sent.routes]


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "REFER"])
@pytest.mark.parametrize("routes", [CORE, [], ["<sip:evil.example;lr>"], [*CORE, "<sip:evil.example;lr>"]])
def test_a_request_goes_where_the_dialog_goes(edge, method, routes):
    edge.out(method, 200)
    for uri in ("sip:bob@10.4.4.4:5070;transport=tcp", "sip:bob@10.4.4.4:5071;transport=tcp", "tel:+1", "sips:evil"):
        assert goes(edge, uri, *routes) == ("sip:bob@10.4.4.4:5070;transport=tcp", CORE)


def test_what_does_not_change_the_place_is_left_to_the_wic(edge):
    edge.out("INVITE", 200)
    uri = "sip:Bob@10.4.4.4:5070;transport=tcp;ob"
    assert goes(edge, uri)[0] == uri


def test_a_called_wic_goes_back_by_the_record_route_of_the_request(edge):
    asked = request("INVITE", Way.TO_WIC, far=None, Contact=FAR, Record_Route=", ".join(CORE))
    response = answer(asked, 180, "<sip:evil.example;lr>", to_tag="own", Contact="<sip:evil.example>")
    edge.dialogs.answered(Passage(Way.TO_WIC, WIC), asked, response, now=edge.now)
    assert goes(edge, "sip:evil.example", "<sip:evil.example;lr>") == (FAR.strip("<>"), CORE)


def test_without_a_contact_the_first_request_tells_where(edge):
    edge.out("INVITE", 180, Contact="")
    assert goes(edge, "sip:evil.example")[0] == "sip:bob@ims.example"
    asked = request("INVITE", Way.TO_WIC, far=None, number=1)
    edge.dialogs.answered(Passage(Way.TO_WIC, WIC), asked, answer(asked, 200, to_tag="own"), now=edge.now)
    assert str(edge.find(request("BYE", number=1)).targets[0]) == "sip:bob@ims.example"


def test_each_fork_is_a_dialog(edge):
    edge.out("INVITE", 180, far="one")
    edge.out("INVITE", 183, far="two", Contact="<sip:two@10.4.4.4>")
    assert edge.find(request("PRACK", far="one")) is not edge.find(request("UPDATE", far="two"))
    assert edge.find(request("PRACK", far="three")) is None
    assert edge.find(request("PRACK", far="one", number=1)) is None
    assert edge.find(request("PRACK", far="one"), wic=BACK) is None


def test_an_early_dialog_ends_if_no_answer_comes(edge):
    edge.out("INVITE", 180, far="one")
    edge.out("INVITE", 180, far="two")
    edge.out("INVITE", 200, far="two")
    edge.now += 300
    assert edge.find(request("UPDATE", far="one")) is None
    edge.now += 1e9
    assert edge.find(request("INFO", far="two")) is not None


@pytest.mark.parametrize("status", [100, 302, 404, 486, 503])
def test_what_makes_no_dialog(edge, status):
    edge.out("INVITE", status)
    edge.out("MESSAGE", 200)
    edge.out("INVITE", 200, Contact="<sip:[>")
    assert len(edge.dialogs) == 0


def test_an_answer_within_an_unknown_dialog_makes_none(edge):
    again = request("INVITE")
    response = answer(again, 200, *OWN, *CORE, Contact=FAR)
    edge.dialogs.answered(Passage(Way.TO_CORE, WIC), again, response, now=edge.now)
    assert len(edge.dialogs) == 0


@pytest.mark.parametrize("way", list(Way))
def test_a_call_ends_with_a_bye_and_what_is_on_its_way(edge, way):
    edge.out("INVITE", 200)
    edge.passes(request("BYE", way), way)
    edge.now += 60
    assert edge.find(request("BYE")) is not None  # once more, after a 407
    edge.now += 5
    assert edge.find(request("BYE")) is None
    assert len(edge.dialogs) == 0


def test_a_subscription_ends_when_it_says_so(edge):
    edge.out("SUBSCRIBE", 200, Expires="600")
    edge.now += 600
    renewed = request("SUBSCRIBE")
    assert edge.find(renewed) is not None
    response = answer(renewed, 200, Expires="900")
    edge.dialogs.answered(Passage(Way.TO_CORE, WIC), renewed, response, now=edge.now)
    edge.now += 900
    assert edge.find(renewed) is not None
    edge.passes(request("NOTIFY", Way.TO_WIC, Subscription_State="active;expires=5000"), Way.TO_WIC)
    edge.now += 5000
    edge.passes(request("NOTIFY", Way.TO_WIC, Subscription_State="terminated;reason=timeout"), Way.TO_WIC)
    edge.now += 64
    assert edge.find(renewed) is None


def test_a_notify_before_the_200_finds_no_dialog_yet(edge):
    notify = request("NOTIFY", Way.TO_WIC, Subscription_State="active;expires=600")
    assert edge.find(notify, Way.TO_WIC) is None
    edge.out("SUBSCRIBE", 200, Expires="600")
    assert edge.find(notify, Way.TO_WIC) is edge.find(request("SUBSCRIBE"))


def test_a_call_that_ends_before_its_subscription(edge):
    edge.out("INVITE", 200)
    refer = request("REFER")
    edge.dialogs.answered(Passage(Way.TO_CORE, WIC), refer, answer(refer, 202), now=edge.now)
    edge.passes(request("BYE"))
    edge.now += 3600
    assert edge.find(request("SUBSCRIBE")) is not None
    edge.passes(request("NOTIFY", Way.TO_WIC), Way.TO_WIC)  # which says nothing
    edge.now += 64
    assert edge.find(request("SUBSCRIBE")) is None


def test_a_notify_that_makes_a_dialog(edge):
    asked = request("NOTIFY", Way.TO_WIC, far=None, Contact=FAR, Subscription_State="active;expires=100")
    edge.dialogs.answered(Passage(Way.TO_WIC, WIC), asked, answer(asked, 200, to_tag="own"), now=edge.now)
    assert edge.find(request("SUBSCRIBE")) is not None


def test_a_target_refresh_counts_in_both_ways(edge):
    edge.out("INVITE", 200)
    edge.passes(request("UPDATE", Way.TO_WIC, Contact="<sip:bob@10.5.5.5>"), Way.TO_WIC)
    assert goes(edge, "sip:evil.example") == ("sip:bob@10.5.5.5", CORE)
    assert goes(edge, FAR.strip("<>"))[0] == FAR.strip("<>")  # they have crossed
    again = request("INVITE")
    response = answer(again, 200, "<sip:evil.example;lr>", *OWN, Contact="<sip:bob@10.6.6.6>")
    edge.dialogs.answered(Passage(Way.TO_CORE, WIC), again, response, now=edge.now)
    assert goes(edge, "sip:evil.example") == ("sip:bob@10.6.6.6", CORE)
    own = request("UPDATE", Contact="<sip:evil.example>")
    edge.passes(own)
    backwards = request("UPDATE", Way.TO_WIC)
    response = answer(backwards, 200, Contact="<sip:evil.example>")
    edge.dialogs.answered(Passage(Way.TO_WIC, WIC), backwards, response, now=edge.now)
    assert goes(edge, "sip:evil.example")[0] == "sip:bob@10.6.6.6"


def test_little_is_kept_of_where_the_far_end_was(edge):
    edge.out("INVITE", 200)
    for number in range(20):
        edge.passes(request("UPDATE", Way.TO_WIC, Contact=f"<sip:bob@10.5.5.{number}>"), Way.TO_WIC)
    assert len(edge.find(request("INFO")).targets) == 4


def test_the_dialogs_of_one_wic_are_bounded(edge):
    edge.out("INVITE", 200)
    for number in range(1, 20):
        edge.out("INVITE", 180, number=number)
        edge.now += 1
    assert len(edge.dialogs) == 8
    assert edge.find(request("INFO")) is not None
    assert edge.find(request("UPDATE", number=19)) is not None
    edge.now += 400
    edge.out("INVITE", 200, number=20)
    assert len(edge.dialogs) == 2


def test_calls_that_nobody_ends_do_not_stand_in_the_way(edge):
    for number in range(20):
        edge.out("INVITE", 200, number=number)
    edge.out("INVITE", 180, number=20)
    assert len(edge.dialogs) == 8
    assert edge.find(request("UPDATE", number=20)) is not None


def test_dialogs_go_along_to_another_connection(edge):
    edge.out("INVITE", 200)
    edge.out("INVITE", 200, number=1, wic=BACK)
    edge.dialogs.close(WIC.flow, {WIC.impi})
    edge.dialogs.move(WIC, BACK)
    assert edge.find(request("INFO")) is None
    assert edge.find(request("INFO"), wic=BACK) is not None
    assert edge.find(request("INFO", number=1), wic=BACK) is not None
    edge.dialogs.move(WIC, BACK)
    assert len(edge.dialogs) == 2
    edge.dialogs.forget(BACK)
    edge.dialogs.forget(BACK)
    assert len(edge.dialogs) == 0
    assert not edge.dialogs._of


def test_dialogs_go_with_their_connection(edge):
    edge.out("INVITE", 200)
    edge.out("INVITE", 200, wic=Owner(WIC.flow, "bob@ims.example"))
    edge.out("INVITE", 200, wic=Owner(WIC.flow, "carol@ims.example"))
    edge.dialogs.forget(Owner(WIC.flow, "carol@ims.example"))
    edge.dialogs.close(WIC.flow, {"bob@ims.example"})
    assert edge.find(request("INFO")) is None
    assert len(edge.dialogs) == 1
    edge.dialogs.close(WIC.flow, ())
    edge.dialogs.close(WIC.flow, ())
    assert not edge.dialogs._of


# at the running eP-CSCF


@pytest.fixture
async def call(ue):
    """A call without media."""
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", "sip:bob@ims.example", f"Contact: {alice.contact}", cseq=10))
    bob.send(bob.respond(await bob.receive("INVITE"), "200 OK"))
    ok = await alice.receive("SIP/2.0 200")

    def within(method: str, **more) -> str:
        uri = re.search(r"<(.*)>", alice.header(ok, "Contact"))[1]
        routes = [f"Route: {value}" for value in reversed(alice.headers(ok, "Record-Route"))]
        return alice.request(method, uri, *routes, to=alice.header(ok, "To"), **more)

    alice.send(within("ACK", cseq=10))
    await bob.receive("ACK")
    return alice, bob, within


async def test_the_calls_that_the_network_ends_are_known_to_end(call, ims):
    alice, bob, _ = call
    dialogs = ims.epcscf._parts.dialogs
    known = [each for owned in dialogs._of.values() for kept in owned.values() for each in kept.values()]
    assert [each.until for each in known] == [inf, inf]
    ims.epcscf._sessions.release(next(iter(ims.epcscf._sessions._legs.values())), "for a test")
    ims.epcscf.node.driver.pump()
    for side in (bob, alice):
        side.send(side.respond(await side.receive("BYE"), "200 OK"))
    assert inf not in [each.until for each in known]


async def test_dialogs_are_forgotten_with_a_wic_that_does_not_come_back(call, ims, time_passes):
    alice, bob, _ = call
    alice.cut()
    await until(lambda: ims.epcscf._survival._absent)
    assert len(ims.epcscf._parts.dialogs) == 2
    time_passes(ims.epcscf, 31)
    bob.send(bob.respond(await bob.receive("BYE"), "200 OK"))
    assert len(ims.epcscf._parts.dialogs) == 1
