"""Who is alive, told from counters that move, by this machine's monotonic clock alone. Pure.

No wall clock is compared with another: a worker whose clock is an hour off is as good a member as any. What counts is
time over which we looked: while the table cannot be read, nobody's silence grows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

# Looks at the table, in a heartbeat.
LOOKS_A_HEARTBEAT: Final = 4
# A counter that has not moved for so long is a dead worker's. With the look before, which has seen the last move up to
# a quarter late, and the poll after, the symbols of one who dies are polled elsewhere within three heartbeats.
DEAD_AFTER_HEARTBEATS: Final = 2.5
# Whoever joins looks for so long before it believes a counter that it has not seen move to be nobody's.
SETTLE_HEARTBEATS: Final = 1.5
# Who looks but once sees no counter move: the workers' own wall clocks have to do, and a minute forgives those.
_SILENT_AFTER_HEARTBEATS: Final = 3
_CLOCKS_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """What a worker says of itself.

    Attributes:
        worker: Its id, new with each start.
        beats: Its counter; grows with each heartbeat.
        is_serving: Its source answers.
        symbols: How many it follows.
        place: Where it runs: host, process, folder of its outbox; for people.
        beat_at: Its own wall clock at the beat; for people, and never compared by a worker.
        heartbeat_seconds: Between two of its heartbeats; one of an earlier version says nothing, and had the default.
    """

    worker: str
    beats: int
    is_serving: bool
    symbols: int = 0
    place: str = ""
    beat_at: str = ""
    heartbeat_seconds: float = 5.0

    @property
    def silent_after_seconds(self) -> float:
        """What its heartbeat is older than by wall clocks when it is gone, for people who look at it once."""
        return _SILENT_AFTER_HEARTBEATS * self.heartbeat_seconds + _CLOCKS_SECONDS


@dataclass(frozen=True, slots=True)
class Observation:
    """What we have seen of a worker.

    Attributes:
        beats: Its counter when we looked last.
        silent_seconds: Over which we looked and it did not move.
        is_proven: It has moved, or appeared, while we looked: no relic of an earlier time.
        is_serving: As it said last.
    """

    beats: int
    silent_seconds: float
    is_proven: bool
    is_serving: bool


def observe(
    before: Mapping[str, Observation], rows: Collection[Row], watched_seconds: float, *, is_first: bool
) -> dict[str, Observation]:
    """Take in one look at the table.

    Args:
        before: What had been seen.
        rows: What the table holds now; a worker who has left is not in it.
        watched_seconds: Since the look before, where that succeeded; else 0.
        is_first: Nothing had been looked at before: what is there now may be a relic.
    """
    after: dict[str, Observation] = {}
    for row in rows:
        known = before.get(row.worker)
        if known is None:
            after[row.worker] = Observation(row.beats, 0.0, not is_first, row.is_serving)
        elif row.beats > known.beats:
            after[row.worker] = Observation(row.beats, 0.0, True, row.is_serving)
        else:
            after[row.worker] = replace(known, silent_seconds=known.silent_seconds + watched_seconds)
    return after


def who_is_alive(observations: Mapping[str, Observation], heartbeat_seconds: float) -> frozenset[str]:
    """Workers whose counters move."""
    dead_after_seconds = DEAD_AFTER_HEARTBEATS * heartbeat_seconds
    return frozenset(
        worker for worker, seen in observations.items() if seen.is_proven and seen.silent_seconds < dead_after_seconds
    )


def who_shares(
    me: str, observations: Mapping[str, Observation], heartbeat_seconds: float, *, is_serving: bool
) -> frozenset[str]:
    """Who shares the watchlist, as one of them sees it.

    Those who serve, where any does: so one who joins takes nothing from the others before its source has answered, and
    one whose source fails for long leaves nothing unpolled. Oneself in any case: that is how a source gets to answer.

    Args:
        me: Our id.
        observations: Of the others.
        heartbeat_seconds: As the deployment has it.
        is_serving: Our own source answers.
    """
    alive = who_is_alive(observations, heartbeat_seconds)
    serving = {worker for worker in alive if observations[worker].is_serving} | ({me} if is_serving else set())
    return frozenset(serving or alive) | {me}
