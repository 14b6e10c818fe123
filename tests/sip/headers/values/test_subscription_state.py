from __future__ import annotations

import pytest

from wic.sip.errors import MalformedHeader
from wic.sip.headers import SubscriptionState
from wic.sip.message import Request


def test_values_are_written_and_read() -> None:
    assert str(SubscriptionState.active(60)) == "active;expires=60"
    assert str(SubscriptionState.terminated("rejected")) == "terminated;reason=rejected"
    text = "terminated;reason=probation;retry-after=5"
    assert str(SubscriptionState.terminated("probation", 5)) == text
    assert SubscriptionState.parse(text) == SubscriptionState.terminated("probation", 5)


def test_parts() -> None:
    state = SubscriptionState.parse(" Active ;expires=99999999999999999999;x")
    assert (state.state, state.expires, state.reason, state.retry_after) == ("active", 2**32 - 1, None, None)
    assert SubscriptionState.parse("terminated;Reason=NoResource").reason == "noresource"
    assert SubscriptionState.parse("pending").expires is None


@pytest.mark.parametrize("text", ["", ";", "active;=", "active expires=5"])
def test_malformed(text: str) -> None:
    with pytest.raises(MalformedHeader):
        SubscriptionState.parse(text)


@pytest.mark.parametrize("text", ["active;expires=x", "active;expires=-1", "active;expires"])
def test_spans_that_are_none(text: str) -> None:
    with pytest.raises(MalformedHeader):
        _ = SubscriptionState.parse(text).expires


def test_it_is_read_from_a_message() -> None:
    request = Request.build("NOTIFY", "sip:a@b", [("Subscription-State", "active;expires=5")])
    assert request.subscription_state == SubscriptionState.active(5)
    assert Request.build("NOTIFY", "sip:a@b").subscription_state is None
