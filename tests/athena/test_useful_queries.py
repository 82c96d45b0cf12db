"""The queries beyond the published ones, against computations that share no code with them."""

import math
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from stockstream.lake import Lake, LocalArchive, Only, find_athena_files
from stockstream_wire import Quote, parse_timestamp
from tests.athena.sessions import SESSIONS, quote, read_session, write_archive

FILES = find_athena_files()


def answer(archive: Path, name: str, only: Only | None = None) -> list[dict[str, Any]]:
    with Lake(LocalArchive(archive), FILES, only) as lake:
        (result,) = lake.run(FILES.queries()[name].read_text(encoding="utf-8"))
        return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def days(quotes: list[Quote]) -> Iterator[tuple[str, str, list[Quote]]]:
    groups: dict[tuple[str, str], list[Quote]] = defaultdict(list)
    for entry in quotes:
        groups[entry.symbol, entry.timestamp[:10]].append(entry)
    for (symbol, day), group in sorted(groups.items()):
        yield symbol, day, group


def made_up_days() -> Iterator[Quote]:
    """Three symbols on two days, a quote every 30 s or so: gaps up and down, unchanged prices, a corrected volume."""
    chance = random.Random(20140605)
    for symbol, level in (("AAPL", 64_600), ("BRK-B", 41_210), ("SHIB-USD", 3)):
        close = Decimal(level) / 100
        for day, gap in (("2014-06-05", 101), ("2014-06-06", 98)):
            price = first = high = low = close * gap / 100
            volume = 0
            for n in range(120):
                price = max(price + Decimal(chance.randint(-9, 9)) / 1000, Decimal("0.001"))
                high, low = max(high, price), min(low, price)
                volume += chance.randint(-5 if n == 60 else 0, 900)
                time = f"{day}T{14 + n // 60}:{n % 60:02d}:{chance.randint(0, 59):02d}.{chance.randint(0, 999):03d}Z"
                yield Quote(
                    symbol=symbol,
                    timestamp=time,
                    open=first,
                    high=high,
                    low=low,
                    price=price,
                    previous_close=close,
                    volume=max(volume, 0),
                )
            close = price


@pytest.fixture(
    name="quotes",
    scope="module",
    params=[
        "made up",
        pytest.param(
            "real sessions",
            marks=pytest.mark.skipif(not SESSIONS, reason="no ../shared/data/market beside the checkout"),
        ),
    ],
)
def _quotes(request: pytest.FixtureRequest) -> list[Quote]:
    if request.param == "made up":
        return list(made_up_days())
    return [entry for path in SESSIONS for entry in read_session(path)]


@pytest.fixture(name="archive", scope="module")
def _archive(quotes: list[Quote], tmp_path_factory: pytest.TempPathFactory) -> Path:
    # A redriven batch and a backfill put quotes into the archive again; the views must count them once.
    root = write_archive(tmp_path_factory.mktemp("archive"), quotes, batch=200)
    again = write_archive(tmp_path_factory.mktemp("again"), quotes[::7], batch=200)
    for path in again.rglob("*.json.gz"):
        copy = root / path.relative_to(again).with_name(f"again-{path.name}")
        copy.write_bytes(path.read_bytes())
    return root


def test_vwap_weighs_each_price_by_what_was_traded_since_the_last(quotes: list[Quote], archive: Path) -> None:
    rows = answer(archive, "vwap_per_day")
    expected = {}
    for symbol, day, group in days(quotes):
        before, turnover = 0, Decimal(0)
        for entry in group:
            turnover += entry.price * max((entry.volume or 0) - before, 0)
            before = entry.volume or 0
        expected[symbol, day] = (turnover / before, before, len(group))
    assert {(row["symbol"], str(row["trading_day"])) for row in rows} == set(expected)
    for row in rows:
        vwap, volume, count = expected[row["symbol"], str(row["trading_day"])]
        assert row["vwap"] == vwap.quantize(Decimal("0.0001"))
        assert (row["volume"], row["quotes"]) == (volume, count)


def test_candles_open_and_close_with_their_first_and_last_quote(quotes: list[Quote], archive: Path) -> None:
    expected: dict[tuple[str, datetime], list[Any]] = {}
    for symbol, _, group in days(quotes):
        before = 0
        for entry in group:
            at = parse_timestamp(entry.timestamp).replace(tzinfo=None)
            start = at.replace(minute=at.minute - at.minute % 5, second=0, microsecond=0)
            traded = max((entry.volume or 0) - before, 0)
            before = entry.volume or 0
            candle = expected.setdefault((symbol, start), [entry.price, entry.price, entry.price, entry.price, 0, 0])
            candle[1] = max(candle[1], entry.price)
            candle[2] = min(candle[2], entry.price)
            candle[3] = entry.price
            candle[4] += traded
            candle[5] += 1
    rows = answer(archive, "candles_5m")
    found = {
        (row["symbol"], row["window_start"]): [
            row[name] for name in ("open", "high", "low", "close", "volume", "quotes")
        ]
        for row in rows
    }
    assert found == expected
    assert len(rows) == len(expected)


