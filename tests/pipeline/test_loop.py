"""The run loop: what is accepted is sent, what is refused is told, and a stop finishes the batch that was begun."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from stockstream.errors import SourceError
from stockstream.gate import Gate
from stockstream.outbox import OutboxFullError
from stockstream.pipeline.loop import PipelineCounters, QuotePipeline
from stockstream.sender import RejectedRecord
from stockstream.sources.base import Rejection, SourceBatch
from stockstream_wire import Quote, decode_quote


def quote(symbol: str, second: int) -> Quote:
    price = Decimal("10.50")
    return Quote(
        symbol=symbol,
        timestamp=f"2026-11-20T15:00:{second:02d}.000Z",
        open=price,
        high=price,
        low=price,
        price=price,
        previous_close=price,
        volume=1,
    )


@dataclass
class ScriptedSource:
    script: Sequence[SourceBatch | Exception]
    label: str = "scripted"
    is_market_data: bool = False
    failure: str | None = None
    then_wait: bool = False
    closed: int = 0

    async def batches(self) -> AsyncIterator[SourceBatch]:
        for step in self.script:
            if isinstance(step, Exception):
                raise step
            yield step
        if self.then_wait:
            await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.closed += 1


@dataclass
class MemorySender:
    records: list[tuple[str, bytes]] = field(default_factory=list)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event | None = None
    refuses: str | None = None

    full: bool = False
    gave_up: asyncio.Event = field(default_factory=asyncio.Event)

    def give_up_waiting(self) -> None:
        self.gave_up.set()

    async def send(self, records: Sequence[tuple[str, bytes]]) -> list[RejectedRecord]:
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.full:
            await self.gave_up.wait()
            raise OutboxFullError("no room")
        self.records.extend(record for record in records if record[0] != self.refuses)
        return [RejectedRecord(key, len(data), "too_large") for key, data in records if key == self.refuses]


@dataclass
class Recorder:
    accepted: list[Quote] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)

    def on_accepted(self, quotes: Sequence[Quote]) -> None:
        self.accepted.extend(quotes)

    def on_rejected(self, rejections: Sequence[Rejection]) -> None:
        self.rejected.extend(rejections)


async def test_accepted_quotes_reach_the_sender_in_order_and_are_counted() -> None:
    quotes = [quote("AAPL", 1), quote("MSFT", 1), quote("AAPL", 2)]
    source = ScriptedSource([SourceBatch(quotes[:2]), SourceBatch(quotes[2:])])
    sender, recorder = MemorySender(), Recorder()
    pipeline = QuotePipeline(source, Gate(), sender, [recorder])

    await pipeline.run(asyncio.Event())

    assert [decode_quote(data) for _, data in sender.records] == quotes
    assert [key for key, _ in sender.records] == ["AAPL", "MSFT", "AAPL"]
    assert recorder.accepted == quotes
    assert (pipeline.counters.polled, pipeline.counters.accepted, pipeline.counters.batches) == (3, 3, 2)
    assert source.closed == 1


async def test_unchanged_and_rejected_quotes_are_counted_and_not_sent() -> None:
    broken = Rejection("file:7", "broken_line", "x")
    source = ScriptedSource(
        [SourceBatch([quote("AAPL", 5)], [broken], failures=2), SourceBatch([quote("AAPL", 5), quote("AAPL", 4)])]
    )
    sender, recorder = MemorySender(), Recorder()
    pipeline = QuotePipeline(source, Gate(), sender, [recorder])

    await pipeline.run(asyncio.Event())

    counters = pipeline.counters
    assert (counters.accepted, counters.unchanged, counters.rejected, counters.source_failures) == (1, 1, 2, 2)
    assert len(sender.records) == 1
    assert [rejection.reason for rejection in recorder.rejected] == ["broken_line", "time_backwards"]


async def test_a_stop_while_the_source_waits_ends_the_run_and_closes_the_source() -> None:
    source = ScriptedSource([SourceBatch([quote("AAPL", 1)])], then_wait=True)
    sender, stop = MemorySender(), asyncio.Event()
    running = asyncio.create_task(QuotePipeline(source, Gate(), sender).run(stop))

    await sender.entered.wait()
    stop.set()
    await running

    assert len(sender.records) == 1
    assert source.closed == 1


async def test_a_stop_while_a_batch_is_sent_lets_the_batch_finish() -> None:
    source = ScriptedSource([SourceBatch([quote("AAPL", 1)])], then_wait=True)
    sender, stop = MemorySender(gate=asyncio.Event()), asyncio.Event()
    pipeline = QuotePipeline(source, Gate(), sender)
    running = asyncio.create_task(pipeline.run(stop))

    await sender.entered.wait()
    stop.set()
    assert sender.gate is not None
    sender.gate.set()
    await running

    assert len(sender.records) == 1
    assert pipeline.counters.accepted == 1


async def test_a_source_that_can_never_deliver_ends_the_run_with_its_error_and_is_closed() -> None:
    source = ScriptedSource([SourceError("all symbols are unknown")])

    with pytest.raises(SourceError, match="all symbols are unknown"):
        await QuotePipeline(source, Gate(), MemorySender()).run(asyncio.Event())

    assert source.closed == 1


async def test_a_quote_that_the_sender_refuses_is_rejected_by_name_and_not_counted_as_accepted() -> None:
    source = ScriptedSource([SourceBatch([quote("AAPL", 1), quote("HUGE", 1), quote("AAPL", 2)])])
    recorder = Recorder()
    pipeline = QuotePipeline(source, Gate(), MemorySender(refuses="HUGE"), [recorder])

    await pipeline.run(asyncio.Event())

    assert [item.symbol for item in recorder.accepted] == ["AAPL", "AAPL"]
    assert [(item.subject, item.reason) for item in recorder.rejected] == [("HUGE", "too_large")]
    assert (pipeline.counters.accepted, pipeline.counters.rejected) == (2, 1)


async def test_a_stop_gives_up_the_batch_that_there_is_no_room_for_and_nothing_of_it_counts() -> None:
    sender, recorder, stop = MemorySender(full=True), Recorder(), asyncio.Event()
    source = ScriptedSource([SourceBatch([quote("AAPL", 1)]), SourceBatch([quote("AAPL", 2)])], then_wait=True)
    pipeline = QuotePipeline(source, Gate(), sender, [recorder])
    running = asyncio.create_task(pipeline.run(stop))
    await sender.entered.wait()
    stop.set()
    with capture_logs() as logs:
        await running
    assert [(entry["event"], entry["quotes"]) for entry in logs] == [("batch_given_up", 1)]
    assert (sender.records, recorder.accepted, pipeline.counters.accepted, source.closed) == ([], [], 0, 1)


def test_a_source_fails_from_its_first_silent_failure_until_it_answers_again() -> None:
    counters = PipelineCounters()
    away = SourceBatch([], failures=1, failure="Yahoo: unreachable")

    counters.note_answer(SourceBatch([quote("AAPL", 0)]), 10.0)
    assert (counters.failing_since, counters.answered_at) == (None, 10.0)
    counters.note_answer(away, 20.0)
    counters.note_answer(away, 30.0)
    assert (counters.failing_since, counters.failure, counters.source_failures) == (20.0, "Yahoo: unreachable", 2)
    counters.note_answer(SourceBatch([]), 40.0)  # a closed market answers too
    assert (counters.failing_since, counters.failure, counters.answered_at) == (None, "", 40.0)


def test_a_batch_with_quotes_is_an_answer_whatever_else_failed() -> None:
    counters = PipelineCounters()
    counters.note_answer(SourceBatch([quote("AAPL", 0)], failures=1, failure="one call of many"), 10.0)

    assert counters.failing_since is None
    assert counters.source_failures == 1
