"""Bad ticks are refused, crashes are not, and a split is told from a crash."""

from decimal import Decimal
from typing import Any

import pytest

from stockstream_lambda.analysis.gate import refuse
from stockstream_wire import Quote, format_epoch_ms
from tests.consumer.folding import Folder
from tests.consumer.kinesis_events import quote

OPEN_MS = 1_795_185_000_000
DAY_MS = 86_400_000
ARRIVED_MS = 1_795_305_600_000  # 2026-11-22T00:00:00Z


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"price": "111", "open": "150", "high": "151", "low": "149", "previous_close": "150"}, "day's range"),
        ({"price": "189", "open": "150", "high": "151", "low": "149", "previous_close": "150"}, "day's range"),
        ({"price": "15000", "open": "150", "high": "15000", "low": "149", "previous_close": "150"}, "previous_close"),
        ({"price": "0.01", "open": "150", "high": "151", "low": "0.01", "previous_close": "150"}, "previous_close"),
        ({"timestamp": "2026-11-22T00:05:00.001Z"}, "over 300 s after 2026-11-22T00:00:00.000Z"),
        ({"timestamp": "0001-01-01T00:00:00.000Z"}, "before 1900"),
    ],
)
def test_a_tick_that_cannot_be_right_is_refused_with_its_reason(fields: dict[str, str], reason: str) -> None:
    found = refuse(quote(**fields), ARRIVED_MS)
    assert found is not None
    assert reason in found[2]


@pytest.mark.parametrize(
    "fields",
    [
        {"price": "100"},
        {"price": "30", "open": "100", "high": "101", "low": "29"},  # a crash of 70% in a day
        {"price": "900", "open": "110", "high": "950", "low": "100"},  # a squeeze to nine times
        {"price": "104", "open": "100", "high": "103", "low": "99"},  # a stream's price runs ahead of its range
        {"timestamp": "2026-11-22T00:05:00.000Z"},  # clocks differ
        {"price": "15.51", "open": "22.5", "high": "23.1", "low": "22.3", "market_state": "POST"},
        {"price": "4000", "open": "4010", "high": "4100", "low": "3900"},  # a 1:40 reverse split, old close
    ],
)
def test_what_a_market_can_do_passes(fields: dict[str, str]) -> None:
    assert refuse(quote(**fields), ARRIVED_MS) is None


def day(number: int, prices: list[str], previous_close: str, **fields: Any) -> list[Quote]:
    numbers = [Decimal(price) for price in prices]
    shape = {"open": prices[0], "high": str(max(numbers)), "low": str(min(numbers)), "previous_close": previous_close}
    return [
        quote(price=price, timestamp=format_epoch_ms(OPEN_MS + number * DAY_MS + n * 60_000), **{**shape, **fields})
        for n, price in enumerate(prices)
    ]


OLD_DAY = day(-3, ["400", "402", "399", "400"], "398")


@pytest.mark.parametrize(
    ("prices", "label"),
    [(["100", "101", "99"], "4:1"), (["201", "199"], "2:1"), (["266", "268"], "3:2"), (["4010", "3990"], "1:10")],
)
def test_a_split_whose_close_is_still_on_the_old_scale_raises_no_crash_alert(prices: list[str], label: str) -> None:
    folder = Folder().add([*OLD_DAY, *day(0, prices, "400")])
    assert folder.alerts() == []
    of_the_day = folder.items()[len(OLD_DAY) :]
    assert {item["split_suspected"] for item in of_the_day} == {label}
    # The published field keeps the published rule, whatever we suspect.
    assert {item["anomaly"] for item in of_the_day} == {"Yes"}
    assert folder.state.split_label == label


@pytest.mark.parametrize(
    ("prices", "close", "label"), [(["100.2", "100.1"], "100", "4:1"), (["320.5", "320.2"], "320", "5:4")]
)
def test_a_split_whose_close_was_rescaled_restarts_indicators_and_raises_nothing(
    prices: list[str], close: str, label: str
) -> None:
    many = day(-3, ["400"] * 40, "398")
    folder = Folder().add([*many, *day(0, prices, close)])
    assert folder.alerts() == []
    assert folder.items()[40]["split_suspected"] == label
    assert "split_suspected" not in folder.items()[41]
    assert "sma_20" in folder.items()[39]
    assert "sma_5" not in folder.items()[40]
    assert {item["anomaly"] for item in folder.items()[40:]} == {"No"}


def test_a_real_move_on_the_new_scale_is_alerted_against_the_rescaled_close() -> None:
    folder = Folder().add([*OLD_DAY, *day(0, ["100", "100", "94", "93.9"], "400")])
    assert folder.alerts() == [("move", "down", "info")]
    (alert,) = [alert for effects in folder.effects for alert in effects.alerts]
    assert alert.change_percent == pytest.approx(-6.0)


def test_the_suspicion_ends_when_the_feed_has_rescaled_its_close() -> None:
    folder = Folder().add([*OLD_DAY, *day(0, ["100", "101"], "400"), *day(1, ["102", "101"], "101")])
    assert [item.get("split_suspected") for item in folder.items()[-4:]] == ["4:1", "4:1", None, None]
    assert folder.alerts() == []


def test_a_crash_within_the_day_is_a_crash_even_at_a_splits_ratio() -> None:
    crash = day(0, ["400", "200"], "400")
    folder = Folder().add([*OLD_DAY, *crash])
    assert ("move", "down", "critical") in folder.alerts()
    assert all("split_suspected" not in item for item in folder.items())


def test_a_fall_over_night_on_no_split_ratio_is_a_crash() -> None:
    folder = Folder().add([*OLD_DAY, *day(0, ["232", "230"], "400")])
    assert {kind for kind, _, _ in folder.alerts()} == {"move", "gap"}


def test_the_first_quote_ever_is_never_taken_for_a_split() -> None:
    folder = Folder().add(day(0, ["100", "101"], "400"))
    assert ("move", "down", "critical") in folder.alerts()


@pytest.mark.parametrize("move", ["120", "125", "133.3", "80", "75", "66.7"])
def test_a_large_move_within_a_day_is_no_split(move: str) -> None:
    steps = [100 + (Decimal(move) - 100) * n / 20 for n in range(21)]
    folder = Folder().add(day(0, [f"{step:.2f}" for step in steps], "100"))
    assert all("split_suspected" not in item for item in folder.items())
    assert ("move", "up" if Decimal(move) > 100 else "down", "critical") in folder.alerts()
