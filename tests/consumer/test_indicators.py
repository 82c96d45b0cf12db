"""Indicators against independent computations (talipp, numpy), on the real sessions and on made ones."""

import math
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import talipp.indicators
from hypothesis import given
from hypothesis import strategies as st

from stockstream_lambda.analysis.averages import EMA_SPANS, SMA_SPANS
from stockstream_lambda.analysis.returns import MAD_TO_SIGMA, WARM_RETURNS, Returns
from stockstream_lambda.analysis.volume import VolumeProfile
from stockstream_lambda.checkpoint import decode_checkpoint, encode_checkpoint
from stockstream_wire import Quote, format_epoch_ms
from tests.consumer.conftest import MARKET_DATA
from tests.consumer.folding import Folder
from tests.consumer.kinesis_events import quote, read_session

needs_market_data = pytest.mark.skipif(not MARKET_DATA.is_dir(), reason="the shared real sessions are not here")
SESSIONS = sorted(MARKET_DATA.glob("*.csv.gz"))
OPEN_MS = 1_795_185_000_000  # 2026-11-20T14:30:00Z


def by_symbol(quotes: list[Quote]) -> dict[str, list[Quote]]:
    found: dict[str, list[Quote]] = defaultdict(list)
    for one in quotes:
        found[one.symbol].append(one)
    return found


@pytest.mark.long
@needs_market_data
@pytest.mark.parametrize("path", SESSIONS, ids=lambda path: path.name.partition(".")[0])
def test_indicators_of_a_real_session_are_those_of_talipp_and_numpy(path: Path) -> None:
    for quotes in by_symbol(read_session(path)).values():
        items = Folder().add(quotes).items()
        prices = [float(one.price) for one in quotes]
        for span in SMA_SPANS:
            assert_series(items, f"sma_{span}", list(talipp.indicators.SMA(span, prices)))
        for span in EMA_SPANS:
            assert_series(items, f"ema_{span}", list(talipp.indicators.EMA(span, prices)))
        assert_series(items, "vwap", list(numpy_vwap(quotes)))
        assert_series(items, "realized_volatility_percent", numpy_volatility(prices))
        ranges = [float((one.high - one.low) / one.previous_close * 100) for one in quotes]
        assert_series(items, "day_range_percent", ranges)


def assert_series(items: list[dict[str, Any]], name: str, expected: list[Any]) -> None:
    assert len(items) == len(expected)
    for item, value in zip(items, expected, strict=True):
        if value is None:
            assert name not in item
        else:
            assert float(item[name]) == pytest.approx(float(value), rel=1e-9)


def numpy_vwap(quotes: list[Quote]) -> np.ndarray[Any, Any]:
    prices = np.array([float(one.price) for one in quotes])
    shares = np.maximum(np.diff([0, *[one.volume for one in quotes]]), 0)
    return np.asarray(np.cumsum(prices * shares) / np.cumsum(shares))


def numpy_volatility(prices: list[float]) -> list[float | None]:
    squares = np.cumsum(np.diff(np.log(prices)) ** 2)
    return [None if n < WARM_RETURNS else math.sqrt(squares[n - 1]) * 100 for n in range(len(prices))]


@needs_market_data
@pytest.mark.parametrize("path", SESSIONS, ids=lambda path: path.name.partition(".")[0])
def test_the_running_median_and_mad_stay_near_the_windowed_ones_of_numpy(path: Path) -> None:
    for symbol, quotes in by_symbol(read_session(path)).items():
        if symbol == "BAC":
            continue  # at $14 a tick is 7 basis points: its windowed MAD is either 0 or one tick, never in between
        prices = np.array([float(one.price) for one in quotes])
        series = np.diff(np.log(prices))
        returns = Returns()
        ratios = []
        for count, price in enumerate(prices):
            returns.add(float(price))
            if count >= 150:
                window = series[count - 120 : count]
                center = np.median(window)
                mad = np.median(np.abs(window - center))
                assert abs(returns.center - center) < 3e-4
                ratios.append(max(returns.mad, 1e-4) / max(mad, 1e-4))
        assert min(ratios) > 0.5
        assert max(ratios) < 2.5
        assert 0.7 < float(np.median(ratios)) < 1.4


