"""Dialogs at the eP-CSCF: what makes them, where requests within them go, and when they end (TS 24.229 §5.2.6.3)."""

from __future__ import annotations

import re
from math import inf

import pytest

from tests.support.waiting import until
from wic.network.epcscf.dialogs import Dialogs
from wic.network.epcscf.tables import UeState
from wic.sdp.line_map import Side
from wic.sip.message import Request, Response

OWN = ["<sip:token@10.1.1.1:443;lr;transport=ws>", "<sip:10.1.1.1:5060;lr>"]
CORE = ["<sip:10.2.2.2:5060;lr>", "<sip:10.3.3.3:5060;lr>"]
FAR = "<sip:bob@10.4.4.4:5070;transport=tcp>"


def request(method: str, origin: Side = Side.WIC, *, far: str | None = "far", number: int = 0, **more: str) -> Request:
    """Write a request of the WIC, or of the far end; without the tag of the latter it is the first one."""
    own = "<sip:alice@ims.example>" + ("" if origin is Side.MW and far is None else ";tag=own")
    other = "<sip:bob@ims.example>" + (f";tag={far}" if far else "")
    if origin is Side.MW and far is None:
        other += ";tag=far"
    sender, receiver = (own, other) if origin is Side.WIC else (other, own)
    lines = [("From", sender), ("To", receiver), ("Call-ID", f"call-{number}"), ("CSeq", f"1 {method}")]
    lines += [(name.replace("_", "-"), value) for name, value in more.items()]
    return Request.build(method, "sip:bob@ims.example", lines)


def answer(request: Request, status: int, *routes: str, to_tag: str = "far", **more: str) -> Response:
    lines = [("Record-Route", each) for each in reversed(routes)]
    lines += [(name.replace("_", "-"), value) for name, value in more.items() if value]
    return Response.answer(request, status, to_tag=to_tag, headers=lines)


class SeenDialogs:
    """Dialogs of a UE, and what passes."""

    def __init__(self, limit: int = 8) -> None:
        self.dialogs = Dialogs(limit)
        self.now = 1000.0

    def out(self, method: str, status: int, *, far: str = "far", number: int = 0, **more: str) -> None:
        """Let a first request of the UE be answered."""
        asked = request(method, far=None, number=number)
        self.answered(asked, answer(asked, status, *OWN, *CORE, to_tag=far, **{"Contact": FAR, **more}))

    def answered(self, asked: Request, response: Response, origin: Side = Side.WIC) -> None:
        self.dialogs.answered(asked, response, origin, now=self.now)

    def find(self, message: Request, origin: Side = Side.WIC):
        return self.dialogs.find(message, origin, now=self.now)

    def passes(self, message: Request, origin: Side = Side.WIC) -> None:
        self.find(message, origin).passed(message, origin, now=self.now)


@pytest.fixture
def seen() -> SeenDialogs:
    return SeenDialogs()


def goes(seen: SeenDialogs, uri: str, *routes: str) -> tuple[str, list[str]]:
    """Return where a request of the WIC goes that has such values."""
    sent = request("INFO")
    sent.uri = type(sent.uri).parse(uri)
    for each in routes:
        sent.headers.add("Route", each)
    seen.find(sent).confine(sent)
    return str(sent.uri), [str(each) for each in sent.routes]


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "REFER"])
@pytest.mark.parametrize("routes", [CORE, [], ["<sip:evil.example;lr>"], [*CORE, "<sip:evil.example;lr>"]])
def test_a_request_goes_where_the_dialog_goes(seen, method, routes):
    seen.out(method, 200)
    for uri in ("sip:bob@10.4.4.4:5070;transport=tcp", "sip:bob@10.4.4.4:5071;transport=tcp", "tel:+1", "sips:evil"):
        assert goes(seen, uri, *routes) == ("sip:bob@10.4.4.4:5070;transport=tcp", CORE)


def test_a_request_uri_that_leads_to_the_same_place_stays(seen):
    seen.out("INVITE", 200)
    uri = "sip:Bob@10.4.4.4:5070;transport=tcp;ob"
    assert goes(seen, uri)[0] == uri


def test_a_called_wic_goes_back_by_the_record_route_of_the_request(seen):
    asked = request("INVITE", Side.MW, far=None, Contact=FAR, Record_Route=", ".join(CORE))
    response = answer(asked, 180, "<sip:evil.example;lr>", to_tag="own", Contact="<sip:evil.example>")
    seen.answered(asked, response, Side.MW)
    assert goes(seen, "sip:evil.example", "<sip:evil.example;lr>") == (FAR.strip("<>"), CORE)


