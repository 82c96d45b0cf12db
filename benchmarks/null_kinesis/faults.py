"""What goes wrong, and how often: decided by a seeded generator."""

from dataclasses import dataclass
from random import Random


@dataclass(slots=True)
class Faults:
    """Settings of the endpoint, changed over `POST /control`.

    Attributes:
        latency_seconds: Before every answer.
        throttled_entries: Share of entries refused with ProvisionedThroughputExceededException.
        errors_500: Share of calls answered with 500, nothing stored.
        resets: Share of calls whose connection is closed, nothing stored.
        stored_then_lost: Share of calls that are stored, and whose connection is closed instead of the answer.
        outage: Every connection is closed at the first byte.
        refuse_code: AWS error code that every call gets with status 400, where not empty.
        refuse_cbor: The same for calls in CBOR alone.
        refuse_entries: Error code that every entry gets, where not empty.
        shuffle: Store the entries of a call in random order, as Kinesis may.
        shard_bytes_per_second: A limit on each shard, as a real one has; 0 for none.
    """

    latency_seconds: float = 0.0
    throttled_entries: float = 0.0
    errors_500: float = 0.0
    resets: float = 0.0
    stored_then_lost: float = 0.0
    outage: bool = False
    refuse_code: str = ""
    refuse_cbor: str = ""
    refuse_entries: str = ""
    shuffle: bool = False
    shard_bytes_per_second: int = 0

    def happens(self, rng: Random, share: float) -> bool:
        """Throw the dice for one share."""
        return share > 0 and rng.random() < share
