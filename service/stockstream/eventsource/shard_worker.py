"""One shard at work: a task that reads it at Kinesis's pace and a task that does what the shard's state says is due."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, assert_never

import structlog

from stockstream.clock import Clock
from stockstream.eventsource.config import EventSourceConfig
from stockstream.eventsource.destinations import FailureDestination
from stockstream.eventsource.errors import (
    DestinationUnavailableError,
    InvokerUnavailableError,
    IteratorExpiredError,
    PositionInvalidError,
    StreamUnavailableError,
)
from stockstream.eventsource.failure_record import failure_record
from stockstream.eventsource.invokers.base import Invoker
from stockstream.eventsource.lane import Action, Discard, Invoke
from stockstream.eventsource.reader import IteratorStart, KinesisReader, ReadResult
from stockstream.eventsource.records import StreamOrigin, event_payload, to_stream_record
from stockstream.eventsource.response import Failed, NotInvoked, Outcome, Succeeded, outcome_of
from stockstream.eventsource.shard import ShardState
from stockstream.eventsource.stats import ShardStats

_log = structlog.get_logger(__name__)

# After an error a read is tried again no sooner than this, and no later than that (full jitter between).
_READ_BACKOFF_BASE_SECONDS: Final = 0.2
_READ_BACKOFF_CAP_SECONDS: Final = 5.0
# An empty shard is asked less often only after this many empty answers in a row.
_EMPTY_READS_BEFORE_IDLE: Final = 25


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What all shard workers of a runner share."""

    config: EventSourceConfig
    reader: KinesisReader
    invoker: Invoker
    destination: FailureDestination | None
    clock: Clock
    random: Callable[[], float]
    make_request_id: Callable[[], str]
    next_read_number: Callable[[], int]
    check_identity: Callable[[], Awaitable[None]]
    changed: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Tip:
    """A read that came to the end of the shard as it then was: which read of the runner, and up to where."""

    read_number: int
    sequence_number: str | None


