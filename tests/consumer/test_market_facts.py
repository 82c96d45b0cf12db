"""Docs/market.md, figure by figure: volume over gaps, sessions, extended hours, prices at or below 0, old news."""

from decimal import Decimal
from typing import Any

import pytest
import structlog.testing

from stockstream_lambda.alerts.alert import Alert
from stockstream_lambda.alerts.messages import build_message
from stockstream_wire import Quote
from tests.consumer.folding import Folder, plain
from tests.consumer.kinesis_events import quote

FIELDS = {"open": "100", "high": "1000", "low": "1", "previous_close": "100", "exchange": "NMS"}


def at(clock: str, volume: int | None = 0, price: str = "100", **fields: Any) -> Quote:
    """A quote of 2026-11-20, New York opening at 14:30."""
    timestamp = clock if "T" in clock else f"2026-11-20T{clock}.000Z"
    return quote(timestamp=timestamp, price=price, volume=volume, **{**FIELDS, **fields})


def volumes(folder: Folder, interval: str) -> list[Any]:
    """Volume of each window as its newest quote shows it, and whether it is incomplete."""
    width = {"1m": 16, "5m": 15, "1h": 13, "1d": 10}[interval]
    found: dict[str, Any] = {}
    for item in folder.items():
        if f"candle_{interval}" in item:
            is_incomplete = interval in item.get("incomplete", "").split()
            found[item["timestamp"][:width]] = (item[f"candle_{interval}"][3], is_incomplete)
    return list(found.values())


def test_a_figure_that_is_absent_or_lower_for_one_poll_changes_nothing() -> None:
    folder = Folder().add([at("14:30:30", 1000), at("14:31:30", None), at("14:31:40", 0), at("14:31:50", 1600)])
    assert volumes(folder, "1m") == [(1000, False), (600, False)]
    assert volumes(folder, "1d") == [(1600, False)]
    assert "volume" not in folder.items()[1]


def test_who_joins_late_counts_what_traded_before_for_the_day_and_for_no_minute() -> None:
    folder = Folder().add([at("18:00:05", 30_000), at("18:00:35", 30_050), at("18:01:05", 30_100)])
    assert volumes(folder, "1m") == [(50, True), (50, False)]
    assert volumes(folder, "1h") == [(100, True)]
    assert volumes(folder, "1d") == [(30_100, False)]
    assert float(folder.items()[2]["vwap"]) == 100
    assert folder.state.volume.shares == 100


def test_an_outage_leaves_the_windows_at_both_its_ends_incomplete() -> None:
    folder = Folder().add([at("14:30:10", 10), at("14:31:10", 20), at("15:40:00", 900), at("15:41:00", 950)])
    blocks = folder.closed_candles("5m")
    assert [(block["window_start"][11:16], block.get("incomplete", False)) for block in blocks] == [("14:30", True)]
    assert blocks[0]["incomplete_minutes"] == [31]
    assert volumes(folder, "1m") == [(10, False), (10, False), (0, True), (50, False)]
    # The hour before holds the earlier mark: neighbours.
    assert volumes(folder, "1h") == [(20, False), (930, False)]
    assert volumes(folder, "1d") == [(950, False)]


def test_a_gap_in_which_nothing_traded_leaves_nothing_incomplete() -> None:
    folder = Folder().add([at("14:30:10", 10), at("16:00:00", 10)])
    assert volumes(folder, "1m") == [(10, False), (0, False)]


def test_an_incomplete_minute_is_not_learnt_and_rings_nothing() -> None:
    folder = Folder()
    for day in range(10, 17):
        folder.add([at(f"2026-11-{day}T14:{30 + n}:10.000Z", 100 * (n + 1)) for n in range(4)])
    learnt = bytes(folder.state.volume.profile)
    folder.add([at("2026-11-18T14:30:10.000Z", 100), at("2026-11-18T14:33:10.000Z", 10**9)])
    assert [kind for kind, _, _ in folder.alerts()] == []
    folder.add([at("2026-11-19T14:30:10.000Z", 100)])
    assert bytes(folder.state.volume.profile)[2:] != b""
    assert len(folder.state.volume.profile) == len(learnt)
    assert "volume_ratio" not in folder.items()[-2]


@pytest.mark.parametrize("kind", ["rolling", "none"])
def test_a_figure_that_is_not_cumulative_is_kept_and_makes_no_volume(kind: str) -> None:
    folder = Folder().add([at(f"14:3{n}:00", 10**9 + n, volume_kind=kind) for n in range(6)])
    last = folder.items()[-1]
    assert (last["volume"], last["volume_kind"]) == (10**9 + 5, kind)
    assert last["candle_1d"][3] is None
    assert "vwap" not in last
    (block,) = folder.closed_candles("5m")
    assert "volume" not in block


def test_the_session_on_the_wire_counts_whatever_the_clock_says() -> None:
    folder = Folder().add([at("14:30:00", 5, session_date="2026-11-20"), at("23:30:00", 7, session_date="2026-11-23")])
    assert [item["session"] for item in folder.items()] == ["2026-11-20", "2026-11-23"]
    assert [item["volume"] for item in folder.items() if "candle_1d" in item] == [5, 7]
    assert [candle["window_start"][:10] for candle in folder.closed_candles("1d")] == ["2026-11-20"]


def test_a_session_that_is_but_a_guess_is_said_once_a_symbol() -> None:
    with structlog.testing.capture_logs() as logs:
        Folder().add([at("14:30:00", exchange="???"), at("14:31:00", exchange="???")])
        Folder().add([at("14:30:00", exchange="VSE", symbol="VNM.VN")])
        Folder().add([at("14:30:00", exchange="???", session_date="2026-11-20")])
    assert [entry["event"] for entry in logs] == ["session_guessed"]


