"""Lambda's Kinesis event source mapping on one machine.

`EventSourceRunner.run` finds the shards, gives each a `ShardWorker` (children after their parents), and keeps the
checkpoints. It survives throttles, expired iterators, a server that is away, and a stream that was made anew.
"""

import asyncio
import itertools
import random as random_module
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import structlog

from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.errors import only_error
from stockstream.eventsource.checkpoints import CheckpointStore, StreamIdentity
from stockstream.eventsource.config import EventSourceConfig
from stockstream.eventsource.context import WorkerContext
from stockstream.eventsource.destinations import FailureDestination
from stockstream.eventsource.drain import DrainMark
from stockstream.eventsource.errors import EventSourceError, StreamRecreatedError, StreamUnavailableError
from stockstream.eventsource.invokers.base import Invoker
from stockstream.eventsource.positions import Positions
from stockstream.eventsource.reader import KinesisReader
from stockstream.eventsource.records import StreamOrigin
from stockstream.eventsource.shard_tree import Shard, readable_shards
from stockstream.eventsource.shard_worker import ShardWorker
from stockstream.eventsource.stats import EventSourceStats, ShardStats

_log = structlog.get_logger(__name__)

# A kill -9 between two saves makes the last batches come again, which at-least-once delivery allows.
_SAVE_INTERVAL_SECONDS: Final = 0.25
_RETRY_SECONDS: Final = 0.5


