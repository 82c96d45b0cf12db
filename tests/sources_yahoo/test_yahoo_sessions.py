from collections import Counter

import pytest

from stockstream.sources.yahoo.mapping import Observation
from stockstream.sources.yahoo.sessions import Session, Sessions, session_of

NOW = 1_795_359_600.0


def seen(symbol: str, state: str, *, age: float = 10, exchange: str = "NMS", volume: int = 1) -> Observation:
    return Observation(symbol, exchange, state, int(NOW - age), 0, volume, None)


def session(states: dict[str | None, int], *, age: float, extended: bool = False, moved: bool = False) -> Session:
    return session_of(
        Counter(states),
        trade_age_seconds=age,
        delay_seconds=0,
        unmoved_seconds=age,
        moved_lately=moved,
        extended_hours=extended,
    )


@pytest.mark.parametrize(
    ("states", "age", "expected"),
    [
        ({"REGULAR": 9, "CLOSED": 1}, 30, Session.REGULAR),
        ({"REGULAR": 1, "CLOSED": 9}, 30_000, Session.CLOSED),
        ({"POST": 5}, 30_000, Session.CLOSED),
        ({"PREPRE": 5}, 30_000, Session.CLOSED),
        ({"REGULAR": 5}, 3000, Session.REGULAR),  # silent, and for silence to be said it must count as open
        ({"REGULAR": 5}, 7200, Session.CLOSED),  # a holiday nobody told the flag of
        ({"CLOSED": 5}, 30, Session.EXTENDED),  # the last prints of the day
        ({None: 5}, 30, Session.REGULAR),
    ],
)
def test_the_majority_decides_and_the_age_of_the_last_trade_corrects(
    states: dict[str | None, int], age: float, expected: Session
) -> None:
    assert session(states, age=age) is expected


def test_trades_that_still_move_keep_an_exchange_open_against_its_flag() -> None:
    assert session({"CLOSED": 5}, age=90_000, moved=True) is Session.EXTENDED


@pytest.mark.parametrize("state", ["PRE", "POST"])
def test_pre_and_post_market_are_polled_by_setting_only(state: str) -> None:
    assert session({state: 5}, age=30_000) is Session.CLOSED
    assert session({state: 5}, age=30_000, extended=True) is Session.EXTENDED


def test_symbols_of_an_exchange_not_seen_yet_are_due() -> None:
    assert Sessions().due(["A", "B"], 0.0, NOW) == ["A", "B"]


def test_a_closed_exchange_is_watched_by_its_busiest_symbol_once_a_minute() -> None:
    sessions = Sessions()
    for symbol, volume in (("A", 1), ("B", 900), ("C", 5)):
        sessions.observe(seen(symbol, "CLOSED", age=30_000, volume=volume), 0.0)

    due = {seconds: sessions.due(["A", "B", "C"], seconds, NOW + seconds) for seconds in (30.0, 60.0, 90.0, 120.0)}

    assert due == {30.0: [], 60.0: ["B"], 90.0: [], 120.0: ["B"]}


def test_the_sentinel_opens_its_exchange_and_no_other() -> None:
    sessions = Sessions()
    for symbol, exchange in (("A", "NMS"), ("B", "NMS"), ("X.L", "LSE"), ("Y.L", "LSE")):
        sessions.observe(seen(symbol, "CLOSED", age=30_000, exchange=exchange, volume=len(symbol)), 0.0)
    symbols = ["A", "B", "X.L", "Y.L"]
    assert sessions.due(symbols, 60.0, NOW + 60) == ["B", "Y.L"]

    sessions.observe(seen("B", "REGULAR", age=-55), 60.0)

    assert sessions.due(symbols, 90.0, NOW + 90) == ["A", "B"]


def test_an_hour_in_which_yahoo_could_not_be_asked_is_no_holiday() -> None:
    sessions = Sessions()
    sessions.observe(seen("A", "REGULAR", age=10), 0.0)
    sessions.observe(seen("A", "REGULAR", age=-20), 30.0)

    assert sessions.due(["A"], 7200.0, NOW + 7200) == ["A"]


def test_a_symbol_that_moves_to_another_exchange_is_counted_there_only() -> None:
    sessions = Sessions()
    sessions.observe(seen("A", "REGULAR", exchange="NYQ"), 0.0)
    sessions.observe(seen("A", "REGULAR", exchange="NMS"), 30.0)

    assert sessions.exchange_of("A") == "NMS"


def test_symbols_that_left_are_forgotten() -> None:
    sessions = Sessions()
    sessions.observe(seen("A", "CLOSED", age=30_000), 0.0)
    sessions.keep_only([])

    assert sessions.sessions(1.0, NOW) == {}
    assert sessions.due(["A"], 30.0, NOW) == ["A"]
