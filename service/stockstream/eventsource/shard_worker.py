"""One shard at work: a task that reads it, and tasks that do what the shard's state says is due."""

import asyncio
from typing import assert_never

import structlog

from stockstream.eventsource.context import WorkerContext
from stockstream.eventsource.errors import DestinationUnavailableError, InvokerUnavailableError
from stockstream.eventsource.failure_record import failure_record
from stockstream.eventsource.lane import Action, Discard, Invoke
from stockstream.eventsource.reader import IteratorStart
from stockstream.eventsource.records import StreamOrigin, event_payload
from stockstream.eventsource.response import Failed, NotInvoked, Outcome, Succeeded, outcome_of
from stockstream.eventsource.shard import ShardState
from stockstream.eventsource.shard_feed import ShardFeed
from stockstream.eventsource.stats import ShardStats

_log = structlog.get_logger(__name__)


class ShardWorker:
    """Reads and processes one shard until it ends or the runner stops."""

    def __init__(self, context: WorkerContext, origin: StreamOrigin, start: IteratorStart, stats: ShardStats) -> None:
        self._context = context
        self._origin = origin
        self.state = ShardState(context.config, context.random)
        self.stats = stats
        self._wake = asyncio.Event()
        self.feed = ShardFeed(context, origin, start, state=self.state, stats=stats, on_read=self._on_read)
        self._is_stopping = False
        self._running = 0
        self._log = _log.bind(stream=context.config.stream_name, shard=origin.shard_id)

    @property
    def shard_id(self) -> str:
        return self._origin.shard_id

    @property
    def is_done(self) -> bool:
        """The shard was read to its end and everything in it is resolved."""
        return self.feed.has_ended and self.state.is_idle

    @property
    def is_idle(self) -> bool:
        """Everything read is resolved, and the last read came to the tip."""
        at_tip = self.feed.tip is not None and self.stats.millis_behind_latest == 0
        return self.state.is_idle and (at_tip or self.feed.has_ended)

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
            reading = tasks.create_task(self.feed.run())
            await self._dispatch(tasks)
            reading.cancel()

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
            # At once: who is woken by another shard must not find this one's state resolved and its figures old.
            self._publish()
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
        self._log.error(
            "batch_discarded", has_destination=self._context.destination is not None, record=record.metadata
        )
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
                await self._context.pause(tries)
        self.stats.records_discarded += self.state.discarded(action.lane)

    def _on_read(self) -> None:
        # At once, and not when the dispatcher comes to it: the next read must know that there is no room.
        self._publish()
        self._wake.set()

    def _publish(self) -> None:
        if self.state.has_room:
            self.feed.room.set()
        else:
            self.feed.room.clear()
        self.stats.buffered_records = self.state.buffered_records
        self.stats.in_flight = self.state.in_flight
        self.stats.checkpoint = self.state.checkpoint or self.stats.checkpoint
        self._context.changed()