class EventSourceRunner:
    """Reads one stream and invokes one function, by AWS's contract (docs/event-source.md).

    Args:
        config: The parameters of the mapping.
        kinesis_client: An aiobotocore Kinesis client; the caller closes it.
        invoker: Runs the function; the caller closes it.
        checkpoint_store: Where checkpoints are kept.
        on_failure: Takes discarded batches; None drops them with an error in the log, as AWS does.
        clock: For record ages, windows and retries.
        random: Uniform in [0, 1), for jitter.
        invoke_identity_arn: What events carry as `invokeIdentityArn`; a role named after the function by default.
        make_request_id: For the message of a batch that was never invoked.
    """

    def __init__(
        self,
        config: EventSourceConfig,
        kinesis_client: Any,
        invoker: Invoker,
        checkpoint_store: CheckpointStore,
        on_failure: FailureDestination | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
        random: Callable[[], float] = random_module.random,
        invoke_identity_arn: str | None = None,
        make_request_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._config = config
        self._reader = KinesisReader(kinesis_client, config.stream_name)
        self._store = checkpoint_store
        self._clock = clock
        self._invoke_identity_arn = invoke_identity_arn
        self._read_numbers = itertools.count(1)
        self._last_read_number = 0
        self._context = WorkerContext(
            config=config,
            reader=self._reader,
            invoker=invoker,
            destination=on_failure,
            clock=self._clock,
            random=random,
            make_request_id=make_request_id,
            next_read_number=self._next_read_number,
            check_identity=self._check_identity,
            changed=self._notify,
        )
        self._positions: Positions | None = None
        self._workers: dict[str, ShardWorker] = {}
        self._worker_tasks: set[asyncio.Task[None]] = set()
        self._stats: dict[str, ShardStats] = {}
        self._finished: set[str] = set()
        self._listed: list[Shard] = []
        self._lists_started = 0
        self._list_done = 0
        self._look_now = asyncio.Event()
        self._change = asyncio.Event()
        self._is_running = False
        self._has_stopped = False
        self._log = _log.bind(stream=config.stream_name, function=config.function_name)

    # --- the public face ------------------------------------------------------------------------------------------

    @property
    def stats(self) -> EventSourceStats:
        """A snapshot of all shards seen since the start."""
        return EventSourceStats({shard_id: replace(stats) for shard_id, stats in sorted(self._stats.items())})

    def idle(self) -> bool:
        """Whether every record read so far is resolved and every shard was at its tip when last read."""
        return self._list_done > 0 and all(worker.is_idle for worker in self._workers.values())

    async def run(self, stop_event: asyncio.Event) -> None:
        """Work until `stop_event` is set; then finish what is in flight and save the checkpoints.

        Raises:
            AwsSetupError: access is denied or credentials are missing.
            EventSourceError: the runner runs already, or the checkpoints cannot be used.
        """
        if self._is_running:
            raise EventSourceError("this runner is running already")
        self._is_running, self._has_stopped = True, False
        try:
            while not stop_event.is_set():
                try:
                    await self._run_once(stop_event)
                except* StreamRecreatedError as group:
                    self._log.warning("stream_recreated", reason=str(only_error(group)))
        except BaseExceptionGroup as group:
            error = only_error(group)
            if error is None:
                raise
            raise error from group
        finally:
            self._is_running, self._has_stopped = False, True
            self._collect()
            if self._positions is not None:
                self._positions.save()
            self._notify()

    async def drained(self) -> None:
        """Wait until every record that is in the stream now is resolved: succeeded, or at the destination.

        `run` must be running meanwhile, or start soon. A batching window is waited for, not cut short.

        Raises:
            EventSourceError: the runner stopped before that.
        """
        lists_before, mark = self._lists_started, DrainMark(self._last_read_number)
        self._look_now.set()
        while True:
            change = self._change
            if self._list_done > lists_before and mark.is_reached(self._listed, self._workers, self._finished):
                return
            if self._has_stopped:
                raise EventSourceError("the event-source runner stopped before the stream was drained")
            await change.wait()

    # --- the shards -----------------------------------------------------------------------------------------------

    async def _run_once(self, stop_event: asyncio.Event) -> None:
        identity = await self._identity(stop_event)
        if identity is None:
            return
        positions = Positions(self._config, self._store, self._clock, identity)
        positions.save()
        self._positions = positions
        self._finished = positions.finished_shards()
        self._workers.clear()
        self._worker_tasks.clear()
        self._list_done = 0
        async with asyncio.TaskGroup() as tasks:
            saving = tasks.create_task(self._save_periodically(positions))
            finding = tasks.create_task(self._find_shards(positions, tasks))
            await stop_event.wait()
            finding.cancel()
            await self._stop_workers()
            saving.cancel()

    async def _stop_workers(self) -> None:
        for worker in self._workers.values():
            worker.stop()
        if not self._worker_tasks:
            return
        _, running = await asyncio.wait(self._worker_tasks, timeout=self._config.stop_grace_seconds)
        if running:
            self._log.warning("invocations_abandoned", grace_seconds=self._config.stop_grace_seconds)
        for task in running:
            task.cancel()

    async def _identity(self, stop_event: asyncio.Event) -> StreamIdentity | None:
        while not stop_event.is_set():
            try:
                return await self._reader.identity()
            except StreamUnavailableError as exc:
                self._log.warning("stream_unavailable", error=str(exc))
                await self._clock.sleep(_RETRY_SECONDS)
        return None

    async def _find_shards(self, positions: Positions, tasks: asyncio.TaskGroup) -> None:
        while True:
            self._look_now.clear()
            self._lists_started += 1
            number = self._lists_started
            try:
                self._listed = await self._reader.shards()
            except StreamUnavailableError as exc:
                self._log.warning("shards_not_listed", error=str(exc))
                await self._clock.sleep(_RETRY_SECONDS)
                continue
            positions.note_listed(shard.shard_id for shard in self._listed)
            for shard_id in readable_shards(self._listed, self._finished):
                if shard_id not in self._workers:
                    self._start_worker(shard_id, positions, tasks)
            self._list_done = number
            self._notify()
            try:
                async with asyncio.timeout(self._config.shard_refresh_seconds):
                    await self._look_now.wait()
            except TimeoutError:
                pass  # the regular look

    def _start_worker(self, shard_id: str, positions: Positions, tasks: asyncio.TaskGroup) -> None:
        stream_arn = positions.stream.stream_arn
        region, account = stream_arn.split(":")[3:5]
        role = self._invoke_identity_arn or f"arn:aws:iam::{account}:role/{self._config.function_name}"
        start = positions.start_of(shard_id)
        stats = self._stats.setdefault(shard_id, ShardStats())
        stats.checkpoint = start.sequence_number
        worker = ShardWorker(self._context, StreamOrigin(stream_arn, shard_id, region, role), start, stats)
        self._workers[shard_id] = worker
        self._log.info("shard_started", shard=shard_id, kind=start.kind, after=start.sequence_number)
        self._worker_tasks.add(tasks.create_task(self._run_worker(shard_id, worker)))

    async def _run_worker(self, shard_id: str, worker: ShardWorker) -> None:
        await worker.run()
        if worker.is_done:
            self._finished.add(shard_id)
            worker.stats.is_finished = True
            self._look_now.set()
        self._notify()

    async def _check_identity(self) -> None:
        identity = await self._reader.identity()
        if self._positions is not None and identity != self._positions.stream:
            raise StreamRecreatedError(
                f"stream {self._config.stream_name} was created {identity.created_at}, "
                f"the checkpoints are of the one created {self._positions.stream.created_at}"
            )

    def _next_read_number(self) -> int:
        self._last_read_number = next(self._read_numbers)
        return self._last_read_number

    # --- checkpoints and waiting ----------------------------------------------------------------------------------

    async def _save_periodically(self, positions: Positions) -> None:
        while True:
            await self._clock.sleep(_SAVE_INTERVAL_SECONDS)
            self._collect()
            await asyncio.to_thread(positions.save)

    def _collect(self) -> None:
        if self._positions is not None:
            resolved = {shard_id: worker.state.checkpoint for shard_id, worker in self._workers.items()}
            self._positions.record(resolved, self._finished)

    def _notify(self) -> None:
        change, self._change = self._change, asyncio.Event()
        change.set()
