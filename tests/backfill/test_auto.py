"""Gaps fill themselves: when, how fast, how often, and what is left to a person."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from stockstream.aws import AwsConfig, open_client
from stockstream.backfill import FilledCandle, Gap, GapFiller, GapLog, gap_filler, noted_gaps, open_ways, read_filled
from stockstream.backfill.auto import SETTLED_SECONDS, WELL_SECONDS
from stockstream.backfill.filled import FILLED_FILE, key_of
from stockstream.backfill.ways import Ways
from stockstream.errors import AwsSetupError, OutboxError, SourceError, SourceUnavailableError
from stockstream.local.provision import table_request
from stockstream.settings import Settings, load_settings
from stockstream.settings._values import read_watchlist_file
from stockstream.source_kinds import SOURCE_KINDS, SourceKind
from stockstream.sources.coinbase.history import CoinbaseHistory
from stockstream.sources.history import MINUTE_MS, MinuteBar, SymbolHistory
from stockstream.sources.watchlist import current_symbols
from stockstream_wire import decode_quote, format_timestamp
from stockstream_wire.deaggregation import deaggregate, is_aggregated
from stockstream_wire.storage import TABLES
from tests.coinbase_standin import CoinbaseStandin
from tests.moto_server import moto_server
from tests.patience import PATIENCE_SECONDS
from tests.virtual_clock import VirtualClock

NOW = datetime(2026, 11, 25, 17, tzinfo=UTC)


def gap_before(now: datetime, minutes: float = 30, *, lasted: float = 10, source: str = "yahoo") -> Gap:
    end = now - timedelta(minutes=minutes)
    return Gap("source_away", format_timestamp(end - timedelta(minutes=lasted)), format_timestamp(end), source)


class History:
    """A minute bar a minute; or an error, for as long as it is set."""

    label = "a test"
    keeps_days = 30

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.error: Exception | None = None
        self.asked: list[tuple[str, datetime, datetime, float]] = []
        self.on_asked: Callable[[], None] = lambda: None
        self.is_closed = False

    async def history(self, symbol: str, start: datetime, end: datetime) -> SymbolHistory:
        self.asked.append((symbol, start, end, self._clock.seconds))
        self.on_asked()
        self._clock.advance(3)
        if self.error is not None:
            raise self.error
        first = int(start.timestamp() * 1000) // MINUTE_MS * MINUTE_MS
        one = Decimal(1)
        bars = [MinuteBar(first + n * MINUTE_MS, "2026-11-25", one, one, one, one, 1) for n in range(5)]
        return SymbolHistory(symbol, bars, {"2026-11-25": one}, first + 5 * MINUTE_MS)

    async def aclose(self) -> None:
        self.is_closed = True


class Store:
    def __init__(self) -> None:
        self.sent: list[str] = []
        self.error: Exception | None = None

    async def send(self, records: Sequence[tuple[str, bytes]]) -> object:
        self.sent += [f"{decode_quote(data).source} {decode_quote(data).quote_id}" for _, data in records]
        return ()

    async def drain(self, timeout_seconds: float) -> int:
        return 0

    async def fill(self, symbol: str, candles: Sequence[FilledCandle]) -> int:
        return len(candles)

    @asynccontextmanager
    async def ways(self) -> AsyncIterator[Ways]:
        if self.error is not None:
            raise self.error
        yield Ways(self, self)


class Bench:
    """A filler, its surroundings, and a clock that moves as it sleeps."""

    def __init__(self, folder: Path, symbols: tuple[str, ...] = ("AAPL", "MSFT"), now: datetime = NOW) -> None:
        self.folder = folder
        self.clock = VirtualClock(now)
        self.history = History(self.clock)
        self.store = Store()
        self.is_well = True
        self.filler = GapFiller(
            folder,
            source="yahoo",
            symbols=lambda: symbols,
            is_well=lambda: self.is_well,
            provider=lambda: self.history,
            ways=self.store.ways,
            clock=self.clock.clock,
        )

    async def run_for(self, seconds: float) -> None:
        """Of the virtual clock."""
        until = self.clock.seconds + seconds
        task = asyncio.create_task(self.filler.run())
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.clock.seconds < until and not task.done():  # noqa: ASYNC110 - a clock that moves by itself
                await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    @property
    def symbols_asked(self) -> list[str]:
        return [symbol for symbol, *_ in self.history.asked]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_noted_gap_is_filled_once_and_marked_and_never_again_not_after_a_restart_either(
    bench: Bench, tmp_path: Path
) -> None:
    gap = gap_before(NOW)
    GapLog(tmp_path).append(gap)

    with capture_logs() as logs:
        await bench.run_for(600)

    assert bench.symbols_asked == ["AAPL", "MSFT"]
    assert all(sent.startswith("backfill ") for sent in bench.store.sent)
    assert len(bench.store.sent) == len(set(bench.store.sent)) > 0
    assert read_filled(tmp_path).outcome(gap) == "filled"
    assert [entry["event"] for entry in logs] == ["gap_filling", "gap_filled"]
    assert (bench.filler.counters.gaps_filled, bench.filler.counters.quotes) == (1, len(bench.store.sent))
    assert bench.history.is_closed

    again = Bench(tmp_path, now=NOW + timedelta(minutes=10))
    await again.run_for(600)
    assert not again.history.asked
    assert again.filler.counters.gaps_waiting == 0


async def test_it_waits_until_the_source_has_been_well_for_a_while_and_the_gap_is_history(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    GapLog(tmp_path).append(gap_before(NOW, minutes=0))
    began = bench.clock.seconds
    bench.is_well = False
    await bench.run_for(1000)
    assert not bench.history.asked
    assert bench.filler.counters.gaps_waiting == 1

    bench.is_well = True
    well_at = bench.clock.seconds
    await bench.run_for(300)
    assert bench.history.asked[0][3] >= well_at + WELL_SECONDS
    assert bench.history.asked[0][3] >= began + SETTLED_SECONDS


async def test_it_rests_four_fifths_of_the_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tuple(f"S{number}" for number in range(6)))
    GapLog(tmp_path).append(gap_before(NOW))
    await bench.run_for(600)
    times = [at for *_, at in bench.history.asked]
    assert len(times) == 6
    assert all(later - earlier >= 3 + 12 for earlier, later in pairwise(times))


async def test_a_source_that_fails_meanwhile_is_left_in_peace_and_no_symbol_is_asked_for_twice(
    bench: Bench, tmp_path: Path
) -> None:
    GapLog(tmp_path).append(gap_before(NOW))
    bench.history.on_asked = lambda: setattr(bench, "is_well", False)
    await bench.run_for(600)
    assert bench.symbols_asked == ["AAPL"]

    bench.history.on_asked = lambda: None
    bench.is_well = True
    await bench.run_for(600)
    assert bench.symbols_asked == ["AAPL", "MSFT"]


async def test_a_restart_goes_on_with_the_symbols_that_are_left(bench: Bench, tmp_path: Path) -> None:
    GapLog(tmp_path).append(gap_before(NOW))
    bench.history.on_asked = lambda: setattr(bench, "is_well", False)
    await bench.run_for(300)

    again = Bench(tmp_path, now=NOW + timedelta(minutes=5))
    await again.run_for(300)

    assert (bench.symbols_asked, again.symbols_asked) == (["AAPL"], ["MSFT"])


async def test_a_gap_that_was_begun_is_finished_before_a_newer_one(bench: Bench, tmp_path: Path) -> None:
    older, newer = gap_before(NOW, minutes=60), gap_before(NOW, minutes=20)
    GapLog(tmp_path).append(older)
    bench.history.on_asked = lambda: setattr(bench, "is_well", False)
    await bench.run_for(200)
    GapLog(tmp_path).append(newer)
    bench.history.on_asked = lambda: None
    bench.is_well = True
    await bench.run_for(600)
    asked = [(symbol, format_timestamp(end)) for symbol, _, end, _ in bench.history.asked]
    assert asked == [("AAPL", older.end), ("MSFT", older.end), ("AAPL", newer.end), ("MSFT", newer.end)]


async def test_newer_gaps_come_first_and_those_of_others_or_of_long_ago_are_left(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ("AAPL",))
    for gap in (
        gap_before(NOW, minutes=10 * 1440),
        gap_before(NOW, minutes=300),
        gap_before(NOW, minutes=200, source="coinbase"),
        gap_before(NOW, minutes=100),
    ):
        GapLog(tmp_path).append(gap)
    await bench.run_for(900)
    assert [end for _, _, end, _ in bench.history.asked] == [NOW - timedelta(minutes=m) for m in (100, 300)]


async def test_a_history_that_stays_away_is_asked_a_few_times_and_left_to_a_person_with_the_command(
    bench: Bench, tmp_path: Path
) -> None:
    gap = gap_before(NOW)
    GapLog(tmp_path).append(gap)
    bench.history.error = SourceUnavailableError("Yahoo: rate limited")

    with capture_logs() as logs:
        await bench.run_for(6 * 3600)

    assert len(bench.history.asked) == 6
    times = [at for *_, at in bench.history.asked]
    assert times[1] - times[0] >= 300
    assert times[-1] - times[-2] >= 4800
    assert read_filled(tmp_path).outcome(gap) == "given up"
    assert logs[-1]["event"] == "gap_given_up"
    assert logs[-1]["command"] == f"stockstream backfill --from {gap.start} --to {gap.end}"


async def test_a_service_that_starts_again_and_again_asks_for_a_hopeless_gap_as_often_as_one_that_lives(
    tmp_path: Path,
) -> None:
    gap = gap_before(NOW)
    GapLog(tmp_path).append(gap)
    asked: list[datetime] = []
    now = NOW
    while now < NOW + timedelta(hours=6):
        bench = Bench(tmp_path, now=now)
        bench.history.error = SourceUnavailableError("Yahoo: rate limited")
        bench.history.on_asked = lambda now=now: asked.append(now)  # type: ignore[misc]
        await bench.run_for(200)
        now += timedelta(seconds=210)

    assert len(asked) == 6
    assert all(later - earlier >= timedelta(minutes=5) for earlier, later in pairwise(asked))
    assert asked[-1] - asked[-2] >= timedelta(minutes=78)
    assert read_filled(tmp_path).outcome(gap) == "given up"


async def test_a_gap_whose_filling_kills_the_service_is_given_up_too_and_one_that_comes_further_is_not(
    tmp_path: Path,
) -> None:
    gap = gap_before(NOW)
    GapLog(tmp_path).append(gap)

    async def lives(now: datetime, symbols_through: int) -> int:
        """A life that ends by a kill in a request of the filler; returns how many it made."""
        bench = Bench(tmp_path, tuple(f"S{number}" for number in range(40)), now)

        def kill() -> None:
            if len(bench.history.asked) > symbols_through:
                bench.history.error = asyncio.CancelledError()  # type: ignore[assignment]

        bench.history.on_asked = kill
        await bench.run_for(300)
        return len(bench.history.asked)

    for life in range(8):  # a symbol further each time
        assert await lives(NOW + life * timedelta(hours=2), 1) == 2
    assert [await lives(NOW + timedelta(hours=16 + 2 * life), 0) for life in range(7)] == [1, 1, 1, 1, 1, 0, 0]
    assert read_filled(tmp_path).outcome(gap) == "given up"


async def test_a_try_that_a_wrong_clock_put_off_for_years_is_made_all_the_same(bench: Bench, tmp_path: Path) -> None:
    gap = gap_before(NOW)
    GapLog(tmp_path).append(gap)
    note = {"v": 1, "over": {}, "current": "", "done": [], "tries": {key_of(gap): [2, "2036-01-01T00:00:00.000Z"]}}
    (tmp_path / FILLED_FILE).write_text(json.dumps(note))
    await bench.run_for(300)
    assert read_filled(tmp_path).outcome(gap) == "filled"


async def test_what_workers_noted_that_are_gone_is_filled_by_whoever_lives_and_once(tmp_path: Path) -> None:
    of_alone, of_gone = gap_before(NOW, minutes=300), gap_before(NOW, minutes=100)
    GapLog(tmp_path).append(of_alone)
    GapLog(tmp_path / "workers" / "7").append(of_gone)
    (tmp_path / "workers" / "0").mkdir()
    ada, bob = Bench(tmp_path), Bench(tmp_path)

    await asyncio.gather(ada.run_for(900), bob.run_for(900))

    asked = [(symbol, format_timestamp(end)) for symbol, _, end, _ in ada.history.asked + bob.history.asked]
    assert sorted(asked) == sorted((symbol, gap.end) for gap in (of_alone, of_gone) for symbol in ("AAPL", "MSFT"))
    assert {noted.outcome for noted in noted_gaps(tmp_path)} == {"filled"}
    assert read_filled(tmp_path / "workers" / "7").outcome(of_gone) == "filled"


async def test_one_silence_that_three_workers_saw_is_filled_once_and_what_only_one_saw_too(tmp_path: Path) -> None:
    ends = (30.0, 30.2, 29.9)
    for number, minutes in enumerate(ends):
        GapLog(tmp_path / "workers" / str(number)).append(gap_before(NOW, minutes=minutes, lasted=10 + number / 10))
    longer = gap_before(NOW, minutes=35, lasted=60)  # of which they saw a sixth
    GapLog(tmp_path / "workers" / "3").append(longer)
    bench = Bench(tmp_path, ("AAPL",))

    await bench.run_for(900)

    assert [format_timestamp(end) for _, _, end, _ in bench.history.asked] == [
        gap_before(NOW, minutes=min(ends)).end,
        longer.end,
    ]
    assert {noted.outcome for noted in noted_gaps(tmp_path)} == {"filled"}


async def test_a_symbol_without_history_keeps_no_other_from_theirs(bench: Bench, tmp_path: Path) -> None:
    GapLog(tmp_path).append(gap_before(NOW))
    bench.history.error = SourceError("no such history")
    with capture_logs() as logs:
        await bench.run_for(300)
    assert bench.symbols_asked == ["AAPL", "MSFT"]
    assert logs[-1]["symbols_failed"] == 2


async def test_while_the_command_holds_the_outbox_it_waits(bench: Bench, tmp_path: Path) -> None:
    GapLog(tmp_path).append(gap_before(NOW))
    bench.store.error = OutboxError("in use by process 7")
    await bench.run_for(200)
    bench.store.error = None
    assert not bench.history.asked
    await bench.run_for(600)
    assert bench.symbols_asked == ["AAPL", "MSFT"]


async def test_a_right_that_is_missing_ends_it_with_the_remedy_and_the_gap_stays(bench: Bench, tmp_path: Path) -> None:
    gap = gap_before(NOW)
    GapLog(tmp_path).append(gap)
    bench.store.error = AwsSetupError("table candles: AccessDenied")
    with capture_logs() as logs:
        await bench.run_for(600)
    (said,) = [entry for entry in logs if entry["event"] == "backfill_stopped"]
    assert "AccessDenied" in said["reason"]
    assert "STOCKSTREAM_BACKFILL=off" in said["remedy"]
    assert not read_filled(tmp_path).outcome(gap)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"over": 1}',
        '{"over": {}, "current": "x", "done": 3}',
        "\x00",
        '{"over": {}, "current": "x", "done": ["y"], "tries": 3}',
        '{"over": {}, "current": "x", "done": ["y"], "tries": {"k": [1]}}',
    ],
)
def test_a_damaged_note_of_what_is_filled_knows_of_nothing(content: str, tmp_path: Path) -> None:
    (tmp_path / FILLED_FILE).write_text(content)
    filled = read_filled(tmp_path)
    assert (filled.over, filled.current, filled.done) == ({}, "", set())


async def test_the_note_of_what_is_filled_forgets_what_is_older_than_any_gap_it_fills(
    bench: Bench, tmp_path: Path
) -> None:
    old, gap = gap_before(NOW, minutes=30 * 1440), gap_before(NOW)
    note = {"v": 1, "over": {key_of(old): "filled"}, "current": "", "done": []}
    (tmp_path / FILLED_FILE).write_text(json.dumps(note))
    GapLog(tmp_path).append(gap)
    await bench.run_for(300)
    assert list(read_filled(tmp_path).over) == [key_of(gap)]


@pytest.mark.parametrize("kind", SOURCE_KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize(("mode", "outbox"), [("auto", "disk"), ("off", "disk"), ("auto", "memory")])
def test_gaps_of_live_sources_are_filled_where_they_are_noted_and_somebody_wants_it(
    tmp_path: Path, kind: SourceKind, mode: str, outbox: str
) -> None:
    settings = load_settings({"backfill": mode, "outbox": outbox, "outbox_dir": tmp_path / "outbox"})
    aws = AwsConfig("us-east-1", None, "test", "test")
    filler = gap_filler(
        settings, aws, state=tmp_path, source=kind.name, is_well=lambda: True, clock=VirtualClock().clock
    )
    assert (filler is not None) == (kind.is_live and mode == "auto" and outbox == "disk")


def test_the_watchlist_is_taken_as_its_file_has_it_now(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("AAPL")
    watchlist = read_watchlist_file(file)
    file.write_text("MSFT")
    assert current_symbols(watchlist) == ("MSFT",)
    file.unlink()
    assert current_symbols(watchlist) == ("AAPL",)


async def test_it_goes_the_way_of_the_command_through_stream_and_table(tmp_path: Path) -> None:
    gap = gap_before(NOW, minutes=5, lasted=6, source="coinbase")
    GapLog(tmp_path).append(gap)
    with moto_server() as url:
        aws = AwsConfig("us-east-1", url, "test", "test")
        settings = load_settings({"outbox_dir": tmp_path / "outbox", "source": "coinbase", "symbols": "BTC-USD"})
        async with (
            open_client(aws, "kinesis") as kinesis,
            open_client(aws, "dynamodb") as dynamodb,
            CoinbaseStandin(("BTC-USD",), now=NOW.timestamp) as standin,
        ):
            await kinesis.create_stream(StreamName=settings.stream, ShardCount=1)
            await dynamodb.create_table(**table_request("candles", TABLES["candles"], None))
            filler = coinbase_filler(tmp_path, settings, aws, standin)
            task = asyncio.create_task(filler.run())
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not filler.counters.gaps_filled:  # noqa: ASYNC110 - another task's counter
                    await asyncio.sleep(0.02)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            quotes = [decode_quote(data) async for data in records(kinesis, settings.stream)]
            candles = (await dynamodb.scan(TableName="candles"))["Items"]

    assert {(quote.symbol, quote.source) for quote in quotes} == {("BTC-USD", "backfill")}
    assert all(gap.start <= quote.timestamp < gap.end for quote in quotes)
    assert len(quotes) == filler.counters.quotes > 0
    assert {item["source"]["S"] for item in candles} == {"backfill"}
    assert not list((tmp_path / "outbox").glob("*")), "the service's own outbox is not touched"


def coinbase_filler(folder: Path, settings: Settings, aws: AwsConfig, standin: CoinbaseStandin) -> GapFiller:
    clock = VirtualClock(NOW).clock
    return GapFiller(
        folder,
        source="coinbase",
        symbols=lambda: settings.symbols.symbols,
        is_well=lambda: True,
        provider=lambda: CoinbaseHistory(url=standin.rest_url, clock=clock),
        ways=open_ways(settings, aws),
        clock=clock,
    )


async def records(kinesis: Any, stream: str) -> AsyncIterator[bytes]:
    (shard,) = (await kinesis.list_shards(StreamName=stream))["Shards"]
    start = await kinesis.get_shard_iterator(
        StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )
    for record in (await kinesis.get_records(ShardIterator=start["ShardIterator"]))["Records"]:
        data = record["Data"]
        for part in [user.data for user in deaggregate(data)] if is_aggregated(data) else [data]:
            yield part
