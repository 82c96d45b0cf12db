"""Whether everything that was in the stream at one moment is resolved."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from stockstream.eventsource.shard_tree import Shard
from stockstream.eventsource.shard_worker import ShardWorker


class DrainMark:
    """A moment, by the number of the runner's last read that had begun before it.

    A read that began later and came to the tip of its shard has seen every record of that moment; the first such read
    of a shard says up to where the shard must be resolved, so that records still flowing in do not move the goal.
    """

    def __init__(self, last_read_number: int) -> None:
        self._last_read_number = last_read_number
        self._targets: dict[str, str | None] = {}

    def is_reached(
        self, listed: Sequence[Shard], workers: Mapping[str, ShardWorker], finished: AbstractSet[str]
    ) -> bool:
        """Whether every shard is resolved up to the mark; `listed` must have been asked for after the moment."""
        return all(shard.shard_id in finished or self._is_resolved(workers.get(shard.shard_id)) for shard in listed)

    def _is_resolved(self, worker: ShardWorker | None) -> bool:
        if worker is None:
            return False  # a child that waits for its parents
        if worker.is_done:
            return True
        shard_id = worker.shard_id
        if shard_id not in self._targets:
            tip = worker.feed.tip
            if tip is None or tip.read_number <= self._last_read_number:
                return False
            self._targets[shard_id] = tip.sequence_number
        return worker.has_resolved(self._targets[shard_id])
