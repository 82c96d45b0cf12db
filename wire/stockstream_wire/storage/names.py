"""The bucket's folders, and which partition of the log a symbol lies in."""

import hashlib
from functools import lru_cache
from typing import Final, NamedTuple

RAW_PREFIX: Final = "raw/"
STATE_PREFIX: Final = "state/"
TIDY_PREFIX: Final = "tidy/"
QUARANTINE_PREFIX: Final = "quarantine/"
CONFIG_PREFIX: Final = "config/"

ALERT_RULES_KEY: Final = f"{CONFIG_PREFIX}alert-rules.json"
LAYOUT_KEY: Final = f"{STATE_PREFIX}layout.json"

DEFAULT_PARTITIONS: Final = 4
PARTITIONS_MAX: Final = 1024
_HASH_BITS: Final = 128


def is_partition_count(count: int) -> bool:
    """Tell whether a log may have so many partitions: a power of two, 1 to 1024."""
    return 1 <= count <= PARTITIONS_MAX and count & (count - 1) == 0


class Partition(NamedTuple):
    """One partition of a log of so many. Another count is another log, hence both are in every key: `p4-03`."""

    number: int
    partitions: int

    @property
    def name(self) -> str:
        return f"p{self.partitions}-{self.number:02d}"


def partitions_of(count: int) -> list[Partition]:
    """All partitions of a log."""
    return [Partition(number, count) for number in range(count)]


@lru_cache(maxsize=16_384)
def partition_of(symbol: str, count: int) -> Partition:
    """The partition that a symbol lies in, of `count` (a power of two).

    Its number is the sender's `lane_of_key`, the top of the MD5 that Kinesis too goes by: a lane, and a shard of an
    even split, lies in one partition whole.
    """
    digest = hashlib.md5(symbol.encode(), usedforsecurity=False).digest()
    return Partition(int.from_bytes(digest, "big") * count >> _HASH_BITS, count)
