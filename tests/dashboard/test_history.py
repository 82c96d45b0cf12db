"""Rates of the last hour, from counts that were looked at."""

from datetime import UTC, datetime, timedelta

from stockstream.dashboard.history import StageHistory

BEGIN = datetime(2026, 11, 26, 14, tzinfo=UTC)


def test_rates_are_of_the_time_between_two_looks_and_a_count_that_begins_anew_is_no_negative_rate() -> None:
    history = StageHistory()
    assert history.rates()["rates"] == {}
    for seconds, counts in (
        (0, {"gate": 0}),
        (15, {"gate": 30, "Log": 0}),
        (35, {"gate": 50, "Log": 20}),
        (50, {"gate": 0, "Log": 20}),
    ):
        history.note(BEGIN + timedelta(seconds=seconds), counts)
    found = history.rates()
    assert found["since"] == BEGIN
    assert found["rates"] == {"gate": [2, 1, 0], "Log": [0, 1, 0]}


def test_an_hour_is_kept_and_no_more() -> None:
    history = StageHistory()
    for look in range(1000):
        history.note(BEGIN + timedelta(seconds=15 * look), {"gate": look})
    found = history.rates()
    assert len(found["rates"]["gate"]) == 240
    assert found["since"] == BEGIN + timedelta(seconds=15 * 759)
