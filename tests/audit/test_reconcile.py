"""The comparison finds what is wrong, names it, and finds nothing else."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from stockstream.audit.findings import Problem
from stockstream.audit.reconcile import SymbolDay, reconcile
from tests.audit.stored_day import (
    CANDLES,
    DAY,
    QUOTES,
    WINDOWS,
    item_of,
    items_of,
    ledger_of,
    lines_of,
    quote,
    stored_day,
)

ITEMS = items_of(QUOTES)
LATE = quote(33, "104", 1800)


def problems(day: SymbolDay) -> list[tuple[Problem, str]]:
    return [(finding.problem, finding.subject) for finding in reconcile(day).findings]


def without(items: dict[Any, Any], key: Any) -> dict[Any, Any]:
    return {name: value for name, value in items.items() if name != key}


def test_a_day_stored_right_is_clean_and_counted() -> None:
    result = reconcile(stored_day())
    assert result.findings == []
    assert result.missing == []
    assert (result.accepted, result.archived, result.stored, result.candles) == (5, 5, 5, 9)


def test_an_accepted_quote_that_is_nowhere_is_missing() -> None:
    lost = quote(40, "100", 2600)
    result = reconcile(stored_day(ledger=ledger_of([*QUOTES, lost])))
    assert [entry.timestamp for entry in result.missing] == [lost.timestamp]
    assert result.findings == []


def test_a_quote_missing_in_one_store_is_named_with_the_store() -> None:
    timestamp = QUOTES[2].timestamp
    assert (Problem.MISSING_IN_ARCHIVE, timestamp) in problems(stored_day(archive=lines_of([*QUOTES[:2], *QUOTES[3:]])))
    assert problems(stored_day(items=without(ITEMS, timestamp))) == [(Problem.MISSING_IN_QUOTES, timestamp)]


def test_a_quote_twice_in_the_archive_is_double_wherever_its_lines_are() -> None:
    day = stored_day(archive=[*lines_of(QUOTES), *lines_of(QUOTES[3:4], "raw/other")])
    found = reconcile(day).findings
    double = [finding for finding in found if finding.problem is Problem.DOUBLE_IN_ARCHIVE]
    assert [finding.subject for finding in double] == [QUOTES[3].timestamp]
    assert "raw/object, raw/other" in double[0].detail


def test_another_price_in_the_archive_than_was_accepted_differs_to_the_last_digit() -> None:
    changed = [*QUOTES[:-1], quote(95, "98.26", 9000)]
    found = problems(stored_day(archive=lines_of(changed)))
    assert (Problem.ARCHIVE_DIFFERS, QUOTES[-1].timestamp) in found
    assert (Problem.QUOTES_DIFFERS, QUOTES[-1].timestamp) in found


@pytest.mark.parametrize(
    "change",
    [
        {"price": Decimal("100.02")},
        {"volume": Decimal(1001)},
        {"change": Decimal("0.5")},
        {"change_percent": Decimal("0.51")},
        {"moving_average": Decimal("100.003")},
        {"moving_average": None},
        {"source": "simulated"},
        {"anomaly": "Yes"},
    ],
    ids=str,
)
def test_every_field_of_an_item_is_compared(change: dict[str, Any]) -> None:
    timestamp = QUOTES[0].timestamp
    day = stored_day(items=ITEMS | {timestamp: ITEMS[timestamp] | change})
    (finding,) = reconcile(day).findings
    assert (finding.problem, finding.subject) == (Problem.QUOTES_DIFFERS, timestamp)
    assert next(iter(change)) in finding.detail


def test_numbers_equal_in_value_are_equal_however_they_are_written() -> None:
    timestamp = QUOTES[0].timestamp
    day = stored_day(items=ITEMS | {timestamp: ITEMS[timestamp] | {"price": Decimal("100.0100")}})
    assert problems(day) == []


def test_an_item_that_no_one_accepted_or_archived_is_found() -> None:
    stray = quote(50, "100", 3000)
    assert problems(stored_day(items=ITEMS | {stray.timestamp: item_of(stray)})) == [
        (Problem.ONLY_IN_QUOTES, stray.timestamp)
    ]


def test_a_swap_in_the_archive_breaks_the_order() -> None:
    swapped = [QUOTES[1], QUOTES[0], *QUOTES[2:]]
    assert problems(stored_day(archive=lines_of(swapped))) == [(Problem.ORDER_BROKEN, QUOTES[0].timestamp)]


def test_a_late_quote_may_stand_anywhere_and_may_or_may_not_widen_its_candles() -> None:
    day = stored_day(
        ledger=ledger_of([*QUOTES[:3], LATE, *QUOTES[3:]]),
        archive=lines_of([*QUOTES, LATE]),
        items=ITEMS | {LATE.timestamp: item_of(LATE, late=True)},
    )
    assert problems(day) == []
    key = ("5m", f"{DAY}T14:30:00.000Z")
    widened = CANDLES | {key: CANDLES[key] | {"high": Decimal(104), "quotes": Decimal(4)}}
    assert problems(replace(day, candles=widened)) == []
    impossible = CANDLES | {key: CANDLES[key] | {"high": Decimal(106)}}
    assert problems(replace(day, candles=impossible)) == [(Problem.CANDLE_DIFFERS, " ".join(key))]


@pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume", "quotes"])
def test_every_field_of_a_candle_is_compared(field: str) -> None:
    key = ("1m", f"{DAY}T14:31:00.000Z")
    changed = CANDLES | {key: CANDLES[key] | {field: CANDLES[key][field] + 1}}
    (finding,) = reconcile(stored_day(candles=changed)).findings
    assert (finding.problem, finding.subject) == (Problem.CANDLE_DIFFERS, " ".join(key))
    assert field in finding.detail


def test_a_missing_candle_and_one_without_quotes_are_found() -> None:
    key, stray = ("1h", f"{DAY}T14:00:00.000Z"), ("1m", f"{DAY}T18:00:00.000Z")
    changed = without(CANDLES, key) | {stray: CANDLES[key]}
    assert problems(stored_day(candles=changed)) == [
        (Problem.CANDLE_MISSING, " ".join(key)),
        (Problem.CANDLE_UNFOUNDED, " ".join(stray)),
    ]


def test_a_stale_quote_is_stored_and_makes_no_candle() -> None:
    stale = quote(30, "101.5", 1500, second=31, stale=True)
    day = stored_day(
        ledger=ledger_of([*QUOTES[:2], stale, *QUOTES[2:]]),
        archive=lines_of([*QUOTES[:2], stale, *QUOTES[2:]]),
        items=ITEMS | {stale.timestamp: item_of(stale)},
    )
    assert problems(day) == []


def test_a_quote_accepted_again_after_a_restart_is_one_quote() -> None:
    again = quote(31, "99.75", 1700, polled_at=f"{DAY}T14:31:30.000Z")
    result = reconcile(stored_day(ledger=ledger_of([*QUOTES[:3], again, *QUOTES[3:]])))
    assert result.findings == []
    assert (result.accepted, result.accepted_again) == (5, 1)


def test_without_a_ledger_the_stores_are_compared_among_themselves() -> None:
    result = reconcile(stored_day(ledger=None, items=without(ITEMS, QUOTES[0].timestamp)))
    assert [finding.problem for finding in result.findings] == [Problem.MISSING_IN_QUOTES]
    assert result.accepted == 0


def test_stored_quotes_that_the_ledger_does_not_list_are_counted_and_no_fault() -> None:
    result = reconcile(stored_day(ledger=ledger_of(QUOTES[:3])))
    assert result.findings == []
    assert result.unlisted == 2


def test_the_newest_windows_may_be_closed_or_not_but_not_once_a_later_quote_is_there() -> None:
    newest = [("1m", f"{DAY}T15:35:00.000Z"), ("5m", f"{DAY}T15:35:00.000Z"), ("1h", f"{DAY}T15:00:00.000Z")]
    still_open = {key: value for key, value in CANDLES.items() if key not in newest}
    assert problems(stored_day(candles=still_open)) == []
    tomorrow = "2026-11-21T14:30:00.000Z"
    assert problems(stored_day(candles=still_open, last_tick=tomorrow)) == [
        (Problem.CANDLE_MISSING, " ".join(key)) for key in newest
    ]


@pytest.mark.parametrize(
    ("name", "place"),
    # The volume of the day's first hour does not follow from the day alone.
    [(name, place) for name in WINDOWS[QUOTES[3].timestamp] for place in range(5) if (name, place) != ("candle_1h", 3)],
)
def test_what_a_quote_says_of_its_windows_is_compared(name: str, place: int) -> None:
    timestamp = QUOTES[3].timestamp
    values = list(ITEMS[timestamp][name])
    values[place] += 1
    (finding,) = reconcile(stored_day(items=ITEMS | {timestamp: ITEMS[timestamp] | {name: values}})).findings
    assert (finding.problem, finding.subject) == (Problem.CANDLE_DIFFERS, f"{name} of {timestamp}")


def test_a_quote_that_carries_no_window_is_found_unless_the_clock_had_closed_it() -> None:
    timestamp = QUOTES[4].timestamp
    item = item_of(QUOTES[4])
    newest = {key for key in CANDLES if key[1] >= f"{DAY}T15:"}
    still_open = {key: value for key, value in CANDLES.items() if key not in newest}
    found = problems(stored_day(items=ITEMS | {timestamp: item}, candles=still_open))
    assert found == [(Problem.CANDLE_MISSING, f"candle_{name} of {timestamp}") for name in ("1m", "5m", "1h")]
    # Closed as of the quote before it, in the same windows: the late comer changes nothing.
    after = quote(95, "99", 9500, second=30)
    day = stored_day(
        ledger=ledger_of([*QUOTES, after]), archive=lines_of([*QUOTES, after]),
        items=ITEMS | {after.timestamp: item_of(after)},
    )  # fmt: skip
    assert problems(day) == []


def test_what_the_log_holds_behind_the_audited_part_is_left_out() -> None:
    newer = quote(95, "97", 9100, second=30)
    key = ("5m", f"{DAY}T15:35:00.000Z")
    gone_on = CANDLES | {key: CANDLES[key] | {"low": Decimal(97), "close": Decimal(97), "quotes": Decimal(2)}}
    day = stored_day(items=ITEMS | {newer.timestamp: item_of(newer)}, candles=gone_on)
    assert (Problem.ONLY_IN_QUOTES, newer.timestamp) in problems(day)
    assert (Problem.CANDLE_DIFFERS, " ".join(key)) in problems(day)
    left_out = replace(day, newer=frozenset({newer.timestamp}), has_newer=True)
    result = reconcile(left_out)
    assert result.findings == []
    assert result.stored == 5
