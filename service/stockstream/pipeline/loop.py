"""The run loop: source → gate → sender, until the source ends or a stop is asked for."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from stockstream.outbox import OutboxFullError
from stockstream.pipeline.ports import Gate, PipelineObserver, QuoteSender, RefusedRecord
from stockstream.pipeline.refusals import Refusals
from stockstream.sources.base import Rejection, Source, SourceBatch
from stockstream_wire import Quote, encode_quote

# A feed that breaks every symbol must not flood the log: each batch names this many, and counts the rest.
REJECTIONS_LOGGED_PER_BATCH: Final = 20

log = structlog.get_logger("stockstream.pipeline")


@dataclass(slots=True)
class PipelineCounters:
    """What the run loop has seen since the start; quotes unless the name says otherwise.

    `failing_since` (monotonic seconds) and `failure` say since when and why the source gives no answer; None and empty
    while it does. `answered_at` is its last answer.
    """

    polled: int = 0
    accepted: int = 0
    unchanged: int = 0
    rejected: int = 0
    late: int = 0
    source_failures: int = 0
    batches: int = 0
    answered_at: float | None = None
    failing_since: float | None = None
    failure: str = ""

    def note_answer(self, batch: SourceBatch, now_seconds: float) -> None:
        """Take in whether the source answered."""
        self.source_failures += batch.failures
        if batch.failures and not batch.quotes:
            if self.failing_since is None:
                self.failing_since = now_seconds
            self.failure = batch.failure or self.failure
        elif batch.is_answer:
            self.answered_at, self.failing_since, self.failure = now_seconds, None, ""


class QuotePipeline:
    """Moves quotes from a source to a sender.

    Args:
        source: Where quotes come from; it owns the pace.
        gate: Decides which are accepted.
        sender: Has them on disk when `send` returns.
        observers: Told of what was accepted and refused.
        monotonic: Seconds that never go backwards, for `last_batch_at`.
    """

    def __init__(
        self,
        source: Source,
        gate: Gate,
        sender: QuoteSender,
        observers: Sequence[PipelineObserver] = (),
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._gate = gate
        self._sender = sender
        self._observers = observers
        self._monotonic = monotonic
        self.counters = PipelineCounters()
        self.refusals = Refusals()
        self.last_batch_at: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Run until the source is through or `stop` is set.

        A batch that was begun is finished, unless the sender has no room for it when the stop comes: then nothing of it
        is accepted, and it is given up.

        Raises:
            SourceError: the source can never deliver.
        """
        batches = self._source.batches()
        stopping = asyncio.ensure_future(self._wait_for_room_no_more(stop))
        try:
            while (batch := await _next_unless_stopped(batches, stop)) is not None and await self._process(batch):
                pass
        finally:
            stopping.cancel()
            await self._source.aclose()

    async def _wait_for_room_no_more(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._sender.give_up_waiting()

    async def _process(self, batch: SourceBatch) -> bool:
        """Take a batch; False where there is no room for it and nobody is to wait any more."""
        counters = self.counters
        counters.batches += 1
        self.last_batch_at = self._monotonic()
        counters.polled += len(batch.quotes)
        counters.note_answer(batch, self.last_batch_at)
        result = self._gate.admit(batch.quotes)
        counters.unchanged += result.unchanged
        counters.late += result.late
        rejected = [*batch.rejected, *result.rejected]
        if result.accepted:
            records = [(quote.symbol, encode_quote(quote)) for quote in result.accepted]
            try:
                refused = await self._sender.send(records)
            except OutboxFullError as exc:
                log.warning("batch_given_up", quotes=len(records), reason=str(exc))
                return False
            accepted = _without(result.accepted, records, refused) if refused else result.accepted
            rejected += [Rejection(record.key, record.reason, f"{record.size_bytes} bytes") for record in refused]
            counters.accepted += len(accepted)
            self.refusals.accepted(accepted)
            for observer in self._observers:
                observer.on_accepted(accepted)
        if rejected:
            counters.rejected += len(rejected)
            self._log_rejections(rejected)
            for observer in self._observers:
                observer.on_rejected(rejected)
        return True

    def _log_rejections(self, rejections: Sequence[Rejection]) -> None:
        news, lasting = self.refusals.note(rejections, self._monotonic())
        for rejection in news[:REJECTIONS_LOGGED_PER_BATCH]:
            log.warning("quote_rejected", subject=rejection.subject, reason=rejection.reason, detail=rejection.detail)
        more = len(news) - REJECTIONS_LOGGED_PER_BATCH
        if more > 0:
            log.warning("quotes_rejected", more=more)
        for refusal in lasting:
            log.error(
                "symbol_refused_for_long",
                subject=refusal.rejection.subject,
                reason=refusal.rejection.reason,
                detail=refusal.rejection.detail,
                for_seconds=round(refusal.for_seconds),
                quotes=refusal.times,
                meaning="nothing of it is being recorded",
            )


async def _next_unless_stopped(batches: AsyncIterator[SourceBatch], stop: asyncio.Event) -> SourceBatch | None:
    """Wait for the next batch or the stop, whichever is first; None for the end of either kind."""
    if stop.is_set():
        return None
    upcoming = asyncio.ensure_future(anext(batches, None))
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({upcoming, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return upcoming.result() if upcoming.done() else None
    finally:
        for task in (upcoming, stopped):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _without(
    quotes: Sequence[Quote], records: Sequence[tuple[str, bytes]], refused: Sequence[RefusedRecord]
) -> list[Quote]:
    """Leave out the quotes whose records were refused; both sequences keep the order of the call."""
    left = iter(refused)
    upcoming = next(left, None)
    kept = []
    for quote, (key, data) in zip(quotes, records, strict=True):
        if upcoming is not None and (key, len(data)) == (upcoming.key, upcoming.size_bytes):
            upcoming = next(left, None)
        else:
            kept.append(quote)
    return kept
