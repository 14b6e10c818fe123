"""The interval that a binding names (RFC 5626 §4.4, RFC 6223 §4.3)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wic.client import ClientOptions
from wic.client.keep_alive import agree_keep_alive
from wic.registration import Binding
from wic.sip.headers.address import NameAddr
from wic.sip.uri import Uri

BINDING = Binding(
    contact=NameAddr.parse("<sip:alice@x.invalid>"),
    expires=3600,
    expires_at=3600,
    impu=Uri.parse("sip:alice@ims.example"),
)


class Wire:
    """A connection that is told how to be kept alive."""

    def __init__(self):
        self.told = []

    def keep_alive(self, options):
        self.told.append(options)


def agreed(chance=1.0, **named):
    wire = Wire()
    agree_keep_alive(wire, replace(BINDING, **named), ClientOptions(chance=lambda: chance))
    return wire.told


def test_without_an_interval_the_connection_is_left_as_it_is():
    assert agreed() == agreed(keep_alive=0) == []


@pytest.mark.parametrize("named", [{"flow_timer": 120}, {"keep_alive": 120}, {"flow_timer": 120, "keep_alive": 30}])
def test_either_header_names_it_and_flow_timer_comes_first(named):
    (options,) = agreed(**named)
    assert options.crlf
    assert options.every + options.answer_within == 120


@pytest.mark.parametrize(("chance", "within"), [(0.0, 96), (0.5, 108), (1.0, 120)])
def test_a_failure_is_noticed_within_80_to_100_per_cent(chance, within):
    (options,) = agreed(chance, flow_timer=120)
    assert options.every + options.answer_within == within


@pytest.mark.parametrize("seconds", [1, 2, 5])
def test_a_short_interval_makes_no_storm(seconds):
    (options,) = agreed(flow_timer=seconds)
    assert options.every >= 1.0
    assert options.answer_within >= 1.0