def test_without_a_contact_the_first_request_names_the_target(seen):
    seen.out("INVITE", 180, Contact="")
    assert goes(seen, "sip:evil.example")[0] == "sip:bob@ims.example"
    asked = request("INVITE", Side.MW, far=None, number=1)
    seen.answered(asked, answer(asked, 200, to_tag="own"), Side.MW)
    assert str(seen.find(request("BYE", number=1)).targets[0]) == "sip:bob@ims.example"


def test_each_fork_is_a_dialog(seen):
    seen.out("INVITE", 180, far="one")
    seen.out("INVITE", 183, far="two", Contact="<sip:two@10.4.4.4>")
    assert seen.find(request("PRACK", far="one")) is not seen.find(request("UPDATE", far="two"))
    assert seen.find(request("PRACK", far="three")) is None
    assert seen.find(request("PRACK", far="one", number=1)) is None


def test_an_early_dialog_ends_if_no_answer_comes(seen):
    seen.out("INVITE", 180, far="one")
    seen.out("INVITE", 180, far="two")
    seen.out("INVITE", 200, far="two")
    seen.now += 300
    assert seen.find(request("UPDATE", far="one")) is None
    seen.now += 1e9
    assert seen.find(request("INFO", far="two")) is not None


@pytest.mark.parametrize("status", [100, 302, 404, 486, 503])
def test_other_responses_make_no_dialog(seen, status):
    seen.out("INVITE", status)
    seen.out("MESSAGE", 200)
    assert len(seen.dialogs) == 0


@pytest.mark.parametrize("more", [{"Contact": "<sip:[>"}, {"Expires": "x"}, {"Record_Route": "<sip:[>"}])
@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE"])
def test_a_2xx_that_cannot_be_read_in_full_makes_one_that_can_be_ended(seen, method, more):
    """RFC 3261 §13.2.2.4: the WIC acknowledges and ends it, as far as its way can be read."""
    seen.out(method, 200, **more)
    far = "sip:bob@ims.example" if "Contact" in more else FAR.strip("<>")
    uri, routes = goes(seen, far)
    assert (uri, routes[-2:]) == (far, CORE)


@pytest.mark.parametrize("state", ["?", "active;expires=x"])
def test_a_notify_that_cannot_be_read_goes_on(seen, state):
    seen.out("SUBSCRIBE", 200, Expires="60")
    seen.passes(request("NOTIFY", Side.MW, Subscription_State=state, Contact="<sip:"), Side.MW)
    assert goes(seen, FAR.strip("<>")) == (FAR.strip("<>"), CORE)


def test_an_answer_within_an_unknown_dialog_makes_none(seen):
    again = request("INVITE")
    response = answer(again, 200, *OWN, *CORE, Contact=FAR)
    seen.answered(again, response)
    assert len(seen.dialogs) == 0


@pytest.mark.parametrize("origin", list(Side))
def test_a_call_ends_some_time_after_a_bye(seen, origin):
    seen.out("INVITE", 200)
    seen.passes(request("BYE", origin), origin)
    seen.now += 60
    assert seen.find(request("BYE")) is not None  # once more, after a 407
    seen.now += 5
    assert seen.find(request("BYE")) is None
    assert len(seen.dialogs) == 0


def test_a_subscription_ends_at_its_expiry(seen):
    seen.out("SUBSCRIBE", 200, Expires="600")
    seen.now += 600
    renewed = request("SUBSCRIBE")
    assert seen.find(renewed) is not None
    response = answer(renewed, 200, Expires="900")
    seen.answered(renewed, response)
    seen.now += 900
    assert seen.find(renewed) is not None
    seen.passes(request("NOTIFY", Side.MW, Subscription_State="active;expires=5000"), Side.MW)
    seen.now += 5000
    seen.passes(request("NOTIFY", Side.MW, Subscription_State="terminated;reason=timeout"), Side.MW)
    seen.now += 64
    assert seen.find(renewed) is None


def test_a_notify_before_the_200_finds_no_dialog_yet(seen):
    notify = request("NOTIFY", Side.MW, Subscription_State="active;expires=600")
    assert seen.find(notify, Side.MW) is None
    seen.out("SUBSCRIBE", 200, Expires="600")
    assert seen.find(notify, Side.MW) is seen.find(request("SUBSCRIBE"))


def test_a_call_that_ends_before_its_subscription(seen):
    seen.out("INVITE", 200)
    refer = request("REFER")
    seen.answered(refer, answer(refer, 202))
    seen.passes(request("BYE"))
    seen.now += 3600
    assert seen.find(request("SUBSCRIBE")) is not None
    seen.passes(request("NOTIFY", Side.MW), Side.MW)  # which says nothing
    seen.now += 64
    assert seen.find(request("SUBSCRIBE")) is None


