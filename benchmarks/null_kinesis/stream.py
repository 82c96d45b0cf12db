"""The stream: shards, their hash ranges, reshards, and what was put into them."""

import asyncio
import hashlib
import time
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from benchmarks.null_kinesis.faults import Faults

HASH_SPACE = 2**128


class StoredRecord(NamedTuple):
    """One Kinesis record as it arrived."""

    shard_id: str
    partition_key: str
    hash_key: int
    data: bytes


@dataclass(slots=True)
class Shard:
    """A shard; closed ones stay for the check of hash ranges."""

    shard_id: str
    first: int
    last: int
    parents: list[str] = field(default_factory=list)
    closed: bool = False
    tokens: float = 0.0
    filled_at: float = 0.0


class Stream:
    """All of one stream's state.

    Args:
        name: Of the stream; calls for any other get ResourceNotFoundException.
        shards: Open shards at the start, equal in range.
        seed: Of the faults.
    """

    def __init__(self, name: str, shards: int, seed: int = 7) -> None:
        self.name = name
        self.faults = Faults()
        self.rng = Random(seed)
        self.shards: list[Shard] = []
        # Entries with this partition key are throttled, all of them.
        self.refuse_partition_key = ""
        # Shards in one page of ListShards, at most; AWS's own is 1,000.
        self.list_shards_max = 1000
        # Calls whose signature was looked at, and those among them that were signed wrongly.
        self.signatures_checked = 0
        self.wrongly_signed = 0
        # PutRecords signed with this access key are refused as expired.
        self.refuse_access_key = ""
        self.open_connections: set[asyncio.Transport] = set()
        self.reset(shards)

    def reset(self, shards: int) -> None:
        """Forget all records, and lay new shards."""
        self.shards = []
        self.records: list[StoredRecord] = []
        self.calls = 0
        self.call_times: list[float] = []
        self.connections = 0
        self.throttled = 0
        self.largest_request_bytes = 0
        self.largest_request_records = 0
        self._lay(shards, [])

    def close_connections(self) -> None:
        """Close every connection, as the end of a process does."""
        for transport in list(self.open_connections):
            transport.abort()

    def reshard(self, shards: int) -> None:
        """Close every open shard and open `shards` equal ones in their place (both a split and a merge)."""
        parents = [shard for shard in self.shards if not shard.closed]
        for shard in parents:
            shard.closed = True
        self._lay(shards, parents)

    def _lay(self, shards: int, parents: list[Shard]) -> None:
        start = len(self.shards)
        for index in range(shards):
            first, last = HASH_SPACE * index // shards, HASH_SPACE * (index + 1) // shards - 1
            over = [parent.shard_id for parent in parents if parent.first <= last and first <= parent.last]
            self.shards.append(Shard(f"shardId-{start + index:012d}", first, last, over))
        self._open = [shard for shard in self.shards if not shard.closed]

    def shard_of(self, hash_key: int) -> Shard:
        """The open shard that holds a hash key."""
        return self._open[hash_key * len(self._open) // HASH_SPACE]

    def put_entry(self, partition_key: str, explicit_hash_key: str | None, data: bytes) -> Shard | None:
        """Store one record and return its shard; None where it is throttled."""
        hash_key = hash_of(partition_key) if explicit_hash_key is None else int(explicit_hash_key)
        shard = self.shard_of(hash_key)
        refused = partition_key == self.refuse_partition_key
        if (
            refused
            or self.faults.happens(self.rng, self.faults.throttled_entries)
            or not self._has_room(shard, len(data))
        ):
            self.throttled += 1
            return None
        self.records.append(StoredRecord(shard.shard_id, partition_key, hash_key, data))
        return shard

    def _has_room(self, shard: Shard, size: int) -> bool:
        limit = self.faults.shard_bytes_per_second
        if not limit:
            return True
        now = time.monotonic()
        shard.tokens = min(limit, shard.tokens + (now - shard.filled_at) * limit)
        shard.filled_at = now
        if shard.tokens < size:
            return False
        shard.tokens -= size
        return True

    def list_shards(self) -> list[dict[str, Any]]:
        """All shards, as ListShards says them."""
        listed = []
        for shard in self.shards:
            numbers = {"StartingSequenceNumber": "0"}
            if shard.closed:
                numbers["EndingSequenceNumber"] = "1"
            entry: dict[str, Any] = {
                "ShardId": shard.shard_id,
                "HashKeyRange": {"StartingHashKey": str(shard.first), "EndingHashKey": str(shard.last)},
                "SequenceNumberRange": numbers,
            }
            if shard.parents:
                entry["ParentShardId"] = shard.parents[0]
            if len(shard.parents) > 1:
                entry["AdjacentParentShardId"] = shard.parents[1]
            listed.append(entry)
        return listed


_hashes: dict[str, int] = {}


def hash_of(partition_key: str) -> int:
    """MD5 of a partition key as Kinesis reads it."""
    known = _hashes.get(partition_key)
    if known is None:
        digest = hashlib.md5(partition_key.encode(), usedforsecurity=False).digest()
        known = _hashes[partition_key] = int.from_bytes(digest, "big")
    return known
