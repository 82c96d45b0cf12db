"""A token bucket per shard, fed by throttles: unlimited until Kinesis says otherwise, and again when it stops."""

from typing import Final

from stockstream.sender.limits import SHARD_BYTES_PER_SECOND

# After a throttle the shard gets a little less than what it was seen to take, then more by a fifth every second: it
# settles where a few percent are refused, which is the only way to know the share of the shard that is ours. A blind
# halving would leave most of that share unused.
DECREASE: Final = 0.98
INCREASE_SHARE_PER_SECOND: Final = 0.2
INCREASE_BYTES_PER_SECOND_SQUARED: Final = SHARD_BYTES_PER_SECOND / 8
# The throttles of one burst tell one thing, so they count once.
DECREASE_INTERVAL_SECONDS: Final = 0.5
MIN_BYTES_PER_SECOND: Final = SHARD_BYTES_PER_SECOND / 16
BURST_SECONDS: Final = 0.25
# A shard that has not throttled for this long has no reason for a limit.
FORGET_SECONDS: Final = 10.0
WINDOW_SECONDS: Final = 1.0


class ShardBucket:
    """Bytes per second that one shard is given, on the monotonic clock that callers pass in."""

    __slots__ = ("_measured", "_rate", "_throttled_at", "_tokens", "_updated_at", "_window_bytes", "_window_start")

    def __init__(self, now: float) -> None:
        self._rate: float | None = None
        self._tokens = 0.0
        self._updated_at = now
        self._throttled_at = now - FORGET_SECONDS
        self._measured = 0.0
        self._window_bytes = 0
        self._window_start = now

    @property
    def bytes_per_second(self) -> float | None:
        """The present limit; None where there is none."""
        return self._rate

    def delay_seconds(self, size_bytes: int, now: float) -> float:
        """How long a record of this size must wait; 0 takes its tokens at once."""
        if self._rate is None:
            return 0.0
        if now - self._throttled_at >= FORGET_SECONDS:
            self._rate = None
            return 0.0
        elapsed = max(0.0, now - self._updated_at)
        self._updated_at = now
        self._rate += max(INCREASE_BYTES_PER_SECOND_SQUARED, INCREASE_SHARE_PER_SECOND * self._rate) * elapsed
        self._tokens = min(self._rate * BURST_SECONDS, self._tokens + self._rate * elapsed)
        # A record larger than the burst goes when the bucket is full, and leaves a debt.
        needed = min(size_bytes, self._rate * BURST_SECONDS)
        if self._tokens >= needed:
            self._tokens -= size_bytes
            return 0.0
        return (needed - self._tokens) / self._rate

    def on_delivered(self, size_bytes: int, now: float) -> None:
        """A record was stored."""
        self._window_bytes += size_bytes
        elapsed = now - self._window_start
        if elapsed >= WINDOW_SECONDS:
            self._measured = self._window_bytes / elapsed
            self._window_bytes = 0
            self._window_start = now

    def on_throttled(self, now: float) -> None:
        """A record was refused for throughput."""
        if now - self._throttled_at < DECREASE_INTERVAL_SECONDS:
            return
        elapsed = max(now - self._window_start, BURST_SECONDS)
        seen = max(self._measured, self._window_bytes / elapsed)
        if self._rate is not None:
            seen = min(seen, self._rate)
        self._rate = max(MIN_BYTES_PER_SECOND, DECREASE * seen)
        self._tokens = min(self._tokens, self._rate * BURST_SECONDS)
        self._throttled_at = self._updated_at = now