class ShardWorker:
    """Reads and processes one shard until it ends or the runner stops."""

    def __init__(self, context: WorkerContext, origin: StreamOrigin, start: IteratorStart, stats: ShardStats) -> None:
        self._context = context
        self._origin = origin
        self._start = start
        self.state = ShardState(context.config, context.random)
        self.stats = stats
        self.has_ended = False
        self.tip: Tip | None = None
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._is_stopping = False
        self._running = 0
        self._log = _log.bind(stream=context.config.stream_name, shard=origin.shard_id)

    @property
    def is_done(self) -> bool:
        """The shard was read to its end and everything in it is resolved."""
        return self.has_ended and self.state.is_idle

    @property
    def is_idle(self) -> bool:
        """Everything read is resolved, and the last read came to the tip."""
        at_tip = self.tip is not None and self.stats.millis_behind_latest == 0
        return self.state.is_idle and (at_tip or self.has_ended)

    def has_resolved(self, sequence_number: str | None) -> bool:
        """Whether everything up to a sequence number that was read is resolved."""
        if sequence_number is None or self.state.is_idle:
            return True
        checkpoint = self.state.checkpoint
        return checkpoint is not None and int(checkpoint) >= int(sequence_number)

    def stop(self) -> None:
        """Read no more and start nothing new; what is in flight finishes."""
        self._is_stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Work until the shard's end is resolved, or until `stop` and the end of what is in flight."""
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self._read_shard())
            await self._dispatch(tasks)
            reading.cancel()

    # --- processing -----------------------------------------------------------------------------------------------

    async def _dispatch(self, tasks: asyncio.TaskGroup) -> None:
        clock = self._context.clock
        while True:
            self._wake.clear()
            if self._is_stopping:
                if self._running == 0:
                    return
            elif self.is_done:
                return
            else:
                for action in self.state.due(clock.monotonic(), clock.now().timestamp()):
                    self._running += 1
                    tasks.create_task(self._do(action))
            self._publish()
            await self._wait_for_wake()

    async def _wait_for_wake(self) -> None:
        wake_at = None if self._is_stopping else self.state.wake_at_seconds()
        timeout = None if wake_at is None else max(wake_at - self._context.clock.monotonic(), 0)
        try:
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        except TimeoutError:
            pass  # the time that the state asked to be woken at

    async def _do(self, action: Action) -> None:
        try:
            match action:
                case Invoke():
                    await self._invoke(action)
                case Discard():
                    await self._discard(action)
                case _:
                    assert_never(action)
        finally:
            self._running -= 1
            self._wake.set()

    async def _invoke(self, action: Invoke) -> None:
        records = action.batch.records
        self.stats.invocations += 1
        outcome: Outcome
        try:
            result = await self._context.invoker.invoke(event_payload(records))
        except InvokerUnavailableError as exc:
            outcome = NotInvoked(str(exc))
        else:
            outcome = outcome_of(
                result, records, report_batch_item_failures=self._context.config.report_batch_item_failures
            )
        self._note(outcome, action)
        self.stats.records_succeeded += self.state.finish(action.lane, outcome, self._context.clock.monotonic())
        age_seconds = self._context.clock.now().timestamp() - records[-1].arrival_epoch_seconds
        self.stats.iterator_age_ms = max(int(age_seconds * 1000), 0)

    def _note(self, outcome: Outcome, action: Invoke) -> None:
        batch = action.batch
        if isinstance(outcome, Succeeded):
            return
        self.stats.invocation_failures += isinstance(outcome, Failed)
        self.stats.last_error = outcome.reason
        self._log.warning(
            "batch_failed" if isinstance(outcome, Failed) else "function_not_invoked",
            reason=outcome.reason,
            records=len(batch.records),
            start_sequence_number=batch.records[0].sequence_number,
            first_failed=outcome.first_failed if isinstance(outcome, Failed) else None,
            failures=batch.failures,
        )

    async def _discard(self, action: Discard) -> None:
        tries = 0
        record = failure_record(
            action,
            self._origin,
            function_arn=self._context.invoker.function_arn,
            request_id=self._context.make_request_id(),
            epoch_seconds=self._context.clock.now().timestamp(),
        )
        self._log.error("batch_discarded", has_destination=self._context.destination is not None, **record.metadata)
        while self._context.destination is not None:
            try:
                await self._context.destination.send(record)
                break
            except DestinationUnavailableError as exc:
                tries += 1
                self.stats.destination_failures += 1
                self.stats.last_error = str(exc)
                self._log.error("destination_unavailable", error=str(exc), tries=tries)
                if self._is_stopping:
                    return  # not resolved: the checkpoint stays before it, and the next start meets it again
                await self._pause(tries)
        self.stats.records_discarded += self.state.discarded(action.lane)

    # --- reading --------------------------------------------------------------------------------------------------

    async def _read_shard(self) -> None:
        iterator: str | None = None
        errors = empty_reads = 0
        while not self.has_ended:
            await self._room.wait()
            started = self._context.clock.monotonic()
            number = self._context.next_read_number()
            try:
                if iterator is None:
                    iterator = await self._open_iterator()
                result = await self._context.reader.read(iterator)
            except IteratorExpiredError as exc:
                self._log.info("iterator_expired", error=str(exc), after=self.state.last_read)
                iterator = None
                errors += 1
                if errors > 1:
                    await self._pause(errors)
                continue
            except StreamUnavailableError as exc:
                # A server that was away may be another one now: take nothing for granted, not even the stream.
                iterator = None
                errors += 1
                self.stats.read_errors += 1
                self.stats.last_error = str(exc)
                self._log.warning("read_failed", error=str(exc), tries=errors)
                await self._pause(errors)
                continue
            errors = 0
            iterator = result.next_iterator
            empty_reads = 0 if result.records else empty_reads + 1
            self._take_in(result, number)
            await self._context.clock.sleep(self._until_next_read_seconds(started, empty_reads))

    def _take_in(self, result: ReadResult, number: int) -> None:
        if result.records:
            records = [to_stream_record(raw, self._origin) for raw in result.records]
            self.state.offer(records, self._context.clock.monotonic())
            self._publish()
            self.stats.records_read += len(records)
        self.stats.millis_behind_latest = result.millis_behind_latest
        if result.is_at_tip:
            self.tip = Tip(number, self.state.last_read)
        if result.next_iterator is None:
            self.has_ended = True
            self.state.end()
            self._log.info("shard_ended", after=self.state.last_read)
        self._wake.set()

    async def _open_iterator(self) -> str:
        await self._context.check_identity()
        start = self._start
        if self.state.last_read is not None:
            start = IteratorStart("AFTER_SEQUENCE_NUMBER", self.state.last_read)
        try:
            return await self._context.reader.iterator(self._origin.shard_id, start)
        except PositionInvalidError as exc:
            self._log.warning(
                "checkpoint_invalid",
                error=str(exc),
                consequence="the shard does not know the checkpoint; it is read from its first record",
            )
            return await self._context.reader.iterator(self._origin.shard_id, IteratorStart("TRIM_HORIZON"))

    def _until_next_read_seconds(self, started: float, empty_reads: int) -> float:
        config = self._context.config
        interval = config.poll_interval_seconds
        if empty_reads > _EMPTY_READS_BEFORE_IDLE:
            interval = min(
                interval * 1.2 ** (empty_reads - _EMPTY_READS_BEFORE_IDLE), config.idle_poll_interval_seconds
            )
        return max(started + interval - self._context.clock.monotonic(), 0)

    async def _pause(self, tries: int) -> None:
        ceiling = min(_READ_BACKOFF_CAP_SECONDS, _READ_BACKOFF_BASE_SECONDS * 2 ** min(tries, 10))
        await self._context.clock.sleep(_READ_BACKOFF_BASE_SECONDS + self._context.random() * ceiling)

    def _publish(self) -> None:
        if self.state.has_room:
            self._room.set()
        else:
            self._room.clear()
        self.stats.buffered_records = self.state.buffered_records
        self.stats.in_flight = self.state.in_flight
        self.stats.checkpoint = self.state.checkpoint or self.stats.checkpoint
        self._context.changed()
