"""Where each shard is read from, and what is written down of how far it is resolved."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime

import structlog

from stockstream.clock import Clock
from stockstream.eventsource.checkpoints import Checkpoints, CheckpointStore, ShardCheckpoint, StreamIdentity
from stockstream.eventsource.config import EventSourceConfig, StartingPosition
from stockstream.eventsource.reader import IteratorStart

_log = structlog.get_logger(__name__)


class Positions:
    """The checkpoints of a mapping in memory, and their way to and from the store."""

    def __init__(self, config: EventSourceConfig, store: CheckpointStore, clock: Clock, stream: StreamIdentity) -> None:
        self._config = config
        self._store = store
        self._saved = store.load()
        self._is_resumed = self._saved is not None
        self._initial_shards: AbstractSet[str] | None = None
        self._checkpoints = self._adopted(self._saved, stream, clock.now().timestamp())

    @property
    def stream(self) -> StreamIdentity:
        return self._checkpoints.stream

    def finished_shards(self) -> set[str]:
        """Shards that an earlier run read to their end."""
        return {shard_id for shard_id, shard in self._checkpoints.shards.items() if shard.is_finished}

    def note_listed(self, shard_ids: Iterable[str]) -> None:
        """Take in what Kinesis lists. A shard it no longer lists has outlived its retention: nothing is kept of it."""
        listed = frozenset(shard_ids)
        if self._initial_shards is None:
            self._initial_shards = listed
        self._replace({shard_id: shard for shard_id, shard in self._checkpoints.shards.items() if shard_id in listed})

    def start_of(self, shard_id: str) -> IteratorStart:
        """Where to read a shard from."""
        shard = self._checkpoints.shards.get(shard_id)
        if shard is not None and shard.sequence_number is not None:
            return IteratorStart("AFTER_SEQUENCE_NUMBER", shard.sequence_number)
        position = self._config.starting_position
        if self._checkpoints.starts_at_horizon or position is StartingPosition.TRIM_HORIZON:
            return IteratorStart("TRIM_HORIZON")
        if position is StartingPosition.AT_TIMESTAMP:
            return IteratorStart("AT_TIMESTAMP", timestamp=self._config.starting_position_timestamp)
        # LATEST means the moment the mapping was made: a restart before the first checkpoint must not skip what came
        # in between, and a shard that came later is new from its first record.
        if self._is_resumed:
            started_at = datetime.fromtimestamp(self._checkpoints.started_at_epoch_seconds, UTC)
            return IteratorStart("AT_TIMESTAMP", timestamp=started_at)
        is_initial = self._initial_shards is None or shard_id in self._initial_shards
        return IteratorStart("LATEST" if is_initial else "TRIM_HORIZON")

    def record(self, resolved: Mapping[str, str | None], finished: AbstractSet[str]) -> None:
        """Take in how far each shard is resolved (None: nothing of it yet) and which are through."""
        shards = dict(self._checkpoints.shards)
        for shard_id, sequence_number in resolved.items():
            before = shards.get(shard_id, ShardCheckpoint())
            after = ShardCheckpoint(sequence_number or before.sequence_number, shard_id in finished)
            if after != ShardCheckpoint():
                shards[shard_id] = after
        self._replace(shards)

    def save(self) -> None:
        """Write to the store what changed since the last save."""
        checkpoints = self._checkpoints
        if checkpoints != self._saved:
            self._store.save(checkpoints)
            self._saved = checkpoints

    def _replace(self, shards: Mapping[str, ShardCheckpoint]) -> None:
        old = self._checkpoints
        self._checkpoints = Checkpoints(
            stream=old.stream,
            started_at_epoch_seconds=old.started_at_epoch_seconds,
            shards=shards,
            starts_at_horizon=old.starts_at_horizon,
        )

    def _adopted(self, kept: Checkpoints | None, stream: StreamIdentity, epoch_seconds: float) -> Checkpoints:
        if kept is None:
            return Checkpoints(stream=stream, started_at_epoch_seconds=epoch_seconds)
        if kept.stream == stream:
            return kept
        _log.warning(
            "checkpoints_of_another_stream",
            checkpoints=f"{kept.stream.stream_arn} created {kept.stream.created_at}",
            stream=f"{stream.stream_arn} created {stream.created_at}",
            consequence="the stream was deleted and made again; it is read from its first record",
        )
        return Checkpoints(stream=stream, started_at_epoch_seconds=epoch_seconds, starts_at_horizon=True)
