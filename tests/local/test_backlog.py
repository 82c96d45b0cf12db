"""The consumer's light: what was sent and not committed, since when, and what to do where it cannot keep up."""

import pytest

from stockstream.local.backlog import Backlog, BacklogMeter, fitting_interval_seconds


def test_what_was_sent_and_not_committed_is_behind_since_the_oldest_of_it_was_sent() -> None:
    meter = BacklogMeter()
    meter.note(0.0, accepted=100, sent=100, done=0)
    meter.note(3.0, accepted=200, sent=200, done=100)
    backlog = meter.note(9.0, accepted=200, sent=200, done=150)

    assert backlog.waiting == 50
    assert backlog.lag_seconds == 6.0  # the second hundred was sent at 3
    assert backlog.is_late


def test_a_consumer_that_has_everything_is_behind_by_nothing() -> None:
    meter = BacklogMeter()
    meter.note(0.0, accepted=100, sent=100, done=0)
    backlog = meter.note(8.0, accepted=100, sent=100, done=100)

    assert (backlog.waiting, backlog.lag_seconds, backlog.is_late) == (0, 0.0, False)


def test_records_of_an_earlier_run_do_not_make_it_negative() -> None:
    assert BacklogMeter().note(1.0, accepted=0, sent=0, done=500).waiting == 0


def test_the_time_that_is_left_is_what_waits_by_the_rate_that_it_goes() -> None:
    meter = BacklogMeter()
    meter.note(0.0, accepted=1000, sent=1000, done=0)
    backlog = meter.note(10.0, accepted=1000, sent=1000, done=500)

    assert backlog.left_seconds == pytest.approx(10.0)
    assert Backlog(waiting=5).left_seconds is None


def test_more_symbols_than_the_consumer_takes_grow_for_the_whole_window() -> None:
    meter = BacklogMeter()
    for second in range(20):
        meter.note(float(second), accepted=8000 * second, sent=500 * second, done=400 * second)
    backlog = meter.backlog

    assert backlog.is_growing
    assert backlog.accepted_per_second == pytest.approx(8000)
    # 20 times as much as it takes, every half second: 10 s, and a quarter to spare.
    assert fitting_interval_seconds(0.5, backlog) == 13.0


def test_a_burst_that_is_being_worked_off_does_not_grow() -> None:
    meter = BacklogMeter()
    for second in range(20):
        meter.note(float(second), accepted=10_000, sent=10_000, done=100 * second)
    backlog = meter.backlog

    assert backlog.waiting
    assert not backlog.is_growing
