"""Reads one shard at Kinesis's pace into its state, through expired iterators, throttles and servers that are away."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from stockstream.eventsource.context import WorkerContext
from stockstream.eventsource.errors import IteratorExpiredError, PositionInvalidError, StreamUnavailableError
from stockstream.eventsource.reader import IteratorStart, ReadResult
from stockstream.eventsource.records import StreamOrigin, to_stream_record
from stockstream.eventsource.shard import ShardState
from stockstream.eventsource.stats import ShardStats

_log = structlog.get_logger(__name__)

# An empty shard is asked less often only after this many empty answers in a row.
_EMPTY_READS_BEFORE_IDLE: Final = 25


@dataclass(frozen=True, slots=True)
class Tip:
    """A read that came to the end of the shard as it then was: which read of the runner, and up to where."""

    read_number: int
    sequence_number: str | None


class ShardFeed:
    """Reads a shard from `start` on while there is room.

    Args:
        context: What the runner's shards share.
        origin: Stream and shard.
        start: Where to begin.
        state: Takes the records.
        stats: Counts them.
        on_read: Called after each read that worked.

    Attributes:
        has_ended: The shard is closed and read to its end.
        tip: The last read that came to the tip.
        room: Cleared by the owner while no more records can be taken.
    """

    def __init__(
        self,
        context: WorkerContext,
        origin: StreamOrigin,
        start: IteratorStart,
        *,
        state: ShardState,
        stats: ShardStats,
        on_read: Callable[[], None],
    ) -> None:
        self._context = context
        self._origin = origin
        self._start = start
        self._state = state
        self._stats = stats
        self._on_read = on_read
        self.has_ended = False
        self.tip: Tip | None = None
        self.room = asyncio.Event()
        self.room.set()
        self._log = _log.bind(stream=context.config.stream_name, shard=origin.shard_id)

    async def run(self) -> None:
        """Read until the shard's end. Never returns where the shard stays open; cancel it.

        Raises:
            StreamRecreatedError: the stream under this name is another one now.
            AwsSetupError: access is denied.
        """
        iterator: str | None = None
        errors = empty_reads = 0
        while not self.has_ended:
            await self.room.wait()
            started = self._context.clock.monotonic()
            number = self._context.next_read_number()
            try:
                if iterator is None:
                    iterator = await self._open_iterator()
                result = await self._context.reader.read(iterator)
            except IteratorExpiredError as exc:
                self._log.info("iterator_expired", error=str(exc), after=self._state.last_read)
                iterator = None
                errors += 1
                if errors > 1:
                    await self._context.pause(errors)
                continue
            except StreamUnavailableError as exc:
                # A server that was away may be another one now: take nothing for granted, not even the stream.
                iterator = None
                errors += 1
                self._stats.read_errors += 1
                self._stats.last_error = str(exc)
                self._log.warning("read_failed", error=str(exc), tries=errors)
                await self._context.pause(errors)
                continue
            errors = 0
            iterator = result.next_iterator
            empty_reads = 0 if result.records else empty_reads + 1
            self._take_in(result, number)
            await self._context.clock.sleep(self._until_next_read_seconds(started, empty_reads))

    def _take_in(self, result: ReadResult, number: int) -> None:
        if result.records:
            records = [to_stream_record(raw, self._origin) for raw in result.records]
            self._state.offer(records, self._context.clock.monotonic())
            self._stats.records_read += len(records)
        self._stats.millis_behind_latest = result.millis_behind_latest
        if result.is_at_tip:
            self.tip = Tip(number, self._state.last_read)
        if result.next_iterator is None:
            self.has_ended = True
            self._state.end()
            self._log.info("shard_ended", after=self._state.last_read)
        self._on_read()

    async def _open_iterator(self) -> str:
        await self._context.check_identity()
        start = self._start
        if self._state.last_read is not None:
            start = IteratorStart("AFTER_SEQUENCE_NUMBER", self._state.last_read)
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
