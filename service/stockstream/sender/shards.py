"""The stream's open shards and the hash keys they hold, from ListShards."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Shard:
    """An open shard and its inclusive range of 128-bit hash keys."""

    shard_id: str
    first_hash_key: int
    last_hash_key: int


class ShardMap:
    """Finds the open shard that holds a hash key.

    Args:
        shards: Open shards, in any order.
    """

    def __init__(self, shards: list[Shard]) -> None:
        self.shards = sorted(shards, key=lambda shard: shard.first_hash_key)
        self._firsts = [shard.first_hash_key for shard in self.shards]

    @classmethod
    def from_list_shards(cls, listed: list[dict[str, Any]]) -> Self:
        """Make a map from the `Shards` of ListShards; closed shards (with an ending sequence number) are left out."""
        return cls(
            [
                Shard(
                    str(shard["ShardId"]),
                    int(shard["HashKeyRange"]["StartingHashKey"]),
                    int(shard["HashKeyRange"]["EndingHashKey"]),
                )
                for shard in listed
                if not shard.get("SequenceNumberRange", {}).get("EndingSequenceNumber")
            ]
        )

    def shard_of(self, hash_key: int) -> str:
        """Id of the shard that holds the key; empty where the map has a hole (a reshard half listed)."""
        index = bisect_right(self._firsts, hash_key) - 1
        if index < 0 or hash_key > self.shards[index].last_hash_key:
            return ""
        return self.shards[index].shard_id


async def list_open_shards(client: Any, stream: str) -> ShardMap:
    """Ask Kinesis for all shards of the stream, page by page, and keep the open ones."""
    listed: list[dict[str, Any]] = []
    arguments: dict[str, Any] = {"StreamName": stream}
    while True:
        page = await client.list_shards(**arguments)
        listed += page["Shards"]
        token = page.get("NextToken")
        if not token:
            return ShardMap.from_list_shards(listed)
        # A token stands for the stream too, and Kinesis refuses both together.
        arguments = {"NextToken": token}
