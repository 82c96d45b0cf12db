"""Known hours: breaks, half days, holidays; and what is said where a whole exchange stands still."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from stockstream.sources.yahoo.book import Book
from stockstream.sources.yahoo.hours import Hours, TradingHours, read_in_child
from stockstream_wire import Quote
from tests.sources_yahoo.replies import equity


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


async def nothing(_names: Sequence[str], _first: date, _last: date) -> dict[str, Hours]:
    return {}


async def test_calendars_are_read_with_breaks_half_days_and_the_year_in_which_they_end() -> None:
    found = await read_in_child(["XTKS", "XSHG", "XNYS", "NONE"], date(2026, 12, 21), date(2027, 1, 8))
    assert found.keys() == {"XTKS", "XSHG", "XNYS"}
    hours = TradingHours(read=nothing)
    hours._hours.update(found)
    for exchange, moment, closed in (
        ("JPX", "2026-12-22T02:29", False), ("JPX", "2026-12-22T03:00", True), ("JPX", "2026-12-22T03:31", False),
        ("JPX", "2026-12-27T01:00", True),  # a Sunday
        ("NMS", "2026-12-24T17:00", False), ("NMS", "2026-12-24T19:00", True),  # a half day
        ("NMS", "2026-12-25T16:00", True),  # a holiday
        ("SHH", "2026-12-31T08:00", True), ("SHH", "2027-01-04T08:00", False),  # nobody knows next year's
        ("CSE", "2026-12-22T20:00", False),  # no calendar at all
    ):  # fmt: skip
        assert hours.is_closed(exchange, at(moment)) is closed, (exchange, moment)


@pytest.mark.parametrize(
    ("exchange", "moment", "closed"),
    [
        ("VSE", "2026-03-09T04:45", True), ("VSE", "2026-03-09T06:05", False), ("SET", "2026-03-09T05:45", True),
        ("KLS", "2026-03-09T05:00", True), ("PHS", "2026-03-09T04:30", True), ("SES", "2026-03-09T04:30", True),
        ("CME", "2026-03-09T21:30", True), ("CME", "2026-03-09T22:00", False), ("NYB", "2026-01-12T22:30", True),
    ],
)  # fmt: skip
def test_breaks_that_the_calendars_lack_are_in_a_table(exchange: str, moment: str, closed: bool) -> None:
    assert TradingHours(read=nothing).is_closed(exchange, at(moment)) is closed


class Market:
    """A book with symbols of one exchange that trade every 10 seconds until they are told not to."""

    def __init__(self, exchange: str, start: str, symbols: int = 5) -> None:
        self.book = Book(
            extended_hours=False, stale_after_seconds=300, max_price_ratio=Decimal(20), hours=TradingHours(read=nothing)
        )
        self.exchange = exchange
        self.names = [f"S{number}" for number in range(symbols)]
        self.epoch = at(start)
        self.seconds = 0.0
        self.traded = dict.fromkeys(self.names, 0.0)
        self.said: list[Quote] = []

    def run(self, seconds: float, *, silent: Sequence[str] = ()) -> list[Quote]:
        """Let time pass; what was said meanwhile."""
        before = len(self.said)
        for _ in range(int(seconds / 10)):
            self.seconds += 10
            now = self.epoch + self.seconds
            polled_at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
            for name in self.names:
                self.traded[name] = self.traded[name] if name in silent else now
            results = [
                equity(name, regularMarketTime=int(self.traded[name]), exchange=self.exchange,
                       exchangeDataDelayedBy=0, regularMarketVolume=index)
                for index, name in enumerate(self.names)
            ]  # fmt: skip
            self.book.take_results(results, polled_at=polled_at, now_seconds=self.seconds)
            self.said += self.book.stale_quotes(self.seconds, now, polled_at)
        return self.said[before:]


def test_an_exchange_that_falls_silent_as_a_whole_is_one_fact_and_its_resumption_none() -> None:
    market = Market("NMS", "2026-03-09T14:00")
    market.run(120)
    (fact,) = market.run(1800, silent=market.names)
    assert (fact.symbol, fact.stale, fact.silent_symbols) == ("S4", True, 5)
    assert market.run(1200) == []


def test_one_symbol_that_falls_silent_among_others_speaks_for_itself() -> None:
    market = Market("NMS", "2026-03-09T14:00")
    market.run(120)
    (fact,) = market.run(1800, silent=["S1"])
    assert (fact.symbol, fact.silent_symbols) == ("S1", None)


def test_a_known_lunch_break_is_no_silence_and_what_stays_silent_after_it_is() -> None:
    market = Market("JPX", "2026-03-09T02:20")  # the break is from 02:30 to 03:30
    market.run(600)
    assert market.run(3600, silent=market.names) == []
    market.run(60)
    assert [fact.symbol for fact in market.run(900, silent=["S2"])] == ["S2"]
