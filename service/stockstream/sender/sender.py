"""The sender's public face: accept records, keep them until Kinesis has them, say how it goes."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from random import Random
from types import TracebackType
from typing import Any, Self

import structlog

from stockstream.aws import AwsConfig, open_client, resolve_aws
from stockstream.errors import first_error
from stockstream.outbox import Record
from stockstream.sender.admission import Admission, RejectedRecord
from stockstream.sender.breaker import Breaker
from stockstream.sender.config import SenderConfig
from stockstream.sender.disk_intake import DiskIntake
from stockstream.sender.dispatcher import Dispatcher
from stockstream.sender.failures import FailureKind, PutError, remedy
from stockstream.sender.grid import lanes_for_shards
from stockstream.sender.intake import Intake, MemoryIntake
from stockstream.sender.lane import Lane
from stockstream.sender.scheduler import Scheduler
from stockstream.sender.shards import ShardMap, list_open_shards
from stockstream.sender.stats import Counters, SenderStats
from stockstream.sender.transport import Transport
from stockstream.sender.transport.connections import ANSWER_MAX_BYTES
from stockstream.sender.transport.opening import open_transport
from stockstream.sender.transport.results import as_put_error

log = structlog.get_logger("stockstream.sender")


class Sender:
    """Sends records to a Kinesis data stream, in order for each key, and loses none that it has accepted.

    Use as an async context manager. `send` may be called from many tasks; the records of one key keep the order of
    the calls.

    Args:
        config: Stream, limits, outbox.
        aws: Region, endpoint and credentials; None resolves them as the AWS tools do.
        monotonic: Clock, seconds.
        rng: Randomness of backoff.
    """

    def __init__(
        self,
        config: SenderConfig,
        aws: AwsConfig | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        rng: Random | None = None,
    ) -> None:
        self._config = config
        self._aws = aws
        self._monotonic = monotonic
        self._rng = rng if rng is not None else Random()
        self._counters = Counters()
        self._admission = Admission(config.record_max_bytes)
        self._exit = AsyncExitStack()
        self._client: Any = None
        self._transport: Transport
        self._task: asyncio.Task[None]
        self._shards = ShardMap([])
        self._scheduler: Scheduler | None = None
        self._dispatcher: Dispatcher | None = None
        self._intake: Intake = (
            MemoryIntake(config, self._counters, monotonic)
            if config.outbox_dir is None
            else DiskIntake(config, self._counters, monotonic)
        )
        self._progress = asyncio.Event()
        # What had been accepted when the last drain began.
        self._drained_accepted = -1
        # What ended the background work; `send` and leaving the context raise it.
        self._failure: BaseException | None = None
        self._blocked_by = ""
        self._breaker = Breaker(self._rng)

    async def __aenter__(self) -> Self:
        await self._exit.__aenter__()
        try:
            await self._intake.open()
            self._exit.push_async_callback(self._intake.close)
            aws = self._aws if self._aws is not None else resolve_aws(None)
            self._client = await self._exit.enter_async_context(
                open_client(
                    aws,
                    "kinesis",
                    answer_max_bytes=ANSWER_MAX_BYTES,
                    parameter_validation=False,
                    max_pool_connections=self._config.requests_in_flight + 2,
                    connect_timeout=self._config.connect_timeout_seconds,
                    read_timeout=self._config.read_timeout_seconds,
                    retries={"total_max_attempts": 1},
                )
            )
            self._transport = await self._exit.enter_async_context(open_transport(self._config, aws, self._client))
        except BaseException:
            await self._exit.aclose()
            raise
        # Not a TaskGroup: it would wrap whatever the caller's body raises in a group of its own.
        self._task = asyncio.create_task(self._run(), name="sender")
        self._task.add_done_callback(self._on_task_done)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if self._drained_accepted != self._counters.accepted:
                await self.drain(self._config.close_seconds)
        finally:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._exit.__aexit__(exc_type, exc, traceback)
        if exc is None and self._failure is not None:
            raise self._failure

    async def send(self, records: Sequence[Record]) -> list[RejectedRecord]:
        """Accept records: `(partition key, data)`. Returns when they are as safe as the outbox makes them.

        Never waits for Kinesis, except at the outbox's bound under the policy `block`.

        Returns:
            The records refused by name (too large for the stream, or no valid key), in their order; all others are
            accepted.

        Raises:
            OutboxError: the disk refused, the outbox is damaged, or there is no room for the records and
                `give_up_waiting` was called; they are not accepted.
        """
        if self._failure is not None:
            raise self._failure
        batch, rejected = self._admission.admit(records)
        for refusal in rejected:
            self._counters.rejected += 1
            log.error("record_rejected", key=refusal.key, size_bytes=refusal.size_bytes, reason=refusal.reason)
        if batch is not None:
            await self._intake.accept(batch)
        return rejected

    def give_up_waiting(self) -> None:
        """Wait for room no more: a `send` for which there is none raises `OutboxFullError`, now and from now on."""
        self._intake.give_up_waiting()

    async def drain(self, timeout_seconds: float) -> int:
        """Send what is left, without waiting for fuller aggregates; `send` may go on meanwhile.

        Returns:
            Number of records not acknowledged when the time was over. On disk they go first at the next start.
        """
        self._drained_accepted = self._counters.accepted
        try:
            async with asyncio.timeout(timeout_seconds):
                while self._intake.unsent and not self._task.done():
                    self._progress.clear()
                    if self._scheduler is not None and self._dispatcher is not None:
                        self._scheduler.flush(self._monotonic())
                        self._dispatcher.wake()
                    await self._progress.wait()
        except TimeoutError:
            log.warning("drain_incomplete", unsent=self._intake.unsent, timeout_seconds=timeout_seconds)
        finally:
            if self._scheduler is not None:
                self._scheduler.flushing = False
        return self._intake.unsent

    @property
    def stats(self) -> SenderStats:
        """The numbers as they are now."""
        now = self._monotonic()
        counters, scheduler, dispatcher = self._counters, self._scheduler, self._dispatcher
        oldest = self._intake.oldest_at(now)
        breaker = dispatcher.breaker if dispatcher is not None else self._breaker
        return SenderStats(
            accepted=counters.accepted,
            rejected=counters.rejected,
            sent=counters.sent,
            unsent=self._intake.unsent,
            replayed=counters.replayed,
            lost=counters.lost,
            dropped=counters.dropped,
            kinesis_records=counters.kinesis_records,
            payload_units=counters.payload_units,
            calls=counters.calls,
            failed_calls=counters.failed_calls,
            retried=counters.retried,
            throttled=counters.throttled,
            outbox_bytes=self._intake.size_bytes,
            outbox_age_seconds=0.0 if oldest is None else max(0.0, now - oldest),
            outbox_waiting=self._intake.is_waiting,
            lane_depth=0 if scheduler is None else scheduler.depth(),
            lanes=0 if scheduler is None else len(scheduler.lanes),
            shards=len(self._shards.shards),
            put_latency_ms=counters.put_latency_ms,
            breaker_state=breaker.state,
            blocked_by=self._blocked_by if dispatcher is None else dispatcher.blocked_by,
        )

    async def _run(self) -> None:
        self._shards = await self._find_shards()
        wanted = self._config.lanes or lanes_for_shards(len(self._shards.shards))
        lanes = await self._intake.lay_lanes(wanted)
        scheduler = Scheduler(self._config, lanes, self._rng)
        self._assign_shards(scheduler)
        dispatcher = Dispatcher(
            scheduler,
            self._transport,
            self._counters,
            requests_in_flight=self._config.requests_in_flight,
            call_timeout_seconds=self._config.call_timeout_seconds,
            away_after_seconds=self._config.away_after_seconds,
            refresh_shards=self._refresh_shards,
            on_resolved=self._on_resolved,
            monotonic=self._monotonic,
            rng=self._rng,
        )
        self._scheduler, self._dispatcher = scheduler, dispatcher
        log.info("sender_ready", stream=self._config.stream, shards=len(self._shards.shards), lanes=lanes)
        self._intake.start(scheduler, dispatcher.wake)
        self._progress.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._intake.run())
                tasks.create_task(dispatcher.run())
        except ExceptionGroup as group:
            raise first_error(group) from group

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        self._failure = task.exception()
        if self._failure is not None:
            log.critical("sender_failed", error=str(self._failure), exc_info=self._failure)
            self._intake.abort(self._failure)
            self._progress.set()

    async def _find_shards(self) -> ShardMap:
        """List the shards, however long that takes; what is accepted meanwhile waits."""
        while True:
            try:
                shards = await self._list_shards()
            except Exception as exc:  # noqa: BLE001 (as_put_error sorts what an SDK and a network can raise)
                failure = as_put_error(exc)
                self._say_failure(failure)
                permanent = failure.kind in {FailureKind.PERMANENT, FailureKind.INVALID}
                self._breaker.on_failure(self._monotonic(), permanent=permanent)
                probe_at = self._breaker.next_probe_at()
                await asyncio.sleep(0.2 if probe_at is None else max(0.0, probe_at - self._monotonic()))
                self._breaker.on_start()
            else:
                self._blocked_by = ""
                return shards

    async def _list_shards(self) -> ShardMap:
        """As a whole within the time after which Kinesis counts as away: nothing can be sent before."""
        seconds = min(self._config.call_timeout_seconds, self._config.away_after_seconds)
        try:
            async with asyncio.timeout(seconds):
                return await list_open_shards(self._client, self._config.stream)
        except TimeoutError as exc:
            raise TimeoutError(f"ListShards was not over after {seconds:g} s") from exc

    def _say_failure(self, failure: PutError) -> None:
        if failure.code == self._blocked_by:
            return
        self._blocked_by = failure.code
        if failure.kind in {FailureKind.PERMANENT, FailureKind.INVALID}:
            log.error("sender_blocked", code=failure.code, error=failure.message, remedy=remedy(failure.code))
        else:
            log.warning("kinesis_away", code=failure.code, error=failure.message)

    async def _refresh_shards(self) -> None:
        """Look at the stream again after a reshard."""
        try:
            shards = await self._list_shards()
        except Exception as exc:  # noqa: BLE001 (the answers to PutRecords keep the lanes right meanwhile)
            log.warning("list_shards_failed", error=str(as_put_error(exc)))
            return
        self._shards = shards
        if self._scheduler is not None:
            self._assign_shards(self._scheduler)
            log.info("reshard_followed", shards=len(shards.shards), lanes=len(self._scheduler.lanes))

    def _assign_shards(self, scheduler: Scheduler) -> None:
        for lane in scheduler.lanes:
            lane.shard_id = self._shards.shard_of(int(lane.hash_key)) or lane.shard_id
        shards = len(self._shards.shards)
        if shards > len(scheduler.lanes):
            log.warning(
                "fewer_lanes_than_shards",
                lanes=len(scheduler.lanes),
                shards=shards,
                remedy="restart the sender with an empty outbox, so that it lays new lanes",
            )

    def _on_resolved(self, lane: Lane) -> None:
        self._intake.on_resolved(lane)
        self._progress.set()
