from __future__ import annotations

import contextlib
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.errors import RegistrationFailed
from wic.registration import Binding, Identity, read_binding
from wic.registration.binding import find_own
from wic.sip.headers import NameAddr
from wic.sip.message import Response
from wic.sip.uri import Uri

OWN = NameAddr.parse('<sip:alice@x.invalid;transport=ws>;reg-id=1;+sip.instance="<urn:uuid:1>"')


ALICE = Uri.parse("sip:alice@ims.example")
PHONE = Uri.parse("tel:+358401234567")


def read(*headers: tuple[str, object], asked: int = 600000, via: str = "") -> Binding:
    response = Response.build(200, headers=[("Via", f"SIP/2.0/WSS x.invalid;branch=z9hG4bK1{via}"), *headers])
    return read_binding(response, OWN, impu=ALICE, asked=asked, now=100.0)


def test_everything_a_200_says() -> None:
    binding = read(
        ("Contact", f'{OWN};expires=3600;pub-gruu="sip:alice@ims.example;gr=1";temp-gruu="sip:t@ims.example;gr"'),
        ("Service-Route", "<sip:pcscf.example;lr>, <sip:scscf.example;lr>"),
        ("P-Associated-URI", "<sip:alice@ims.example>, <tel:+358401234567>"),
        ("Require", "outbound"),
        ("Flow-Timer", "120"),
        ("Path", "<sip:token@pcscf.example;lr;ob>"),
        via=";keep=30",
    )
    assert (binding.expires, binding.expires_at) == (3600, 3700.0)
    assert [str(route.uri) for route in binding.service_route] == ["sip:pcscf.example;lr", "sip:scscf.example;lr"]
    assert [str(each.uri) for each in binding.associated_uris] == ["sip:alice@ims.example", "tel:+358401234567"]
    assert [str(path.uri) for path in binding.path] == ["sip:token@pcscf.example;lr;ob"]
    assert (binding.outbound, binding.flow_timer, binding.keep_alive) == (True, 120, 30)
    assert binding.identities == (ALICE, PHONE)
    assert (binding.impu, binding.default_identity, binding.barred) == (ALICE, ALICE, False)
    assert binding.preferred_identity(PHONE) == PHONE
    assert str(binding.public_gruu) == "sip:alice@ims.example;gr=1"
    assert str(binding.temporary_gruu) == "sip:t@ims.example;gr"


EDGE = "<sip:pcscf.example:443;transport=ws;lr>"
ROUTES = {
    # TS 24.229 §5.1.2A.1.1: the eP-CSCF's URI, then the Service-Route.
    ("<sip:scscf.example;lr>", EDGE): [EDGE, "<sip:scscf.example;lr>"],
    ("<sip:orig@pcscf.example:5060;lr>", EDGE): [EDGE, "<sip:orig@pcscf.example:5060;lr>"],
    ("<sip:a.example;lr>, <sip:b.example;lr>", EDGE): [EDGE, "<sip:a.example;lr>", "<sip:b.example;lr>"],
    # An edge proxy that is the registrar names itself.
    ("<sip:PCSCF.example:443;transport=ws;lr>", EDGE): ["<sip:PCSCF.example:443;transport=ws;lr>"],
    # A registrar that is no S-CSCF, and an account that does not want it.
    ("", EDGE): [],
    ("<sip:scscf.example;lr>", None): ["<sip:scscf.example;lr>"],
}


@pytest.mark.parametrize(("service_route", "edge"), ROUTES)
def test_the_route_of_requests(service_route: str, edge: str | None) -> None:
    via = ("Via", "SIP/2.0/WSS x.invalid;branch=z9hG4bK1")
    response = Response.build(200, headers=[via, *([("Service-Route", service_route)] if service_route else [])])
    named = None if edge is None else NameAddr.parse(edge)
    binding = read_binding(response, OWN, impu=ALICE, asked=600, now=0.0, edge=named)
    assert [str(route) for route in binding.routes] == ROUTES[service_route, edge]