def test_a_wild_return_scores_high_and_barely_moves_the_scale() -> None:
    returns = Returns()
    price = 100.0
    for number in range(200):
        price *= 1.001 if number % 2 else 1 / 1.001
        returns.add(price)
    before = returns.mad
    returns.add(price * 1.1)
    assert returns.z == pytest.approx(math.log(1.1) / (MAD_TO_SIGMA * before), rel=0.05)
    assert returns.mad < before * 1.05


def test_the_score_is_silent_until_there_are_enough_returns_and_over_night() -> None:
    day = [quote(price=f"{100 + n % 3}", timestamp=format_epoch_ms(OPEN_MS + n * 60_000)) for n in range(32)]
    night = [quote(price="150", timestamp=format_epoch_ms(OPEN_MS + 86_400_000 * 3))]
    items = Folder().add([*day, *night]).items()
    assert ["return_z" in item for item in items] == [False] * 31 + [True, False]
    assert "sma_20" in items[31]
    assert "sma_5" not in items[32]


@given(st.lists(st.decimals("50", "70", places=4), min_size=1, max_size=120))
def test_simple_averages_are_exact_however_long_they_run(prices: list[Decimal]) -> None:
    quotes = [
        quote(price=str(p), previous_close="60", timestamp=format_epoch_ms(OPEN_MS + n * 1000))
        for n, p in enumerate(prices)
    ]
    state = Folder().add(quotes).state
    for span, total in zip(SMA_SPANS, state.averages.sums, strict=True):
        assert total == sum(prices[-span:])


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=19))
def test_the_usual_volume_is_the_geometric_mean_of_the_sessions_before(volumes: list[int]) -> None:
    profile = VolumeProfile(bytearray())
    for volume in volumes:
        profile.learn(571, volume)
    usual, sessions = profile.usual(571)
    expected = 2 ** np.mean(np.log2(np.array(volumes, dtype=float) + 1)) - 1
    assert sessions == len(volumes)
    assert usual == pytest.approx(expected, rel=0.015, abs=0.02)
    assert profile.usual(570) == profile.usual(572) == (0.0, 0)


def test_the_profile_grows_to_both_sides_and_survives_packing() -> None:
    packed = bytearray()
    for minute in (600, 570, 959, 571):
        packed = bytearray(bytes(packed))
        VolumeProfile(packed).learn(minute, minute)
    profile = VolumeProfile(packed)
    for minute in (570, 571, 600, 959):
        assert profile.usual(minute)[0] == pytest.approx(minute, rel=0.002)
    assert len(packed) == 2 + 3 * 390


def session_of_minutes(day: int, volume_of_minute: list[int]) -> list[Quote]:
    found, total = [], 0
    for minute, volume in enumerate(volume_of_minute):
        total += volume
        moment = OPEN_MS + day * 86_400_000 + minute * 60_000
        found.append(quote(timestamp=format_epoch_ms(moment), volume=total))
    return found


def test_a_minutes_volume_is_told_against_its_usual_once_five_sessions_are_known() -> None:
    folder = Folder()
    for day in range(6):
        folder.add(session_of_minutes(day, [1000, 500, 500]))
    folder.add(session_of_minutes(6, [1000, 500, 5100]))
    items = folder.items()
    # The first minute ever was joined while it ran, so its usual volume has one session less.
    assert [name for item in items[:15] for name in item if name == "volume_ratio"] == []
    last = items[-3:]
    assert [round(float(item["volume_ratio"]), 1) for item in last] == [1.0, 1.0, 10.2]
    assert ("volume", "none", "warning") in folder.alerts()


def test_the_states_survive_a_checkpoint_between_any_two_quotes() -> None:
    quotes = [
        quote(price=f"{100 + n * 7 % 11}", volume=n * 100, timestamp=format_epoch_ms(OPEN_MS + n * 61_000))
        for n in range(90)
    ]
    whole = Folder().add(quotes)
    pieces = Folder()
    for one in quotes:
        pieces.add([one])
        pieces.states = decode_checkpoint(encode_checkpoint(7, "2026-11-20", pieces.states), "state/p4-00").states
    assert pieces.items() == whole.items()
    assert encode_checkpoint(7, "2026-11-20", pieces.states) == encode_checkpoint(7, "2026-11-20", whole.states)
