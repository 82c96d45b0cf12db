"""A token bucket per shard, fed by throttles: unlimited until Kinesis says otherwise, and again when it stops."""

from typing import Final

from stockstream.sender.limits import PAYLOAD_UNIT_BYTES, SHARD_BYTES_PER_SECOND

# Of a shard that refuses this share of what it is sent, and this many at least, within two windows, more is asked than
# it gives. Below that the odd refusal is no news of its limit: waiting and sending again costs less than slowing down.
OVERLOAD_SHARE: Final = 0.15
OVERLOAD_THROTTLES: Final = 5
# The shard then gets a little less than what it was seen to take, and more by a fifth every second: it settles where
# some are refused, which is the only way to know the share of the shard that is ours. A blind halving would leave most
# of that share unused.
DECREASE: Final = 0.98
INCREASE_SHARE_PER_SECOND: Final = 0.2
INCREASE_BYTES_PER_SECOND_SQUARED: Final = SHARD_BYTES_PER_SECOND / 8
# The throttles of one burst tell one thing, so they count once.
DECREASE_INTERVAL_SECONDS: Final = 0.5
MIN_BYTES_PER_SECOND: Final = SHARD_BYTES_PER_SECOND / 16
BURST_SECONDS: Final = 0.25
# A shard that has not been overloaded for this long has no reason for a limit.
FORGET_SECONDS: Final = 10.0
WINDOW_SECONDS: Final = 1.0


class ShardBucket:
    """Bytes per second that one shard is given, on the monotonic clock that callers pass in."""

    __slots__ = (
        "_before_records",
        "_before_throttled",
        "_limited_at",
        "_measured",
        "_rate",
        "_tokens",
        "_updated_at",
        "_window_bytes",
        "_window_records",
        "_window_start",
        "_window_throttled",
    )

    def __init__(self, now: float) -> None:
        self._rate: float | None = None
        self._tokens = 0.0
        self._updated_at = now
        self._limited_at = now - FORGET_SECONDS
        self._measured = 0.0
        self._window_records = self._window_throttled = 0
        self._start_window(now)

    @property
    def bytes_per_second(self) -> float | None:
        """The present limit; None where there is none."""
        return self._rate

    def delay_seconds(self, size_bytes: int, now: float) -> float:
        """How long a record of this size must wait; 0 takes its tokens at once."""
        if self._rate is None:
            return 0.0
        if now - self._limited_at >= FORGET_SECONDS:
            self._rate = None
            return 0.0
        elapsed = max(0.0, now - self._updated_at)
        self._updated_at = now
        self._rate += max(INCREASE_BYTES_PER_SECOND_SQUARED, INCREASE_SHARE_PER_SECOND * self._rate) * elapsed
        self._tokens = min(self._rate * BURST_SECONDS, self._tokens + self._rate * elapsed)
        # A large record goes when there is room for a small one, and leaves a debt: waiting for its whole size, it
        # would wait for ever beside lanes whose small ones take every byte that comes.
        needed = min(size_bytes, self._rate * BURST_SECONDS, PAYLOAD_UNIT_BYTES)
        if self._tokens >= needed:
            self._tokens -= size_bytes
            return 0.0
        return (needed - self._tokens) / self._rate

    def on_delivered(self, size_bytes: int, now: float) -> None:
        """A record was stored."""
        self._window_bytes += size_bytes
        self._window_records += 1
        elapsed = now - self._window_start
        if elapsed >= WINDOW_SECONDS:
            self._measured = self._window_bytes / elapsed
            self._start_window(now)

    def on_throttled(self, now: float) -> None:
        """A record was refused for throughput."""
        self._window_records += 1
        self._window_throttled += 1
        # With the window before: the first few records of a window say little.
        throttled = self._before_throttled + self._window_throttled
        overloaded = throttled >= max(
            OVERLOAD_THROTTLES, OVERLOAD_SHARE * (self._before_records + self._window_records)
        )
        if not overloaded or now - self._limited_at < DECREASE_INTERVAL_SECONDS:
            return
        elapsed = max(now - self._window_start, BURST_SECONDS)
        seen = max(self._measured, self._window_bytes / elapsed)
        if self._rate is not None:
            seen = min(seen, self._rate)
        self._rate = max(MIN_BYTES_PER_SECOND, DECREASE * seen)
        self._tokens = min(self._tokens, self._rate * BURST_SECONDS)
        self._limited_at = self._updated_at = now

    def _start_window(self, now: float) -> None:
        self._before_records, self._before_throttled = self._window_records, self._window_throttled
        self._window_bytes = self._window_records = self._window_throttled = 0
        self._window_start = now