def test_a_notify_that_makes_a_dialog(seen):
    asked = request("NOTIFY", Side.MW, far=None, Contact=FAR, Subscription_State="active;expires=100")
    seen.answered(asked, answer(asked, 200, to_tag="own"), Side.MW)
    assert seen.find(request("SUBSCRIBE")) is not None


def test_a_target_refresh_counts_from_either_side(seen):
    seen.out("INVITE", 200)
    seen.passes(request("UPDATE", Side.MW, Contact="<sip:bob@10.5.5.5>"), Side.MW)
    assert goes(seen, "sip:evil.example") == ("sip:bob@10.5.5.5", CORE)
    assert goes(seen, FAR.strip("<>"))[0] == FAR.strip("<>")  # they have crossed
    again = request("INVITE")
    response = answer(again, 200, "<sip:evil.example;lr>", *OWN, Contact="<sip:bob@10.6.6.6>")
    seen.answered(again, response)
    assert goes(seen, "sip:evil.example") == ("sip:bob@10.6.6.6", CORE)
    own = request("UPDATE", Contact="<sip:evil.example>")
    seen.passes(own)
    backwards = request("UPDATE", Side.MW)
    response = answer(backwards, 200, Contact="<sip:evil.example>")
    seen.answered(backwards, response, Side.MW)
    assert goes(seen, "sip:evil.example")[0] == "sip:bob@10.6.6.6"


def test_few_targets_of_the_far_end_are_kept(seen):
    seen.out("INVITE", 200)
    for number in range(20):
        seen.passes(request("UPDATE", Side.MW, Contact=f"<sip:bob@10.5.5.{number}>"), Side.MW)
    assert len(seen.find(request("INFO")).targets) == 4


def test_the_dialogs_of_one_ue_are_bounded(seen):
    seen.out("INVITE", 200)
    for number in range(1, 20):
        seen.out("INVITE", 180, number=number)
        seen.now += 1
    assert len(seen.dialogs) == 8
    assert seen.find(request("INFO")) is not None
    assert seen.find(request("UPDATE", number=19)) is not None
    seen.now += 400
    seen.out("INVITE", 200, number=20)
    assert len(seen.dialogs) == 2


def test_calls_without_an_end_do_not_stand_in_the_way(seen):
    for number in range(20):
        seen.out("INVITE", 200, number=number)
    seen.out("INVITE", 180, number=20)
    assert len(seen.dialogs) == 8
    assert seen.find(request("UPDATE", number=20)) is not None


def test_merged_dialogs_are_all_found(seen):
    other = SeenDialogs()
    seen.out("INVITE", 200)
    other.out("INVITE", 200, number=1)
    seen.dialogs.merge(other.dialogs)
    assert seen.find(request("INFO")) is not None
    assert seen.find(request("INFO", number=1)) is not None
    assert len(seen.dialogs) == 2


# at the running eP-CSCF


@pytest.fixture
async def call(ue):
    """A call without media."""
    alice, bob = await ue("alice"), await ue("bob")
    alice.send(alice.request("INVITE", "sip:bob@ims.example", f"Contact: {alice.contact}", cseq=10))
    bob.send(bob.respond(await bob.expect("INVITE"), "200 OK"))
    ok = await alice.expect("SIP/2.0 200")

    def within(method: str, **more) -> str:
        uri = re.search(r"<(.*)>", alice.header(ok, "Contact"))[1]
        routes = [f"Route: {value}" for value in reversed(alice.headers(ok, "Record-Route"))]
        return alice.request(method, uri, *routes, to=alice.header(ok, "To"), **more)

    alice.send(within("ACK", cseq=10))
    await bob.expect("ACK")
    return alice, bob, within


async def test_calls_that_the_network_releases_end(call, ims):
    alice, bob, _ = call
    known = [dialog for ue in ims.epcscf.ues for dialog in ue.dialogs]
    assert [each.until for each in known] == [inf, inf]
    ue = next(iter(ims.epcscf.ues))
    ims.epcscf.legs.release(ue, next(iter(ue.legs.values())), "for a test")
    ims.epcscf.node.driver.pump()
    for side in (bob, alice):
        side.send(side.respond(await side.expect("BYE"), "200 OK"))
    assert inf not in [each.until for each in known]


async def test_dialogs_are_forgotten_with_a_wic_that_does_not_come_back(call, ims, time_passes):
    alice, bob, _ = call
    ues = ims.epcscf.ues
    alice.cut()
    await until(lambda: any(ue.state is UeState.ABSENT for ue in ues))
    assert sum(len(ue.dialogs) for ue in ues) == 2
    time_passes(ims.epcscf, 31)
    bob.send(bob.respond(await bob.expect("BYE"), "200 OK"))
    assert sum(len(ue.dialogs) for ue in ues) == 1
