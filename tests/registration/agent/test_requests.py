"""Requests for the user's identities, and the address that they are answered from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from wic.sip.flow import Flow
from wic.sip.headers import NameAddr
from wic.sip.message import Request, Response
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Household

    from wic.registration import RegistrationAgent

FLOW = Flow("WSS", ("127.0.0.1", 40000), ("127.0.0.1", 8443), "1")
ALICE, WORK, PHONE = map(Uri.parse, ("sip:alice@ims.example", "sip:work@ims.example", "tel:+358401234567"))
CONTACT = "sip:alice@x7k2.invalid;transport=ws"


def gruu(request: Request) -> tuple[str, object]:
    """Return the Contact of a 200 that gives a public and a temporary GRUU."""
    own = request.contacts[0]
    params = own.params.with_("pub-gruu", f"{request.to.uri};gr=1").with_(
        "temp-gruu", f"sip:t@{request.to.uri.host};gr"
    )
    return ("Contact", replace(own, params=params.with_("expires", "600")))


@pytest.fixture
def agent(make_household: Callable[..., Household]) -> RegistrationAgent:
    """One with two registrations, and a telephone number along with the first."""
    household = make_household(impus=(WORK,))
    household.agent.register(FLOW, now=0)
    for associated in (f"<{ALICE}>, <{PHONE}>", f"<{WORK}>"):
        request = household.take()
        answer = Response.answer(request, 200, to_tag="r", headers=[gruu(request), ("P-Associated-URI", associated)])
        household.reply(answer)
    return household.agent


def invite(uri: str, to: Uri = ALICE) -> Request:
    return Request.build("INVITE", Uri.parse(uri), [("To", f"<{to}>")])


@pytest.mark.parametrize("wanted", [ALICE, WORK, PHONE])
def test_the_identity_and_its_registration(agent: RegistrationAgent, wanted: Uri) -> None:
    called = agent.called(invite(CONTACT, wanted))
    assert called is not None
    assert called[0] == wanted
    assert called[1] is agent.bindings[wanted is WORK]


@pytest.mark.parametrize("uri", ["sip:t@ims.example;gr", "sip:work@ims.example;gr=1", "sip:alice@ims.example;gr=1"])
def test_the_gruus_are_ours(agent: RegistrationAgent, uri: str) -> None:
    assert agent.called(invite(uri)) == (ALICE, agent.bindings[0])  # To names the identity that was called


@pytest.mark.parametrize("uri", ["sip:mallory@ims.example", "sip:t2@ims.example;gr"])
def test_a_request_for_another_user(agent: RegistrationAgent, uri: str) -> None:
    assert agent.called(invite(uri)) is None


def test_an_identity_that_is_not_registered_now(household: Household) -> None:
    """Its call is one of the default identity."""
    assert household.agent.called(invite(CONTACT, WORK)) == (ALICE, None)
    household.agent.register(FLOW, now=0)
    household.accept()
    household.agent.add(WORK, now=0)
    called = household.agent.called(invite(CONTACT, WORK))
    assert called == (ALICE, household.agent.bindings[0])


@pytest.mark.parametrize(("wanted", "address"), [(ALICE, f"{ALICE};gr=1"), (WORK, f"{WORK};gr=1"), (PHONE, CONTACT)])
def test_the_address_of_each_identity(agent: RegistrationAgent, wanted: Uri, address: str) -> None:
    chosen, binding = agent.choose(wanted)
    assert str(agent.address(chosen, binding)) == address
    assert str(agent.address(chosen, None)) == CONTACT


def test_the_edge_proxy_is_that_of_the_flow(household: Household) -> None:
    edge = NameAddr.parse("<sip:pcscf.example:443;transport=ws;lr>")
    household.agent.register(FLOW, now=0, edge=edge)
    household.accept(600, ("Service-Route", "<sip:scscf.example;lr>"))
    assert [str(each) for each in household.agent.bindings[0].routes] == [str(edge), "<sip:scscf.example;lr>"]
