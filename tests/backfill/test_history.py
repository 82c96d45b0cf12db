"""From minute bars to quotes and candles."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stockstream.backfill.candles import candles_of, history_items
from stockstream.backfill.history import quotes_of, ticks_of
from stockstream.sources.history import MinuteBar, SymbolHistory
from stockstream_wire import Quote, validate_quote

OPENING = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
CLOSING = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
OPENING_MS = int(OPENING.timestamp()) * 1000
SESSION = "2026-11-20"


def bar(minute: int, prices: tuple[str, str, str, str], volume: int = 100, session: str = SESSION) -> MinuteBar:
    open_, high, low, close = map(Decimal, prices)
    return MinuteBar(OPENING_MS + minute * 60_000, session, open_, high, low, close, volume)


def history(bars: Sequence[MinuteBar], **changes: object) -> SymbolHistory:
    made = SymbolHistory(
        "AAPL", bars, {SESSION: Decimal("99.5")}, known_until_ms=OPENING_MS + 86_400_000, currency="USD", exchange="NMS"
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def quotes(made: SymbolHistory, start: datetime = OPENING, end: datetime = CLOSING) -> list[Quote]:
    found, rejected = quotes_of(made, start, end)
    assert rejected == []
    return found


def shown(minute: MinuteBar) -> list[tuple[int, str]]:
    return [(offset_ms, str(price)) for offset_ms, price in ticks_of(minute)]


def test_a_rising_minute_goes_down_before_it_goes_up_and_a_falling_one_the_other_way() -> None:
    rising = bar(0, ("10", "12", "9", "11"))
    falling = bar(0, ("11", "12", "9", "10"))
    assert shown(rising) == [(1, "10"), (20_001, "9"), (40_001, "12"), (59_999, "11")]
    assert shown(falling) == [(1, "11"), (20_001, "12"), (40_001, "9"), (59_999, "10")]


def test_a_minute_without_extremes_of_its_own_is_two_quotes() -> None:
    assert shown(bar(0, ("10", "11", "10", "11"))) == [(1, "10"), (59_999, "11")]
    assert shown(bar(0, ("10", "10", "10", "10"))) == [(1, "10"), (59_999, "10")]


def test_quotes_carry_the_session_so_far_and_say_where_they_come_from() -> None:
    made = quotes(history([bar(0, ("10", "12", "9", "11"), 500), bar(2, ("11", "11", "8", "8"), 300)]))
    assert [(q.timestamp[11:23], str(q.price), str(q.high), str(q.low), q.volume) for q in made] == [
        ("14:30:00.001", "10", "10", "10", 0),
        ("14:30:20.001", "9", "10", "9", 0),
        ("14:30:40.001", "12", "12", "9", 0),
        ("14:30:59.999", "11", "12", "9", 500),
        ("14:32:00.001", "11", "12", "9", 500),
        ("14:32:59.999", "8", "12", "8", 800),
    ]
    assert {(q.source, q.currency, q.exchange, str(q.open), str(q.previous_close)) for q in made} == {
        ("backfill", "USD", "NMS", "10", "99.5")
    }


def test_a_range_within_a_session_counts_from_the_sessions_start() -> None:
    bars = [bar(0, ("10", "12", "9", "11"), 500), bar(1, ("11", "11", "11", "11"), 300)]
    made = quotes(history(bars), start=OPENING + timedelta(minutes=1))
    assert [(q.timestamp[11:23], q.volume, str(q.high), str(q.open)) for q in made] == [
        ("14:31:00.001", 500, "12", "10"),
        ("14:31:59.999", 800, "12", "10"),
    ]


def test_the_end_of_the_range_is_excluded() -> None:
    bars = [bar(0, ("10", "10", "10", "10")), bar(1, ("11", "11", "11", "11"))]
    assert len(quotes(history(bars), end=OPENING + timedelta(minutes=1))) == 2


def test_each_session_starts_anew() -> None:
    next_day = "2026-11-23"
    bars = [bar(0, ("10", "12", "9", "11"), 500), bar(3 * 1440, ("20", "20", "20", "20"), 7, next_day)]
    made = history(bars, previous_closes={SESSION: Decimal(9), next_day: Decimal(11)})
    last = quotes(made, end=CLOSING + timedelta(days=3))[-1]
    assert (str(last.open), str(last.high), last.volume, str(last.previous_close)) == ("20", "20", 7, "11")


def test_a_session_whose_previous_close_is_not_known_is_refused_by_name() -> None:
    found, rejected = quotes_of(history([bar(0, ("10", "10", "10", "10"))], previous_closes={}), OPENING, CLOSING)
    assert found == []
    assert [(r.subject, r.reason) for r in rejected] == [("AAPL", "missing_previous_close")]


def test_a_price_that_no_market_has_is_refused_by_name() -> None:
    found, rejected = quotes_of(history([bar(0, ("10", "10", "0", "10"))]), OPENING, CLOSING)
    assert {r.reason for r in rejected} == {"quote_invalid"}
    assert all(q.low > 0 for q in found)


PRICES = st.decimals(min_value="0.01", max_value=1000, places=2)


@st.composite
def bars_strategy(draw: st.DrawFn) -> list[MinuteBar]:
    minutes = draw(st.lists(st.integers(0, 389), unique=True, max_size=40))
    made = []
    for minute in sorted(minutes):
        open_, close, a, b = (draw(PRICES) for _ in range(4))
        prices = (open_, max(open_, close, a, b), min(open_, close, a, b), close)
        made.append(MinuteBar(OPENING_MS + minute * 60_000, SESSION, *prices, draw(st.integers(0, 10**7))))
    return made


@given(bars_strategy())
def test_candles_made_of_the_quotes_are_the_bars_and_the_candles_written(bars: list[MinuteBar]) -> None:
    made = history(bars)
    found = quotes(made)
    for quote in found:
        validate_quote(quote)
    assert [q.timestamp for q in found] == sorted({q.timestamp for q in found})

    volume_before = 0
    minute_candles: dict[str, list[object]] = {}
    for quote in found:
        candle = minute_candles.setdefault(quote.timestamp[:16], [quote.price, quote.price, quote.price, None, 0, 0])
        candle[1] = max(candle[1], quote.price)  # type: ignore[call-overload]
        candle[2] = min(candle[2], quote.price)  # type: ignore[call-overload]
        candle[3] = quote.price
        candle[4] += quote.volume - volume_before  # type: ignore[operator]
        candle[5] += 1  # type: ignore[operator]
        volume_before = quote.volume or 0
    assert [tuple(c[:5]) for c in minute_candles.values()] == [(b.open, b.high, b.low, b.close, b.volume) for b in bars]

    written = candles_of(made, OPENING_MS, int(CLOSING.timestamp()) * 1000)
    minutes = {
        c.window_start[:16]: [c.open, c.high, c.low, c.close, c.volume, c.quotes] for c in written if c.interval == "1m"
    }
    assert minutes == minute_candles
    for interval in ("5m", "1h", "1d"):
        windows = [c for c in written if c.interval == interval]
        assert sum(c.volume for c in windows) == sum(b.volume for b in bars)
        assert sum(c.quotes for c in windows) == len(found)
        if bars:
            assert max(c.high for c in windows) == max(b.high for b in bars)
            assert min(c.low for c in windows) == min(b.low for b in bars)
            assert (windows[0].open, windows[-1].close) == (bars[0].open, bars[-1].close)


@given(bars_strategy(), st.integers(0, 390), st.integers(0, 390))
def test_the_quotes_of_two_halves_are_the_quotes_of_the_whole(bars: list[MinuteBar], first: int, second: int) -> None:
    made = history(bars)
    start, end = (OPENING + timedelta(minutes=m) for m in sorted((first, second)))
    parts = quotes(made, OPENING, start) + quotes(made, start, end) + quotes(made, end, CLOSING)
    assert parts == quotes(made)


def intervals(made: SymbolHistory, start_minute: int, end_minute: int) -> list[tuple[str, str]]:
    found = candles_of(made, OPENING_MS + start_minute * 60_000, OPENING_MS + end_minute * 60_000)
    return [(c.interval, c.window_start[11:16]) for c in found]


FLAT = ("10", "10", "10", "10")


def test_windows_that_the_range_cuts_are_not_written() -> None:
    made = history([bar(minute, FLAT) for minute in range(12)])
    assert intervals(made, 2, 12) == [
        *[("1m", f"14:{minute}") for minute in range(32, 42)],
        ("5m", "14:35"),
        ("5m", "14:40"),
    ]


def test_a_window_that_opens_before_the_market_is_whole() -> None:
    made = history([bar(minute, FLAT) for minute in range(30)])
    assert ("1h", "14:00") in intervals(made, 0, 60)
    assert ("1d", "00:00") in intervals(made, 0, 60)


def test_windows_that_may_still_trade_are_not_written() -> None:
    made = history(
        [bar(minute, FLAT) for minute in range(7)], known_until_ms=OPENING_MS + 7 * 60_000, running_session=SESSION
    )
    assert intervals(made, 0, 60) == [*[("1m", f"14:{minute}") for minute in range(30, 37)], ("5m", "14:30")]


def items(own: dict[str, set[str]], retention_days: int = 0) -> dict[tuple[str, str], dict[str, Any]]:
    """Items made of six minutes from 14:30 on, by their keys."""
    made = history([bar(minute, ("10.50", "12", "9", "11"), 500) for minute in range(6)])
    candles = candles_of(made, OPENING_MS, OPENING_MS + 86_400_000)
    found = history_items("AAPL", candles, {(i, start): None for i, of in own.items() for start in of}, retention_days)
    return {(item["symbol_interval"]["S"], item["window_start"]["S"]): item for item in found}


def minutes_of(item: dict[str, Any]) -> list[int]:
    return [int(values["L"][0]["N"]) for values in item["minutes"]["L"]]


def test_a_block_is_written_in_the_consumers_form_beside_its_key() -> None:
    found = items({})
    assert list(found) == [
        ("AAPL#5m", "2026-11-20T14:30:00.000Z/backfill"),
        ("AAPL#5m", "2026-11-20T14:35:00.000Z/backfill"),
        ("AAPL#1h", "2026-11-20T14:00:00.000Z/backfill"),
        ("AAPL#1d", "2026-11-20T00:00:00.000Z/backfill"),
    ]
    block = found["AAPL#5m", "2026-11-20T14:35:00.000Z/backfill"]
    numbers = {
        "open": {"N": "10.50"}, "high": {"N": "12"}, "low": {"N": "9"}, "close": {"N": "11"}, "volume": {"N": "500"},
        "quotes": {"N": "4"},
    }  # fmt: skip
    assert block == {
        "symbol_interval": {"S": "AAPL#5m"},
        "window_start": {"S": "2026-11-20T14:35:00.000Z/backfill"},
        "symbol": {"S": "AAPL"},
        "interval": {"S": "5m"},
        "closed": {"BOOL": True},
        "source": {"S": "backfill"},
        "minutes": {"L": [{"L": [{"N": "35"}, *numbers.values()]}]},
        **numbers,
    }
    expiring = items({}, 90)["AAPL#5m", "2026-11-20T14:30:00.000Z/backfill"]
    assert expiring["expires_at"] == {"N": str(OPENING_MS // 1000 + 90 * 86_400)}


def test_what_the_consumer_has_is_left_out_and_its_missing_minutes_are_filled() -> None:
    half = {"5m": {"2026-11-20T14:30:00.000Z"}, "1m": {f"2026-11-20T14:{minute}:00.000Z" for minute in (30, 31)}}
    found = items(half | {"1h": {"2026-11-20T14:00:00.000Z"}})
    assert {key[0] for key in found} == {"AAPL#5m", "AAPL#1d"}
    block = found["AAPL#5m", "2026-11-20T14:30:00.000Z/backfill"]
    assert minutes_of(block) == [32, 33, 34]
    assert "open" not in block  # the five minutes are the consumer's
    assert items({interval: {candle.window_start for candle in ALL} for interval in ("1m", "5m", "1h", "1d")}) == {}


def test_an_incomplete_window_is_filled_where_history_knows_of_more_volume() -> None:
    starts = {("1m", f"2026-11-20T14:{minute}:00.000Z"): minute for minute in range(30, 36)}
    # 30 and 32 are incomplete: of 30 history knows no more than was seen, of 32 it does.
    own = {key: {30: Decimal(100), 32: Decimal(0)}.get(minute) for key, minute in starts.items()}
    own |= {(interval, "2026-11-20T14:30:00.000Z"): None for interval in ("5m", "1h", "1d")}
    made = history([bar(minute, FLAT, 100) for minute in range(6)])
    found = history_items("AAPL", candles_of(made, OPENING_MS, OPENING_MS + 86_400_000), own, 0)
    (block,) = [item for item in found if item["window_start"]["S"] == "2026-11-20T14:30:00.000Z/backfill"]
    assert minutes_of(block) == [32]


ALL = candles_of(history([bar(minute, FLAT) for minute in range(6)]), OPENING_MS, OPENING_MS + 86_400_000)
