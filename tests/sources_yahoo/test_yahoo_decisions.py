"""The pure decisions: bucket, breaker, batches, life, silence, ticks."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.sources.silence import SilenceWatch
from stockstream.sources.ticks import refusal
from stockstream.sources.yahoo.batches import BatchSizer, cut, start_offset_seconds
from stockstream.sources.yahoo.breaker import Breaker, BreakerState
from stockstream.sources.yahoo.bucket import TokenBucket
from stockstream.sources.yahoo.errors import FailureKind, kind_of_status
from stockstream.sources.yahoo.life import LifeEvent, SymbolLives
from stockstream.sources.yahoo.mapping import map_v7_result
from stockstream_wire import Quote
from tests.sources_yahoo.replies import equity


def test_a_bucket_lets_a_burst_through_and_then_keeps_the_rate() -> None:
    bucket = TokenBucket(rate_per_second=2, burst=3)
    for _ in range(3):
        assert bucket.wait_seconds(0.0) == 0
        bucket.charge(0.0, 1)

    assert bucket.wait_seconds(0.0) == pytest.approx(0.5)
    assert bucket.wait_seconds(0.5) == 0


def test_a_debt_of_hidden_requests_is_waited_off() -> None:
    bucket = TokenBucket(rate_per_second=1, burst=1)
    bucket.charge(0.0, 5)

    assert bucket.wait_seconds(0.0) == pytest.approx(5)


def test_tokens_do_not_pile_up_beyond_the_burst() -> None:
    bucket = TokenBucket(rate_per_second=1, burst=2)
    bucket.charge(0.0, 2)
    bucket.charge(1000.0, 2)

    assert bucket.wait_seconds(1000.0) == pytest.approx(1)


def closed_breaker() -> Breaker:
    breaker = Breaker(random.Random(1))
    breaker.on_success(0.0)
    return breaker


def test_the_first_call_of_all_goes_alone() -> None:
    breaker = Breaker(random.Random(1))
    assert breaker.state(0.0) is BreakerState.HALF_OPEN
    assert breaker.on_success(0.0)
    assert breaker.state(0.0) is BreakerState.CLOSED


@pytest.mark.parametrize("kind", [FailureKind.RATE_LIMITED, FailureKind.UNAUTHORIZED])
def test_a_refusal_of_the_address_opens_at_once(kind: FailureKind) -> None:
    breaker = closed_breaker()

    assert breaker.on_failure(10.0, kind)

    assert breaker.state(10.0) is BreakerState.OPEN
    assert 15 <= breaker.wait_seconds(10.0) <= 30


def test_other_failures_open_only_in_a_row() -> None:
    breaker = closed_breaker()
    for _ in range(3):
        assert not breaker.on_failure(1.0, FailureKind.SERVER)
    breaker.on_success(1.0)
    for _ in range(3):
        assert not breaker.on_failure(1.0, FailureKind.UNREACHABLE)
    assert breaker.on_failure(1.0, FailureKind.MALFORMED)


def test_waits_double_up_to_a_quarter_of_an_hour_with_jitter() -> None:
    breaker = closed_breaker()
    now_seconds = 0.0
    waits = []
    for _ in range(12):
        breaker.on_failure(now_seconds, FailureKind.RATE_LIMITED)
        waits.append(breaker.wait_seconds(now_seconds))
        now_seconds += waits[-1]

    for wait, cap in zip(waits, (30, 60, 120, 240, 480, *[900] * 7), strict=True):
        assert 15 <= wait <= cap
    assert len({round(wait, 3) for wait in waits}) == len(waits)


def test_calls_that_fail_together_are_one_opening() -> None:
    breaker = closed_breaker()
    breaker.on_failure(0.0, FailureKind.RATE_LIMITED)
    for _ in range(3):
        assert not breaker.on_failure(0.1, FailureKind.RATE_LIMITED)

    assert breaker.wait_seconds(0.0) <= 30
    assert breaker.opened_total == 1


def test_a_late_success_from_before_the_opening_does_not_close_it() -> None:
    breaker = closed_breaker()
    breaker.on_failure(0.0, FailureKind.RATE_LIMITED)

    assert not breaker.on_success(0.5)
    assert breaker.state(0.5) is BreakerState.OPEN


def test_what_the_server_asks_for_is_waited_at_least() -> None:
    breaker = closed_breaker()
    breaker.on_failure(0.0, FailureKind.RATE_LIMITED, retry_after_seconds=300)

    assert breaker.wait_seconds(0.0) == 300


def test_an_outage_right_after_another_waits_longer_and_one_after_a_healthy_time_does_not() -> None:
    caps = []
    for pause_seconds in (10.0, 500.0):
        breaker = closed_breaker()
        breaker.on_failure(0.0, FailureKind.RATE_LIMITED)
        now_seconds = breaker.wait_seconds(0.0)
        breaker.on_success(now_seconds)
        breaker.on_success(now_seconds + pause_seconds)
        waits = []
        for seed in range(200):
            breaker._rng = random.Random(seed)
            breaker._state, openings = BreakerState.CLOSED, breaker._openings
            breaker.on_failure(now_seconds + pause_seconds, FailureKind.RATE_LIMITED)
            waits.append(breaker.wait_seconds(now_seconds + pause_seconds))
            breaker._openings = openings
        caps.append(max(waits))
    soon, later = caps
    assert 50 < soon <= 60
    assert 25 < later <= 30


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, FailureKind.RATE_LIMITED),
        (999, FailureKind.RATE_LIMITED),
        (403, FailureKind.RATE_LIMITED),
        (401, FailureKind.UNAUTHORIZED),
        (503, FailureKind.SERVER),
        (400, FailureKind.BAD_REQUEST),
        (414, FailureKind.BAD_REQUEST),
    ],
)
def test_a_status_says_what_to_do_next(status: int, kind: FailureKind) -> None:
    assert kind_of_status(status) is kind


@given(st.integers(0, 700), st.integers(1, 99))
def test_batches_are_even_and_lose_nobody(count: int, size: int) -> None:
    symbols = [f"S{number}" for number in range(count)]

    pieces = cut(symbols, size)

    assert [symbol for piece in pieces for symbol in piece] == symbols
    assert len(pieces) == -(-count // size)
    if pieces:
        assert max(map(len, pieces)) - min(map(len, pieces)) <= 1


def test_five_thousand_symbols_are_56_requests() -> None:
    assert len(cut([str(number) for number in range(5000)], BatchSizer().size)) == 56


def test_a_batch_is_halved_on_trouble_and_grows_back() -> None:
    sizer = BatchSizer(90)
    sizer.halve()
    assert sizer.size == 45
    for _ in range(20):
        sizer.halve()
    assert sizer.size == 10
    for _ in range(20):
        sizer.grow()
    assert sizer.size == 90


def test_batches_never_shrink_so_far_that_a_cycle_no_longer_fits_its_interval() -> None:
    sizer = BatchSizer(90)
    sizer.fit(symbols=1000, requests=20)
    for _ in range(10):
        sizer.halve()

    assert sizer.size == 50


@pytest.mark.parametrize("size", [0, 100])
def test_a_batch_beyond_yahoo_s_limit_is_no_setting(size: int) -> None:
    with pytest.raises(ValueError, match="99"):
        BatchSizer(size)


def test_requests_are_spread_over_the_interval() -> None:
    assert [start_offset_seconds(index, 4, 24.0) for index in range(4)] == [0, 6, 12, 18]


def test_a_symbol_missing_three_times_is_quarantined_once_and_asked_for_at_growing_intervals() -> None:
    lives = SymbolLives()
    lives.seen("ACME")

    assert [lives.missed("ACME", now) for now in (0.0, 30.0, 60.0)] == [None, None, LifeEvent.QUARANTINED]
    assert not lives.is_due("ACME", 359.0)
    assert lives.is_due("ACME", 360.0)
    assert lives.missed("ACME", 360.0) is None
    assert not lives.is_due("ACME", 959.0)
    assert lives.is_due("ACME", 960.0)
    for _ in range(20):
        lives.missed("ACME", 1000.0)
    assert lives.recheck_seconds("ACME") == 21_600


def test_a_symbol_that_comes_back_is_said_and_starts_afresh() -> None:
    lives = SymbolLives()
    for _ in range(3):
        lives.missed("ACME", 0.0)

    assert lives.seen("ACME") is LifeEvent.RETURNED
    assert lives.is_due("ACME", 1.0)
    assert lives.missed("ACME", 1.0) is None


def test_an_unknown_symbol_is_said_at_its_first_miss() -> None:
    lives = SymbolLives()

    assert lives.missed("TYPO", 0.0) is LifeEvent.UNKNOWN
    assert lives.missed("TYPO", 1.0) is None


def test_all_unknown_needs_certainty_about_every_one() -> None:
    lives = SymbolLives()
    lives.missed("A", 0.0, confirmed=True)
    assert not lives.all_unknown(["A", "B"])
    lives.missed("B", 0.0)
    assert not lives.all_unknown(["A", "B"])
    lives.missed("B", 0.0)
    lives.missed("B", 0.0)
    assert lives.all_unknown(["A", "B"])
    lives.seen("A")
    assert not lives.all_unknown(["A", "B"])
    assert not lives.all_unknown([])


def pulse(watch: SilenceWatch, *, until: float, every: float = 30.0) -> float:
    now = 0.0
    while now <= until:
        watch.observe("ACME", 1_000_000 + int(now), now)
        now += every
    return now - every


def test_a_silence_is_said_once_and_its_end_too() -> None:
    watch = SilenceWatch(300)
    last = pulse(watch, until=300)

    assert watch.newly_silent(["ACME"], last + 299) == []
    assert watch.newly_silent(["ACME"], last + 301) == ["ACME"]
    assert watch.newly_silent(["ACME"], last + 900) == []
    assert watch.observe("ACME", 2_000_000, last + 1000)
    assert not watch.observe("ACME", 2_000_030, last + 1030)


def test_a_thinly_traded_symbol_is_given_its_own_time() -> None:
    watch = SilenceWatch(300)
    last = pulse(watch, until=3600, every=600)

    assert watch.newly_silent(["ACME"], last + 1500) == []
    assert watch.newly_silent(["ACME"], last + 3001) == ["ACME"]


def test_a_symbol_that_never_traded_while_we_watched_cannot_fall_silent() -> None:
    watch = SilenceWatch(300)
    watch.observe("ACME", 1_000_000, 0.0)

    assert watch.newly_silent(["ACME"], 90_000.0) == []


def test_the_night_is_no_silence() -> None:
    watch = SilenceWatch(300)
    last = pulse(watch, until=300)
    watch.pause(["ACME"], last + 60_000)

    assert watch.newly_silent(["ACME"], last + 60_001) == []


def ranged(price: float) -> Quote:
    """A quote whose range holds its price, so that the ratio alone is judged."""
    return quote_of(regularMarketPrice=price, regularMarketDayHigh=max(102, price), regularMarketDayLow=min(99, price))


def quote_of(**changes: object) -> Quote:
    outcome = map_v7_result(equity() | changes)
    assert isinstance(outcome, Quote)
    return outcome


@pytest.mark.parametrize("price", [2000.01, 4.99])
def test_an_absurd_ratio_to_the_previous_close_is_a_refusal(price: float) -> None:
    rejection = refusal(ranged(price))

    assert rejection is not None
    assert rejection.reason == "absurd_ratio"


@pytest.mark.parametrize("price", [2000.0, 5.0, 10.0, 55.0, 180.0])
def test_a_wild_day_is_no_refusal(price: float) -> None:
    assert refusal(ranged(price)) is None


def test_a_split_rescales_price_and_previous_close_together_and_is_no_refusal() -> None:
    old = {"regularMarketOpen": 1210, "regularMarketDayHigh": 1212, "regularMarketDayLow": 1200}
    new = {"regularMarketOpen": 121, "regularMarketDayHigh": 121.2, "regularMarketDayLow": 120}
    before = quote_of(regularMarketPrice=1208.88, regularMarketPreviousClose=1209.98, **old)
    after = quote_of(regularMarketPrice=120.9, regularMarketPreviousClose=120.998, **new)

    assert refusal(before) is None
    assert refusal(after) is None
