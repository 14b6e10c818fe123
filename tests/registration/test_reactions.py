"""What each refusal leads to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.registration import Binding
from wic.registration.reactions import GiveUp, Occasion, Purpose, Removed, SendAgain, StartAnew, react, react_to_silence
from wic.registration.terms import Terms
from wic.sip.headers import NameAddr
from wic.sip.message import Response
from wic.sip.uri import Uri

TERMS = Terms(600)
PLAIN = TERMS.without(("outbound",))
RESTORATION = (
    b'<ims-3gpp version="1"><alternative-service><type>restoration</type><reason/>'
    b"<action>initial-registration</action></alternative-service></ims-3gpp>"
)
BINDING = Binding(
    contact=NameAddr.parse("<sip:a@x.invalid>"),
    expires=60,
    expires_at=60.0,
    impu=Uri.parse("sip:alice@ims.example"),
    service_route=(NameAddr.parse("<sip:scscf.example;lr>"),),
    path=(NameAddr.parse("<sip:token@pcscf.example;lr>"),),
)


def reaction(
    status: int,
    *headers: tuple[str, object],
    purpose: Purpose = Purpose.INITIAL,
    terms: Terms = TERMS,
    body: bytes = b"",
) -> object:
    response = Response.build(status, headers=headers, body=body)
    return react(response, Occasion(purpose, terms, BINDING))


@pytest.mark.parametrize("purpose", [Purpose.INITIAL, Purpose.REFRESH])
def test_305_asks_another_server_and_its_contact_is_ignored(purpose: Purpose) -> None:
    """TS 24.229 §5.1.1.2.1."""
    contact = ("Contact", "<sip:evil.example>")
    assert reaction(305, contact, purpose=purpose) == GiveUp(temporary=True, next_server=True)


@pytest.mark.parametrize("status", [300, 301, 302])
def test_redirections_are_not_followed(status: int) -> None:
    assert reaction(status, ("Contact", "<sip:evil.example>")) == GiveUp("redirections are not followed")


@pytest.mark.parametrize("status", [380, 400, 403, 404, 405, 486, 493, 501, 505, 513, 603, 604, 606])
@pytest.mark.parametrize("purpose", list(Purpose))
def test_refusals_that_time_does_not_heal(status: int, purpose: Purpose) -> None:
    assert reaction(status, ("Retry-After", 5), purpose=purpose) == GiveUp()


@pytest.mark.parametrize("status", [408, 480, 500, 502, 504, 599, 600, 699])
def test_an_initial_registration_that_may_succeed_later(status: int) -> None:
    assert reaction(status) == GiveUp(temporary=True)
    assert reaction(status, ("Retry-After", "30 (busy)")) == GiveUp(temporary=True, retry_after=30)
    assert reaction(status, ("Retry-After", 10**6)) == GiveUp(temporary=True, retry_after=1800)
    assert reaction(status, ("Retry-After", 0)) == GiveUp(temporary=True, retry_after=1)
    assert reaction(status, ("Retry-After", "soon")) == GiveUp(temporary=True)


@pytest.mark.parametrize("status", [408, 500, 504])
def test_a_refresh_in_vain_leads_to_an_initial_registration(status: int) -> None:
    """TS 24.229 §5.1.1.4.1; but not before the network wants it."""
    assert reaction(status, purpose=Purpose.REFRESH) == StartAnew()
    later = reaction(status, ("Retry-After", 5), purpose=Purpose.REFRESH)
    assert later == GiveUp(temporary=True, retry_after=5)
    assert reaction(status, purpose=Purpose.REMOVAL) == GiveUp(temporary=True)


@pytest.mark.parametrize("status", [480, 502, 600])
def test_a_refresh_that_may_succeed_later(status: int) -> None:
    assert reaction(status, purpose=Purpose.REFRESH) == GiveUp(temporary=True)


def test_silence() -> None:
    """TS 24.229 §5.1.1.2.1, §5.1.1.4.1: Timer F makes another eP-CSCF the next to ask."""
    assert react_to_silence(Purpose.REFRESH) == StartAnew()
    assert react_to_silence(Purpose.INITIAL) == GiveUp(temporary=True, next_server=True)


@pytest.mark.parametrize("purpose", [Purpose.INITIAL, Purpose.REFRESH])
def test_503(purpose: Purpose) -> None:
    """TS 24.229 §5.1.1.2.1: Retry-After is obeyed; without it another eP-CSCF is asked."""
    assert reaction(503, ("Retry-After", 30), purpose=purpose) == GiveUp(temporary=True, retry_after=30)
    assert reaction(503, purpose=purpose) == GiveUp(temporary=True, next_server=True)


@pytest.mark.parametrize(
    ("unsupported", "left"),
    [
        ("outbound", ("path", "gruu")),
        ("GRUU , outbound", ("path",)),
        ("gruu, path, outbound", ()),
        ("gruu, nonsense", ("path", "outbound")),
    ],
)
def test_420_does_without_what_is_not_supported(unsupported: str, left: tuple[str, ...]) -> None:
    assert reaction(420, ("Unsupported", unsupported)) == SendAgain(Terms(600, left))


@pytest.mark.parametrize("headers", [[], [("Unsupported", "nonsense")], [("Unsupported", ",,")]])
def test_a_420_that_helps_nobody(headers: list[tuple[str, object]]) -> None:
    assert reaction(420, *headers) == GiveUp("it does not say which extension it means")


def test_421_adds_what_is_wanted_and_known() -> None:
    assert reaction(421, ("Require", "outbound"), terms=PLAIN) == SendAgain(TERMS)


@pytest.mark.parametrize(
    ("headers", "hint"),
    [
        ([("Require", "outbound")], "it requires outbound"),
        ([("Require", "path"), ("Require", "100rel")], "it requires 100rel, path"),
        ([], "it requires an extension without a name"),
    ],
)
def test_421_for_what_cannot_be_added(headers: list[tuple[str, object]], hint: str) -> None:
    assert reaction(421, *headers) == GiveUp(hint)


@pytest.mark.parametrize(("status", "headers"), [(494, []), (421, [("Require", "sec-agree")])])
def test_there_is_no_security_agreement_over_a_websocket(status: int, headers: list[tuple[str, object]]) -> None:
    """TS 24.371 §6.2.1."""
    given = reaction(status, *headers)
    assert isinstance(given, GiveUp)
    assert "security agreement" in given.hint
    assert not given.temporary


def test_423_is_given_what_it_wants() -> None:
    assert reaction(423, ("Min-Expires", 3600)) == SendAgain(TERMS.lasting(3600))


@pytest.mark.parametrize("headers", [[], [("Min-Expires", 600)], [("Min-Expires", 2**31)], [("Min-Expires", "x")]])
def test_a_423_without_sense(headers: list[tuple[str, object]]) -> None:
    assert reaction(423, *headers) == GiveUp("it does not say how long it would be")


def test_439_registers_without_outbound() -> None:
    """RFC 5626 §11.6."""
    assert reaction(439) == SendAgain(PLAIN)
    assert reaction(439, terms=PLAIN) == GiveUp()


def test_481_says_that_there_is_no_binding() -> None:
    assert reaction(481, purpose=Purpose.REMOVAL) == Removed()
    assert reaction(481, purpose=Purpose.REFRESH) == StartAnew()
    assert reaction(481) == GiveUp()


def test_504_with_a_restoration_body_is_obeyed_at_once() -> None:
    """TS 24.229 §5.1.2A.1.6; a second one in a row has to wait."""
    headers = [
        ("Content-Type", "application/3gpp-ims+xml"),
        ("P-Asserted-Identity", "<sip:scscf.example;lr>"),
        ("Retry-After", 5),
    ]
    assert reaction(504, *headers, purpose=Purpose.REFRESH, body=RESTORATION) == StartAnew()
    again = reaction(504, *headers, body=RESTORATION)
    assert again == GiveUp(temporary=True, retry_after=5)


HEADERS = ["Retry-After", "Min-Expires", "Require", "Unsupported", "P-Asserted-Identity", "Content-Type", "Contact"]


@given(
    status=st.integers(300, 699),
    headers=st.lists(st.tuples(st.sampled_from(HEADERS), st.text(max_size=40)), max_size=4),
    body=st.binary(max_size=60),
    purpose=st.sampled_from(Purpose),
)
def test_any_refusal_has_a_reaction(
    status: int, headers: list[tuple[str, object]], body: bytes, purpose: Purpose
) -> None:
    assert isinstance(reaction(status, *headers, purpose=purpose, body=body), GiveUp | SendAgain | StartAnew | Removed)