def test_a_premarket_trade_leaves_gap_day_and_volume_to_the_opening() -> None:
    before = at("2026-11-19T20:59:00.000Z", 500, price="100")
    early = at("12:00:10", 0, "103", open="103", high="103", low="103", market_state="PRE")
    first = at("14:30:05", 900, "104.2", open="104", high="104.5", low="103.9", market_state="REGULAR")
    folder = Folder().add([before, early, first])
    items = folder.items()
    assert (items[1]["session"], items[1]["regular"]) == ("2026-11-20", False)
    assert "candle_1m" in items[1]
    assert "candle_1d" not in items[1]
    assert items[2]["candle_1d"] == [Decimal("104.2"), Decimal("104.2"), Decimal("104.2"), 900, 1]
    assert [alert for alert in folder.alerts() if alert[0] == "gap"] == [("gap", "up", "info")]
    assert items[2]["candle_1m"][3] == 900


def test_an_after_hours_crash_is_stored_and_rings() -> None:
    day = at("20:59:00", 500, "22.9", open="22.5", high="23.1", low="22.3", previous_close="22.6")
    crash = at("22:00:00", 500, "15.51", open="22.5", high="23.1", low="22.3", previous_close="22.6", regular=False)
    folder = Folder().add([day, crash])
    assert folder.items()[1]["anomaly"] == "Yes"
    assert ("move", "down", "critical") in folder.alerts()
    newest = folder.state.candles.newest[3]
    assert newest is not None
    assert newest.low == Decimal("22.9")


def test_a_crash_before_the_opening_to_the_half_is_no_split() -> None:
    before = at("2026-11-19T20:59:00.000Z", 1, "100")
    crash = at("12:00:00", None, "50", open="50", high="50", low="50", market_state="PRE")
    folder = Folder().add([before, crash])
    assert ("move", "down", "critical") in folder.alerts()
    assert "split_suspected" not in folder.items()[1]


def test_prices_at_and_below_zero_are_folded_and_rated_where_that_means_something() -> None:
    oil = {"symbol": "CL=F", "exchange": "NYM", "open": "17.73", "high": "17.85", "low": "-40.32"}
    prices = ["0.01", "-1.43", "0", "-37.63"]
    folder = Folder().add(
        [at(f"14:3{n}:00", n, price, previous_close="18.27", **oil) for n, price in enumerate(prices)]
    )
    assert [item["price"] for item in folder.items()] == [Decimal(price) for price in prices]
    assert round(folder.items()[-1]["change_percent"]) == -306
    assert ("move", "down", "critical") in folder.alerts()
    after = Folder().add([at("14:30:00", 1, "10.01", previous_close="-37.63", **oil)])
    (item,) = after.items()
    assert "change_percent" not in item
    assert (item["change"], item["anomaly"]) == (Decimal("47.64"), "No")
    assert after.alerts() == []


def test_a_futures_day_turns_at_18_00_new_york_and_closes_there() -> None:
    gold = {"symbol": "GC=F", "exchange": "CMX"}
    evening = at("2026-11-19T23:00:00.000Z", 400, "103", open="103", previous_close="99", **gold)
    folder = Folder().add([at("2026-11-19T21:59:00.000Z", 180_500, "99", **gold), evening])
    assert [item["session"] for item in folder.items()] == ["2026-11-19", "2026-11-20"]
    assert volumes(folder, "1m")[-1] == (400, False)
    assert ("gap", "up", "info") in folder.alerts()
    (gap,) = [alert for effects in folder.effects for alert in effects.alerts if alert.kind == "gap"]
    assert plain(gap.item(""))["session"] == "2026-11-20"
    assert folder.close("2026-11-20T22:59:00.000Z").closed_candles("1d")[1:] == []
    assert len(folder.close("2026-11-20T23:00:00.000Z").closed_candles("1d")) == 2


def test_old_news_is_stored_and_rings_nothing_and_silence_rings_however_long() -> None:
    old = at("2022-11-18T15:00:00.000Z", 1, "310", polled_at="2026-11-20T15:00:00.000Z")
    folder = Folder().add([old])
    assert len(folder.items()) == 1
    assert folder.alerts() == []
    silent = at("2022-11-18T15:00:00.001Z", 1, "310", polled_at="2026-11-20T15:05:00.000Z", stale=True)
    assert folder.add([silent]).alerts() == [("stale", "none", "info")]


def test_a_silent_exchange_is_one_alert_that_says_so() -> None:
    folder = Folder().add([at("14:30:00", 1), at("14:30:01", 1, stale=True, silent_symbols=4000)])
    assert folder.items()[1]["silent_symbols"] == 4000
    (alert,) = [alert for effects in folder.effects for alert in effects.alerts]
    assert "NMS has gone silent: 4000 symbols" in build_message(alert).subject
    item = plain(alert.item(""))
    assert (item["silent_symbols"], item["exchange"]) == (4000, "NMS")


def test_an_alert_without_percentage_or_volume_is_stored_read_and_told() -> None:
    alert = Alert(
        symbol="CL=F", alert_id="1-stale", kind="stale", direction="none", severity="info",
        timestamp="2026-11-20T14:30:00.000Z", price="-1", value=1.0, threshold=1.0, previous_close="-37.63",
    )  # fmt: skip
    assert "change_percent" not in plain(alert.item(""))
    assert "none" in build_message(alert).body