def test_volatility_ranks_by_the_sum_of_squared_returns(quotes: list[Quote], archive: Path) -> None:
    by_day: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for symbol, day, group in days(quotes):
        prices = [float(entry.price) for entry in group]
        returns = [math.log(b / a) for a, b in pairwise(prices)]
        by_day[day].append((100 * math.sqrt(math.fsum(r * r for r in returns)), symbol))
    rows = answer(archive, "volatility_rank")
    for day, expected in by_day.items():
        found = [row for row in rows if str(row["trading_day"]) == day]
        assert [row["symbol"] for row in found] == [symbol for _, symbol in sorted(expected, reverse=True)]
        assert [row["position"] for row in found] == list(range(1, len(expected) + 1))
        for row, (volatility, _) in zip(found, sorted(expected, reverse=True), strict=True):
            assert row["realised_volatility_percent"] == pytest.approx(volatility, abs=1e-4)


def test_gaps_are_days_that_opened_away_from_the_close_before(quotes: list[Quote], archive: Path) -> None:
    expected = {}
    for symbol, day, group in days(quotes):
        last = group[-1]
        percent = (last.open - last.previous_close) / last.previous_close * 100
        if abs(percent) > Decimal("0.5"):
            filled = (
                last.low <= last.previous_close if last.open > last.previous_close else last.high >= last.previous_close
            )
            expected[symbol, day] = (percent.quantize(Decimal("0.01")), filled)
    rows = answer(archive, "gaps")
    assert {(row["symbol"], str(row["trading_day"])): (row["gap_percent"], row["filled"]) for row in rows} == expected
    assert expected


def test_one_symbol_reads_its_days_and_no_others(quotes: list[Quote], archive: Path) -> None:
    june = Only(symbols=("AAPL",), start="2014-06-05T00:00:00.000Z", end="2014-06-07T00:00:00.000Z")
    rows = answer(archive, "one_symbol", june)
    wanted = [q for q in quotes if q.symbol == "AAPL" and "2014-06-05" <= q.timestamp[:10] <= "2014-06-06"]
    assert sorted({(row["timestamp"], row["price"], row["volume"]) for row in rows}) == sorted(
        (entry.timestamp, entry.price, entry.volume) for entry in wanted
    )


def test_alert_history_has_one_row_a_crossing(tmp_path: Path) -> None:
    prices = ["104", "106", "107", "105", "105.01", "94.9", "94", "99", "96"]
    quotes = [
        quote("A", f"2026-11-20T15:0{n}:00.000Z", price, "100", volume=n) for n, price in enumerate(prices, start=1)
    ]
    # A new day starts without a memory of the old one.
    quotes.append(quote("A", "2026-11-21T15:00:00.000Z", "90", "100"))
    rows = answer(
        write_archive(tmp_path, [*quotes, quote("B", "2026-11-20T15:00:00.000Z", "101", "100")]), "alert_history"
    )
    summary = [
        (row["crossed_at"].strftime("%d %H:%M"), row["last_seen_beyond"].strftime("%d %H:%M"), row["direction"],
         row["price_at_crossing"], row["largest_change_percent"], row["quotes"])
        for row in rows
    ]  # fmt: skip
    assert summary == [
        ("20 15:02", "20 15:03", "up", Decimal(106), Decimal("7.00"), 2),
        ("20 15:05", "20 15:05", "up", Decimal("105.01"), Decimal("5.01"), 1),
        ("20 15:06", "20 15:07", "down", Decimal("94.9"), Decimal("6.00"), 2),
        ("21 15:00", "21 15:00", "down", Decimal(90), Decimal("10.00"), 1),
    ]


def test_silent_feeds_are_holes_within_a_day(tmp_path: Path) -> None:
    times = [
        "2026-11-20T15:00:00.000Z",
        "2026-11-20T15:01:59.000Z",
        "2026-11-20T15:04:00.000Z",
        "2026-11-21T15:00:00.000Z",
    ]
    rows = answer(write_archive(tmp_path, [quote("A", time, "10", "10") for time in times]), "silent_feeds")
    assert [(row["ended_at"], row["seconds_since_last"]) for row in rows] == [(datetime(2026, 11, 20, 15, 4), 121)]  # noqa: DTZ001 - Athena's timestamps carry no zone


def test_a_quote_that_came_twice_counts_once_and_a_stale_repeat_not_at_all(tmp_path: Path) -> None:
    first = quote("A", "2026-11-20T15:00:00.000Z", "10", "10", volume=100, polled_at="2026-11-20T15:00:01.000Z")
    again = quote("A", "2026-11-20T15:00:00.000Z", "10", "10", volume=100, polled_at="2026-11-20T15:00:31.000Z")
    stale = quote("A", "2026-11-20T15:00:30.000Z", "10", "10", volume=100, stale=True)
    last = quote("A", "2026-11-20T15:01:00.000Z", "12", "10", volume=150)
    (row,) = answer(write_archive(tmp_path, [first, again, stale, last], batch=1), "vwap_per_day")
    assert row["quotes"] == 2
    assert row["vwap"] == Decimal("10.6667")


def test_a_falling_volume_trades_nothing(tmp_path: Path) -> None:
    volumes = [100, 90, 120]
    quotes = [quote("A", f"2026-11-20T15:0{n}:00.000Z", "10", "10", volume=v) for n, v in enumerate(volumes)]
    with Lake(LocalArchive(write_archive(tmp_path, quotes)), FILES) as lake:
        (result,) = lake.run("SELECT traded FROM ticks ORDER BY event_time")
    assert [row[0] for row in result.rows] == [100, 0, 30]