def test_a_gruu_that_is_no_sip_uri_is_passed_over() -> None:
    binding = read(("Contact", f'{OWN};pub-gruu="mailto:alice@ims.example";temp-gruu="sips:t@ims.example;gr"'))
    assert binding.public_gruu is None
    assert str(binding.temporary_gruu) == "sips:t@ims.example;gr"


@pytest.mark.parametrize(
    ("headers", "expires"),
    [
        ([("Contact", f"{OWN};expires=60"), ("Expires", 90)], 60),
        ([("Contact", OWN), ("Expires", 90)], 90),
        ([("Contact", OWN)], 3600),
        ([("Expires", 90)], 90),
        ([], 3600),
        ([("Contact", f"{OWN};expires=99999999999")], 600000),
        ([("Contact", f"{OWN};expires=soon")], 3600),
    ],
)
def test_how_long(headers: list[tuple[str, object]], expires: int) -> None:
    assert read(*headers).expires == expires


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([("Contact", f"{OWN};expires=0")], "no time"),
        ([("Contact", "<sip:alice@phone.example>;expires=60")], "does not list this contact"),
    ],
)
def test_answers_that_are_none(headers: list[tuple[str, object]], reason: str) -> None:
    with pytest.raises(RegistrationFailed, match=reason) as failed:
        read(*headers)
    assert failed.value.response is not None


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ([("Contact", f'{OWN}, "<sip:other')], {}),
        ([("Contact", OWN), ("Expires", "never")], {"expires": 3600}),
        ([("Contact", OWN), ("Expires", "600;x=1")], {"expires": 3600}),
        ([("Contact", f"{OWN};expires=600"), ("Expires", "never")], {"expires": 600}),
        ([("Contact", f"{OWN};expires=600"), ("Expires", 60), ("Expires", 60)], {"expires": 600}),
        ([("P-Associated-URI", "")], {"associated_uris": ()}),
        (
            [("P-Associated-URI", "<sip:alice@ims.example>, <urn>, , <tel:+358401234567>")],
            {"identities": (ALICE, PHONE)},
        ),
        ([("P-Associated-URI", '"<sip:alice@ims.example>')], {"identities": (ALICE,), "barred": False}),
        ([("Service-Route", "<nonsense>")], {"service_route": ()}),
        ([("Path", "<sip:a;;>, <sip:p.example;lr>")], {"path": (NameAddr.parse("<sip:p.example;lr>"),)}),
        (
            [("Service-Route", "<sip:scscf.example;lr>, <javascript:alert>")],
            {"service_route": (NameAddr.parse("<sip:scscf.example;lr>"),)},
        ),
        ([("Contact", f'{OWN};pub-gruu="nonsense";temp-gruu="sip:t@x;gr"')], {"public_gruu": None}),
        ([("Require", "outbound, a b, ,")], {"outbound": True}),
        ([("Require", "?")], {"outbound": False}),
        ([("Flow-Timer", "5;a=b")], {"flow_timer": None}),
    ],
)
def test_what_cannot_be_used_beside_the_binding_is_left_out(
    headers: list[tuple[str, object]], fields: dict[str, object]
) -> None:
    binding = read(*headers)
    assert {name: getattr(binding, name) for name in fields} == fields


def test_what_is_left_out_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    read(("Contact", f'{OWN};pub-gruu="nonsense"'), ("Path", "<x>"), ("Service-Route", "<tel:1>, <sip:a;lr>"))
    assert [each in caplog.text for each in ("pub-gruu", "Path", "Service-Route")] == [True] * 3


@pytest.mark.parametrize("text", ["0", "x", "", "9" * 30, "٣"])
def test_a_flow_timer_that_is_none(text: str) -> None:
    assert read(("Flow-Timer", text)).flow_timer is None


@pytest.mark.parametrize(("via", "keep_alive"), [(";keep=0", 0), (";keep", None), ("", None), (";keep=soon", None)])
def test_keep_alives_are_agreed_by_a_value(via: str, keep_alive: int | None) -> None:
    """RFC 6223 §4.3: the next hop adds a value; a `keep` that merely came back is no agreement."""
    assert read(via=via).keep_alive == keep_alive


