from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.errors import RegistrationFailed
from wic.registration import Binding, read_binding
from wic.sip.headers import NameAddr
from wic.sip.message import Response

OWN = NameAddr.parse('<sip:alice@x.invalid;transport=ws>;reg-id=1;+sip.instance="<urn:uuid:1>"')


def read(*headers: tuple[str, object], asked: int = 600000) -> Binding:
    return read_binding(Response.build(200, headers=headers), OWN, asked=asked, now=100.0)


def test_everything_a_200_says() -> None:
    binding = read(
        ("Contact", f'{OWN};expires=3600;pub-gruu="sip:alice@ims.example;gr=1";temp-gruu="sip:t@ims.example;gr"'),
        ("Service-Route", "<sip:pcscf.example;lr>, <sip:scscf.example;lr>"),
        ("P-Associated-URI", "<sip:alice@ims.example>, <tel:+358401234567>"),
        ("Require", "outbound"),
        ("Flow-Timer", "120"),
    )
    assert (binding.expires, binding.expires_at) == (3600, 3700.0)
    assert [str(route.uri) for route in binding.service_route] == ["sip:pcscf.example;lr", "sip:scscf.example;lr"]
    assert [str(each.uri) for each in binding.associated_uris] == ["sip:alice@ims.example", "tel:+358401234567"]
    assert (binding.outbound, binding.flow_timer) == (True, 120)
    assert str(binding.public_gruu) == "sip:alice@ims.example;gr=1"
    assert str(binding.temporary_gruu) == "sip:t@ims.example;gr"


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
        ([("Contact", "<sip:alice@phone.example")], "cannot be read"),
        ([("Contact", OWN), ("Expires", "never")], "cannot be read"),
        ([("Contact", OWN), ("Service-Route", "<nonsense>")], "cannot be read"),
        ([("Contact", f'{OWN};pub-gruu="nonsense"')], "cannot be read"),
    ],
)
def test_answers_that_are_none(headers: list[tuple[str, object]], reason: str) -> None:
    with pytest.raises(RegistrationFailed, match=reason) as failed:
        read(*headers)
    assert failed.value.response is not None


@pytest.mark.parametrize("text", ["0", "x", "", "9" * 30, "٣"])
def test_a_flow_timer_that_is_none(text: str) -> None:
    assert read(("Flow-Timer", text)).flow_timer is None


@pytest.mark.parametrize(("expires", "refresh"), [(600000, 599400), (1201, 601), (1200, 600), (60, 30), (1, 1)])
def test_when_to_refresh(expires: int, refresh: float) -> None:
    """TS 24.229 §5.1.1.4.1; and never in a tight loop."""
    assert read(("Expires", expires)).refresh_after == refresh


@given(
    st.lists(st.tuples(st.sampled_from(["Contact", "Expires", "Service-Route", "Require", "Flow-Timer"]), st.text()))
)
def test_any_answer_is_read_or_refused(headers: list[tuple[str, object]]) -> None:
    with contextlib.suppress(RegistrationFailed):
        read(*headers)
