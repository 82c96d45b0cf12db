"""How far the consumer is behind: what was sent and it has not done with, since when, and whether it can keep up."""

from collections import deque
from dataclasses import dataclass
from typing import Final

# Rates are of this long: shorter, and a batch of hundreds makes them jump.
_WINDOW_SECONDS: Final = 15.0
# Drawn as late past this: twice the runner's poll interval, and the emulator's slowest answer.
LATE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for the consumer.

    Attributes:
        waiting: Quotes that were sent and are not done with.
        lag_seconds: How long ago the oldest of them was sent.
        taken_per_second: Quotes that the consumer is done with, lately; 0 before it was seen to move.
        accepted_per_second: Quotes accepted, lately.
        is_growing: More was accepted than taken, over the whole of the window.
    """

    waiting: int = 0
    lag_seconds: float = 0.0
    taken_per_second: float = 0.0
    accepted_per_second: float = 0.0
    is_growing: bool = False

    @property
    def is_late(self) -> bool:
        return self.lag_seconds > LATE_SECONDS

    @property
    def left_seconds(self) -> float | None:
        """At this rate, how long until nothing waits; None where it does not move."""
        return self.waiting / self.taken_per_second if self.taken_per_second > 0 else None


class BacklogMeter:
    """Follows three counts that only grow; no I/O and no clock."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int, int]] = deque()
        # Counts sent and when, but for those that are done with: the first is the oldest that waits.
        self._sent: deque[tuple[float, int]] = deque()
        self.backlog = Backlog()

    def note(self, now_seconds: float, *, accepted: int, sent: int, done: int) -> Backlog:
        """Take in the counts of this moment.

        Args:
            now_seconds: Monotonic time.
            accepted: Quotes that the outbox took.
            sent: Quotes that Kinesis acknowledged.
            done: Quotes that the consumer committed, knew already, or set aside.
        """
        if not self._sent or self._sent[-1][1] < sent:
            self._sent.append((now_seconds, sent))
        while self._sent and self._sent[0][1] <= done:
            self._sent.popleft()
        self._seen.append((now_seconds, accepted, done))
        while len(self._seen) > 2 and self._seen[1][0] <= now_seconds - _WINDOW_SECONDS:
            self._seen.popleft()
        began_seconds, accepted_before, done_before = self._seen[0]
        elapsed_seconds = now_seconds - began_seconds
        waiting = max(0, sent - done)
        self.backlog = Backlog(
            waiting=waiting,
            lag_seconds=now_seconds - self._sent[0][0] if waiting and self._sent else 0.0,
            taken_per_second=(done - done_before) / elapsed_seconds if elapsed_seconds > 0 else 0.0,
            accepted_per_second=(accepted - accepted_before) / elapsed_seconds if elapsed_seconds > 0 else 0.0,
            is_growing=elapsed_seconds >= _WINDOW_SECONDS and accepted - done > max(0, accepted_before - done_before),
        )
        return self.backlog


def fitting_interval_seconds(interval_seconds: float, backlog: Backlog) -> float:
    """The poll interval at which the consumer keeps up, with a fifth to spare; whole seconds from 10 s on."""
    factor = 1.25 * backlog.accepted_per_second / max(backlog.taken_per_second, 1.0)
    wanted_seconds = interval_seconds * max(factor, 1.25)
    return float(-(-wanted_seconds // 1)) if wanted_seconds >= 10 else -(-wanted_seconds * 2 // 1) / 2
