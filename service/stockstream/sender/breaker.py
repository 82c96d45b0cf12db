"""The breaker: while the service is away, one small call now and then instead of many that fail."""

from random import Random
from typing import Final, Literal

FAILURES_TO_OPEN: Final = 3
# Below one call a second in an outage, and back within seconds after it.
PROBE_MIN_SECONDS: Final = 1.5
PROBE_MAX_SECONDS: Final = 3.0
# What a person must cure takes a person's time.
PERMANENT_PROBE_SECONDS: Final = 10.0

BreakerState = Literal["closed", "open", "probing"]


class Breaker:
    """Counts whole calls that failed in a row; entries throttled inside a good answer do not concern it.

    Args:
        rng: Randomness of the probe times, so that a fleet does not come back in step.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._failures = 0
        self._probe_at = 0.0
        self.state: BreakerState = "closed"

    def allows(self, now: float) -> bool:
        """Tell whether a call may start. In the open state that call is the probe: start it, or forget the answer."""
        return self.state == "closed" or (self.state == "open" and now >= self._probe_at)

    def on_start(self) -> None:
        """A call starts."""
        if self.state == "open":
            self.state = "probing"

    def on_success(self) -> bool:
        """An answer came. True where that ends an outage."""
        ended = self.state != "closed"
        self.state = "closed"
        self._failures = 0
        return ended

    def on_failure(self, now: float, *, permanent: bool = False) -> bool:
        """A call failed as a whole. True where that begins an outage."""
        self._failures += 1
        began = self.state == "closed" and (permanent or self._failures >= FAILURES_TO_OPEN)
        if began or self.state == "probing":
            self.state = "open"
            wait = PERMANENT_PROBE_SECONDS if permanent else self._rng.uniform(PROBE_MIN_SECONDS, PROBE_MAX_SECONDS)
            self._probe_at = now + wait
        return began

    def trip(self, now: float) -> bool:
        """Nothing is stored any more, whatever the calls say or do not say. True where that begins an outage."""
        if self.state != "closed":
            return False
        self._failures = FAILURES_TO_OPEN - 1
        return self.on_failure(now)

    def next_probe_at(self) -> float | None:
        """When the next probe may start, in the open state."""
        return self._probe_at if self.state == "open" else None
