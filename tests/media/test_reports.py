from __future__ import annotations

import pytest

from wic.media.reception import ReceptionStatistics
from wic.media.reports import ReportExchange
from wic.media.rtcp import Bye, ReceiverReport, SenderReport, parse_rtcp


def exchange(ssrc: int, now: float = 0.0) -> ReportExchange:
    return ReportExchange(ssrc, f"end-{ssrc}", 2.5, now=now)


def compose(
    reports: ReportExchange, now: float, *, packets: int = 10, source: int | None = None, bye: bool = False
) -> bytes:
    reception = ReceptionStatistics(8000)
    for number in (0, 1, 3):
        reception.receive(number, 160 * number, 0.02 * number)
    return reports.compose(
        now, packets=packets, octets=1600, timestamp=160, source=source, reception=reception, bye=bye
    )


def test_a_sender_sends_sr_and_a_listener_rr() -> None:
    (sender,) = parse_rtcp(compose(exchange(1), 1.0, source=2)) or ()
    assert isinstance(sender, SenderReport)
    assert (sender.sender.packets, sender.sender.octets, sender.sender.timestamp) == (10, 1600, 160)
    assert (sender.blocks[0].ssrc, sender.blocks[0].lost, sender.blocks[0].last_sr) == (2, 1, 0)
    (listener,) = parse_rtcp(compose(exchange(1), 1.0, packets=0)) or ()
    assert listener == ReceiverReport(1)


def test_the_round_trip_is_measured_without_the_time_in_between() -> None:
    # The clocks of the two ends have nothing to do with each other.
    one, other = exchange(1), exchange(2, now=5000.0)
    other.receive(compose(one, 1.0), 5001.1)  # 100 ms on the way
    answer = compose(other, 5003.1, source=1)  # two seconds later
    one.receive(answer, 3.2)  # 100 ms on the way back
    assert one.rtt == pytest.approx(0.2, abs=0.001)
    assert one.remote_lost == 1


def test_a_report_about_another_source_changes_nothing() -> None:
    one, other = exchange(1), exchange(2)
    one.receive(compose(other, 1.0, source=77), 1.0)
    assert one.remote_lost is None
    one.receive(compose(other, 1.0, source=1), 1.0)  # it has heard no SR of ours yet
    assert (one.remote_lost, one.rtt) == (1, None)


def test_a_round_trip_below_zero_is_not_believed() -> None:
    one, other = exchange(1), exchange(2)
    other.receive(compose(one, 10.0), 0.0)
    one.receive(compose(other, 1.0, source=1), 5.0)
    assert one.rtt is None


def test_bye_is_noticed_and_rubbish_counted() -> None:
    reports = exchange(1)
    assert not reports.remote_left
    reports.receive(b"\x80\xc9\xff\xff", 0.0)
    assert reports.malformed == 1
    compound = compose(exchange(2), 1.0, bye=True)
    assert Bye((2,)) in (parse_rtcp(compound) or ())
    reports.receive(compound, 1.0)
    assert reports.remote_left


def test_times_between_reports_are_drawn_around_the_interval() -> None:
    reports = exchange(1)
    delays = [reports.next_delay() for _ in range(200)]
    assert min(delays) >= 1.25
    assert max(delays) <= 3.75
    assert len(set(delays)) > 100
    assert all(0.625 <= reports.next_delay(first=True) <= 1.875 for _ in range(50))
