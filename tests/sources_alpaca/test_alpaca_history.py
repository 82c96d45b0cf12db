"""Minutes of sessions from the stand-in's bars: pages, regular hours, half days, and what cannot be had."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stockstream.backfill.history import quotes_of
from stockstream.errors import SourceError, SourceUnavailableError
from stockstream.sources.alpaca import AlpacaHistory
from stockstream.sources.yahoo.hours import Hours, TradingHours
from stockstream_wire import session_facts
from tests.alpaca_standin import AlpacaStandin, Fault, price_at
from tests.sources_alpaca.alpaca_listening import ACCESS, NOON, no_calendars
from tests.virtual_clock import VirtualClock

START, END = datetime(2026, 11, 25, 16, 10, tzinfo=UTC), datetime(2026, 11, 25, 16, 40, tzinfo=UTC)


@pytest.fixture
async def standin() -> AsyncIterator[AlpacaStandin]:
    async with AlpacaStandin(("AAPL",), now=NOON.timestamp) as standin:
        yield standin


def history_of(standin: AlpacaStandin, now: datetime = NOON, hours: TradingHours | None = None) -> AlpacaHistory:
    clock = VirtualClock(now).clock
    return AlpacaHistory(ACCESS, url=standin.url, clock=clock, hours=hours or TradingHours(no_calendars))


async def test_pages_are_followed_to_their_end_and_only_finished_minutes_of_regular_hours_are_taken(
    standin: AlpacaStandin,
) -> None:
    history = history_of(standin, NOON + timedelta(seconds=30))
    found = await history.history("AAPL", START, END)
    await history.aclose()

    times = [datetime.fromtimestamp(bar.start_ms / 1000, UTC) for bar in found.bars]
    assert times[-1] == NOON - timedelta(minutes=1)
    assert {bar.session for bar in found.bars} == {"2026-11-24", "2026-11-25"}
    today = [time for time in times if time.day == 25]
    assert (today[0], len(today)) == (datetime(2026, 11, 25, 14, 30, tzinfo=UTC), 150)
    assert len([asked for asked in standin.bars_asked if "page_token" in asked]) >= 2
    assert {asked["feed"] for asked in standin.bars_asked} == {"iex"}
    assert found.running_session == "2026-11-25"


async def test_quotes_of_it_lie_in_the_range_are_marked_and_have_the_close_before(standin: AlpacaStandin) -> None:
    history = history_of(standin)
    quotes, rejected = quotes_of(await history.history("AAPL", START, END), START, END)
    await history.aclose()

    assert not rejected
    assert len({quote.timestamp[:16] for quote in quotes}) == 30
    assert {(quote.source, session_facts(quote)) for quote in quotes} == {
        ("backfill", ("2026-11-25", "session", True, False))
    }
    assert {float(quote.previous_close) for quote in quotes} == {price_at(datetime(2026, 11, 24, 5, tzinfo=UTC))}


async def test_a_half_day_ends_where_its_calendar_says(standin: AlpacaStandin) -> None:
    async def until_noon(*_: Any) -> Mapping[str, Hours]:
        span = tuple(int(datetime(2026, 11, 25, *at, tzinfo=UTC).timestamp()) for at in ((14, 30), (16, 30)))
        return {"XNYS": Hours([(span[0], span[1])], span[0] - 86_400, span[1] + 86_400)}

    history = history_of(standin, hours=TradingHours(until_noon))
    found = await history.history("AAPL", START, END)
    await history.aclose()

    assert datetime.fromtimestamp(found.bars[-1].start_ms / 1000, UTC) == datetime(2026, 11, 25, 16, 29, tzinfo=UTC)


async def test_what_cannot_be_had_says_whether_another_time_may_be_better(standin: AlpacaStandin) -> None:
    history = history_of(standin)
    with pytest.raises(SourceError, match=r"\^VIX: Alpaca has no such symbol"):
        await history.history("^VIX", START, END)
    standin.faults = {Fault.REST_403_FEED}
    with pytest.raises(SourceError, match=r"AAPL: Alpaca has no such history.*no feed iex"):
        await history.history("AAPL", START, END)
    standin.faults = {Fault.REST_500}
    asked = len(standin.bars_asked)
    with pytest.raises(SourceUnavailableError, match="500"):
        await history.history("AAPL", START, END)
    assert len(standin.bars_asked) - asked == 4, "a few times, and then no more"
    await history.aclose()