def test_a_malformed_contact_of_another_device_does_no_harm() -> None:
    assert read(("Contact", f"<other>, {OWN};expires=60")).expires == 60


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:alice@phone.example",
        f'"<sip:other, {OWN}',
        f"{OWN};expires=5;expires=60",
        f"{OWN};expires=\ufffd",
        f"<sip:alice@phone.example>;expires=60, {OWN};q=\ufffd",
        f'<sip:alice@phone.example>, {OWN};+sip.instance="\ufffd"',
    ],
)
def test_a_contact_that_cannot_be_read_may_be_ours(contact: str) -> None:
    """It counts like a 200 that lists none: granted, for the time that Expires names."""
    binding = read(("Contact", contact), ("Expires", 90))
    assert (binding.contact, binding.expires) == (OWN, 90)


@pytest.mark.parametrize(("expires", "refresh"), [(600000, 599400), (1201, 601), (1200, 600), (60, 30), (1, 1)])
def test_when_to_refresh(expires: int, refresh: float) -> None:
    """TS 24.229 §5.1.1.4.1; and never in a tight loop."""
    assert read(("Expires", expires)).refresh_after == refresh


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Contact", "Expires", "Service-Route", "Require", "Flow-Timer"]),
            st.text()
            | st.integers(0, 10**12).map(str)
            | st.integers(0, 10**12).map(lambda number: f"{OWN};expires={number}"),
        )
    )
)
def test_any_answer_is_read_or_refused(headers: list[tuple[str, object]]) -> None:
    with contextlib.suppress(RegistrationFailed):
        binding = read(*headers)
        assert 0 < binding.refresh_after <= max(binding.expires, 1)
        assert binding.expires_at == 100.0 + binding.expires


OWN_INSTANCE = ';+sip.instance="<urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128>"'
OWN_URI = "<sip:alice@x7k2.invalid;transport=ws>"


@pytest.mark.parametrize(
    ("contacts", "found"),
    [
        ([OWN_URI], 0),
        (["<sip:alice@phone.example>", OWN_URI + ";expires=9"], 1),
        ([f"<sip:other@a.invalid>{OWN_INSTANCE};reg-id=2", f"<sip:other@b.invalid>{OWN_INSTANCE};reg-id=1"], 1),
        ([f"<sip:other@a.invalid>{OWN_INSTANCE}"], 0),
        ([OWN_URI, f"<sip:other@b.invalid>{OWN_INSTANCE};reg-id=1"], 1),
        ([f"{OWN_URI}{OWN_INSTANCE};reg-id=2"], None),
        (["<sip:alice@phone.example>"], None),
        # A registrar that puts in the address of the connection, and leaves the instance out.
        (["<sip:alice@192.0.2.7:4321;transport=ws>;expires=60"], 0),
        (["<sip:alice@192.0.2.7:4321;transport=ws;alias=192.0.2.7~4321~5>"], 0),
        (["<sip:alice@phone.example>", "<sip:alice@[2001:db8::7]:4321;transport=ws>"], 1),
        ([f"<sip:alice@192.0.2.{n}:4321;transport=ws>;expires={30 + n % 2}" for n in (2, 3, 4)], 1),
        (["<sip:alice@192.0.2.7:4321;transport=ws>;expires=60", OWN_URI], 1),
        (['<sip:alice@192.0.2.7:4321;transport=ws>;+sip.instance="<urn:uuid:1>"'], None),
        (["<sip:bob@192.0.2.7:4321;transport=ws>"], None),
        (["<sip:alice@192.0.2.7:4321>"], None),
        (["<tel:+358401234567>"], None),
        ([], None),
    ],
)
def test_our_contact_among_others(contacts: list[str], found: int | None, identity: Identity) -> None:
    values = [NameAddr.parse(text) for text in contacts]
    assert find_own(values, identity.contact_header(1)) == (None if found is None else values[found])
