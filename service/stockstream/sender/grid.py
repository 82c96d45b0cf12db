"""From partition key to lane, and from lane to hash key: fixed for the life of a stream's outbox.

Lane `i` of `n` owns the i-th of n equal parts of the 128-bit hash space, and its explicit hash key is the middle of
that part. A key belongs to the lane that owns its MD5, which is where Kinesis itself would put it. Two things follow:

- A lane is one point, so no reshard ever cuts it: its records go to the shard that holds the point, and after a split
  or merge to a child of that shard. Readers finish parents before children, so a symbol stays in order. Lanes mapped
  anew to follow the shards would not have this property: a symbol could move to a shard that is no descendant.
- Doubling the number of lanes splits each in two, and a key stays where it was or moves next door.
"""

import hashlib
from typing import Final

from stockstream.sender.limits import HASH_KEY_BITS

LANES_PER_SHARD: Final = 4
MIN_LANES: Final = 8


def lanes_for_shards(shards: int) -> int:
    """Lanes for a stream of this many open shards: a power of two, at least `LANES_PER_SHARD` for each."""
    return 1 << (max(MIN_LANES, LANES_PER_SHARD * shards) - 1).bit_length()


def hash_of_key(partition_key: str) -> int:
    """The 128-bit hash key that Kinesis derives from a partition key."""
    return int.from_bytes(hashlib.md5(partition_key.encode(), usedforsecurity=False).digest(), "big")


def lane_of_key(partition_key: str, lanes: int) -> int:
    """Index of the lane that a key belongs to, of `lanes` (a power of two)."""
    return hash_of_key(partition_key) * lanes >> HASH_KEY_BITS


def hash_key_of_lane(lane: int, lanes: int) -> int:
    """The explicit hash key of a lane: the middle of its part of the hash space."""
    return ((2 * lane + 1) << HASH_KEY_BITS) // (2 * lanes)
