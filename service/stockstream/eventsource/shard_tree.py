"""Which shards may be read now: children wait until their parents are read to the end (resharding keeps order)."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard as ListShards names it; `parents` are those that a split or merge made it from."""

    shard_id: str
    parents: tuple[str, ...] = ()


def readable_shards(shards: Iterable[Shard], finished: AbstractSet[str]) -> list[str]:
    """Shards that are not finished and whose parents are finished or no longer exist, in order of id."""
    listed = {shard.shard_id: shard for shard in shards}
    return sorted(
        shard_id
        for shard_id, shard in listed.items()
        if shard_id not in finished and all(parent in finished or parent not in listed for parent in shard.parents)
    )
