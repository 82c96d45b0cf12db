"""The one circuit breaker of an address: when Yahoo may be called at all. Pure; time and randomness are passed in."""

import random
from enum import StrEnum
from typing import Final

from stockstream.sources.yahoo.errors import FailureKind

FIRST_WAIT_SECONDS: Final = 30.0
LONGEST_WAIT_SECONDS: Final = 900.0
# Full jitter reaches down to 0, and a probe right after the refusal is the storm the breaker is there to stop.
SHORTEST_WAIT_SECONDS: Final = 15.0
# Failures in a row that open it, for kinds that may be one bad reply among good ones.
FAILURES_IN_A_ROW: Final = 4
# Closed for this long without opening again, the next outage starts from the first wait.
HEALTHY_AFTER_SECONDS: Final = 120.0

_OPEN_AT_ONCE: Final = frozenset({FailureKind.RATE_LIMITED, FailureKind.UNAUTHORIZED})
# One request Yahoo cannot understand says nothing of the address.
_NEVER_OPEN: Final = frozenset({FailureKind.BAD_REQUEST})


class BreakerState(StrEnum):
    """CLOSED calls freely, OPEN not at all, HALF_OPEN with one call at a time until it succeeds."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Opens on a refusal, waits with full jitter 30 → 60 → … → 900 s, and lets one call probe.

    It starts half open: the first call is alone too, so that an address already limited gets one request from us and
    not a volley.

    Args:
        rng: Randomness of the waits.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._openings = 0
        self._failures_in_a_row = 0
        self._open_until_seconds = 0.0
        self._closed_at_seconds = 0.0
        self._state = BreakerState.HALF_OPEN
        self.reason: FailureKind | None = None
        self.opened_total = 0

    def state(self, now_seconds: float) -> BreakerState:
        """The state now; an open breaker turns half open when its wait is over."""
        if self._state is BreakerState.OPEN and now_seconds >= self._open_until_seconds:
            self._state = BreakerState.HALF_OPEN
        return self._state

    def wait_seconds(self, now_seconds: float) -> float:
        """Seconds until a call may be made."""
        if self.state(now_seconds) is not BreakerState.OPEN:
            return 0.0
        return self._open_until_seconds - now_seconds

    def on_success(self, now_seconds: float) -> bool:
        """Note a good reply.

        Returns:
            True where it closed the breaker.
        """
        self._failures_in_a_row = 0
        if self.state(now_seconds) is BreakerState.OPEN:
            return False  # a reply that was under way when the breaker opened; the probe decides
        if self._state is BreakerState.CLOSED:
            if now_seconds - self._closed_at_seconds >= HEALTHY_AFTER_SECONDS:
                self._openings = 0
            return False
        self._state = BreakerState.CLOSED
        self._closed_at_seconds = now_seconds
        self.reason = None
        return True

    def on_failure(self, now_seconds: float, kind: FailureKind, retry_after_seconds: float | None = None) -> bool:
        """Note a failed call; an UNAUTHORIZED one only after its cure has failed.

        Args:
            now_seconds: Monotonic time.
            kind: How it failed.
            retry_after_seconds: What the server asked for, or None.

        Returns:
            True where it opened the breaker.
        """
        state = self.state(now_seconds)
        if state is BreakerState.OPEN:
            # Calls that were in flight together fail together: one outage, one opening.
            self._honour(now_seconds, retry_after_seconds)
            return False
        if kind in _NEVER_OPEN:
            return False
        self._failures_in_a_row += 1
        was_probe = state is BreakerState.HALF_OPEN
        if not (was_probe or kind in _OPEN_AT_ONCE or self._failures_in_a_row >= FAILURES_IN_A_ROW):
            return False
        cap = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(self._openings, 10))
        self._open_until_seconds = now_seconds + self._rng.uniform(SHORTEST_WAIT_SECONDS, cap)
        self._honour(now_seconds, retry_after_seconds)
        self._state = BreakerState.OPEN
        self._openings += 1
        self._failures_in_a_row = 0
        self.opened_total += 1
        self.reason = kind
        return True

    def _honour(self, now_seconds: float, retry_after_seconds: float | None) -> None:
        if retry_after_seconds is not None and retry_after_seconds > 0:
            asked = now_seconds + min(retry_after_seconds, LONGEST_WAIT_SECONDS)
            self._open_until_seconds = max(self._open_until_seconds, asked)
