from __future__ import annotations

import random
from collections import Counter

import pytest

from wic.registration import Backoff, ConnectionBackoff
from wic.registration.servers import Servers, edge_uri

A, B, C = "wss://a/", "wss://b/", "wss://c/"


def servers(*urls, chance=lambda: 0.5):
    return Servers(urls, Backoff(chance), ConnectionBackoff(chance))


def test_those_that_fail_are_passed_over_in_their_order():
    tried = servers(A, B, C)
    assert tried.has_others
    for url in (A, B):
        assert tried.current == url
        tried.failed()
        assert not tried.exhausted
        assert tried.wait() == 0.0
    assert tried.current == C
    tried.failed()
    assert tried.exhausted
    assert tried.current == A
    assert tried.wait() == 5.0
    assert not tried.exhausted


@pytest.mark.parametrize(
    ("url", "route"),
    [
        ("wss://edge.ims.example/", "<sip:edge.ims.example:443;transport=ws;lr>"),
        ("ws://edge.ims.example/path?x=1", "<sip:edge.ims.example:80;transport=ws;lr>"),
        ("WSS://Edge.ims.example:8443/", "<sip:edge.ims.example:8443;transport=ws;lr>"),
        ("wss://[2001:db8::1]/", "<sip:[2001:db8::1]:443;transport=ws;lr>"),
        ("wss://b\u00fccher.example/", "<sip:xn--bcher-kva.example:443;transport=ws;lr>"),
        ("ws://my_server:8080/", "<sip:my_server:8080;transport=ws;lr>"),
    ],
)
def test_each_server_has_a_uri_for_the_route(url, route):
    """TS 24.229 §5.1.2A.1.1; the port is written, for RFC 7118 §5.5 has that of WS for all `transport=ws`."""
    assert str(edge_uri(url)) == route


@pytest.mark.parametrize("host", ["[fe80::1%eth0]", "a%41.example", "*.example", f"{'b' * 64}.\u00fc.example"])
def test_a_server_that_no_sip_uri_can_name_is_left_out(host):
    """RFC 3261 §25.1: the Route would make every request malformed."""
    assert edge_uri(f"wss://{host}/") is None


def test_rounds_are_waited_for_longer_and_longer():
    tried = servers(A)
    waits = []
    for _ in range(9):
        tried.failed()
        waits.append(tried.wait())
    assert waits == [5.0, 90.0, 180.0, 360.0, 720.0, 1350.0, 1350.0, 1350.0, 1350.0]


def test_a_server_that_is_lost_is_tried_before_the_best():
    tried = servers(A, B)
    tried.failed()
    tried.works(now=0.0)
    assert tried.lost(now=500.0) == 1.0
    assert tried.current == B
    tried.failed()
    assert (tried.current, tried.wait()) == (A, 0.0)


def test_the_retry_after_of_the_only_server_is_obeyed():
    only, one_of_two = servers(A), servers(A, B)
    only.failed()
    assert only.wait(retry_after=77.0) == 77.0
    one_of_two.failed()
    one_of_two.failed()
    assert one_of_two.wait(retry_after=77.0) == 5.0


def test_connections_that_last_are_replaced_soon_and_others_later():
    tried = servers(A)
    for hour in range(1, 5):
        tried.works(now=3600.0 * hour)
        assert tried.lost(now=3600.0 * hour + 1800.0) == 1.0
    waits = []
    for second in range(4):
        tried.works(now=20_000.0 + second)
        waits.append(tried.lost(now=20_001.0 + second))
    assert waits == [1.0, 3.0, 6.0, 12.0]


def test_a_refresh_just_before_the_loss_makes_a_connection_no_shorter():
    tried = servers(A)
    tried.works(now=0.0)
    tried.works(now=300.0)
    assert tried.lost(now=301.0) == 1.0
    tried.works(now=310.0)
    assert tried.lost(now=311.0) == 1.0, "the first loss was none of a row"
    tried.works(now=320.0)
    assert tried.lost(now=321.0) == 3.0


def test_a_server_that_cannot_be_connected_to_is_tried_soon():
    """As while it restarts; refusals, and the absence of answers, are waited for as RFC 5626 §4.5 has it."""
    tried = servers(A)
    waits = []
    for connected in (False, False, False, True, True, False):
        tried.failed()
        waits.append(tried.wait(connected=connected))
    assert waits == [1.0, 3.0, 6.0, 5.0, 90.0, 12.0]


def test_a_server_that_a_call_waits_for_is_tried_again_and_again():
    tried = servers(A)
    waits = [tried.lost(now=0.0, soon=True)]
    for _ in range(9):
        tried.failed()
        waits.append(tried.wait(connected=False, soon=True))
    assert waits == [1.0, *[3.0] * 9]
    tried.failed()
    assert tried.wait(connected=False) == 6.0, "after the call, the waits grow as after its loss"


@pytest.mark.parametrize("seed", range(5))
def test_a_thousand_clients_that_lose_their_server_come_back_apart(seed):
    chance = random.Random(seed).random
    crowd = [servers(A, chance=chance) for _ in range(1000)]
    for each in crowd:
        each.works(now=0.0)
    waits = [each.lost(now=1000.0) for each in crowd]
    tenths = Counter(int(wait / 0.2) for wait in waits)
    assert max(tenths.values()) < 150
    assert set(tenths) == set(range(10))
    # Those that do not get through are spread further with each attempt.
    times, width = waits, 0.0
    for _ in range(5):
        for each in crowd:
            each.failed()
        times = [time + each.wait(connected=False) for time, each in zip(times, crowd, strict=True)]
        before, width = width, max(times) - min(times)
        assert width > before
    assert width > 15.0
    assert max(Counter(int(time) for time in times).values()) < 150
    # Those that are refused come back over one minute, after one.
    again = []
    for _ in range(2):
        for each in crowd:
            each.failed()
        again = [each.wait() for each in crowd]
    assert (min(again) >= 60.0, max(again) <= 120.0) == (True, True)
    assert max(Counter(int(wait) for wait in again).values()) < 50
