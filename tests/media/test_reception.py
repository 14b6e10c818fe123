from __future__ import annotations

import pytest

from wic.media.reception import ReceptionStatistics


def feed(reception: ReceptionStatistics, *sequences: int) -> list[bool]:
    return [
        reception.receive(sequence & 0xFFFF, 160 * sequence & 0xFFFFFFFF, 0.02 * sequence) for sequence in sequences
    ]


def test_counts_a_whole_stream_over_the_wrap() -> None:
    reception = ReceptionStatistics(8000)
    assert all(feed(reception, *range(65530, 65546)))
    assert (reception.received, reception.expected, reception.lost) == (16, 16, 0)
    assert reception.extended_highest == 65545
    assert reception.jitter == pytest.approx(0, abs=1e-6)


def test_nothing_is_expected_before_the_first_packet() -> None:
    reception = ReceptionStatistics(8000)
    assert (reception.expected, reception.lost, reception.extended_highest, reception.fraction_lost()) == (0, 0, 0, 0)


def test_counts_loss_and_its_fraction_since_the_last_report() -> None:
    reception = ReceptionStatistics(8000)
    feed(reception, 0, 1, 2, 4)
    assert reception.lost == 1
    assert reception.fraction_lost() == 256 // 5
    feed(reception, 5, 6)
    assert reception.fraction_lost() == 0
    assert reception.lost == 1


def test_a_late_packet_is_no_loss_and_a_second_copy_is_a_duplicate() -> None:
    reception = ReceptionStatistics(8000)
    assert feed(reception, 10, 12, 11, 11, 12) == [True, True, True, False, False]
    assert (reception.reordered, reception.duplicates, reception.lost, reception.received) == (1, 2, 0, 3)


def test_a_packet_from_before_the_first_is_not_counted() -> None:
    reception = ReceptionStatistics(8000)
    assert feed(reception, 100, 99) == [True, False]
    assert reception.lost == 0


def test_late_packets_over_the_wrap() -> None:
    reception = ReceptionStatistics(8000)
    assert feed(reception, 65534, 65536, 65535) == [True, True, True]
    assert reception.lost == 0


def test_a_stray_packet_is_refused_and_a_restart_is_followed() -> None:
    reception = ReceptionStatistics(8000)
    feed(reception, 1, 2, 3)
    assert feed(reception, 30000) == [False]
    assert feed(reception, 4) == [True]
    assert feed(reception, 20000, 20001, 20002) == [False, True, True]
    assert (reception.received, reception.lost) == (7, 0)


def test_another_source_goes_on_counting() -> None:
    reception = ReceptionStatistics(8000)
    feed(reception, 1, 2, 4)
    reception.restart()
    assert reception.expected == 4
    feed(reception, 50000, 50001)
    assert (reception.received, reception.expected, reception.lost) == (5, 6, 1)


def test_jitter_by_rfc_3550() -> None:
    reception = ReceptionStatistics(8000)
    arrivals = (0.0, 0.020, 0.045, 0.060)
    for number, arrival in enumerate(arrivals):
        reception.receive(number, 160 * number, arrival)
    # D is 0, 40 and -40 units: J = 40/16, then J += (40 - J)/16.
    assert reception.jitter == pytest.approx(2.5 + (40 - 2.5) / 16)
    assert reception.jitter_ms == pytest.approx(reception.jitter / 8)


def test_jitter_is_not_disturbed_by_the_wrap_of_timestamps() -> None:
    reception = ReceptionStatistics(8000)
    for number in range(10):
        reception.receive(number, (0xFFFFFF00 + 160 * number) & 0xFFFFFFFF, 0.02 * number)
    assert reception.jitter == pytest.approx(0, abs=1e-3)
