"""How far each lane has come in the log: which records of which frame are acknowledged, and what is done with."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from stockstream.outbox import Record, Slot
from stockstream.sender.known_keys import KnownKeys

# Below this many records counting them one by one costs less than a Counter.
_FEW_RECORDS: Final = 32


class Progress:
    """Follows records from the log through the lanes to their acknowledgement.

    Args:
        slots: How far each lane was acknowledged at the start.
        lane_of_key: Lane of a partition key.
    """

    def __init__(self, slots: Sequence[Slot], lane_of_key: Callable[[str], int]) -> None:
        self._slots = list(slots)
        self._lane_of_key = KnownKeys(lane_of_key)
        self._acknowledged_to = max((slot.first for slot in slots), default=0)
        # For each lane, the frames that gave it records, and how many it had been given up to the end of each: the
        # first of them holds the last record that is acknowledged, or none is. Two lists, so that a search finds it.
        self._frames: list[list[int]] = [[] for _ in slots]
        self._given: list[list[int]] = [[] for _ in slots]
        # How many it had been given before those frames; below 0 where the first of them was acknowledged in part.
        self._before = [0] * len(self._slots)
        self._total = [0] * len(self._slots)
        self._resolved = [0] * len(self._slots)

    def is_done_before(self, end: int) -> bool:
        """Whether nothing that was fed of frames before number `end` waits for its acknowledgement."""
        lanes = zip(self._frames, self._given, self._resolved, strict=True)
        return not any(_waits_before(end, frames, given, resolved) for frames, given, resolved in lanes)

    def fed(self, keys: Sequence[str], first: int) -> None:
        """Note that the lanes were given the records of a frame.

        Args:
            keys: Partition keys of the records.
            first: Number of the frame.
        """
        lanes = map(self._lane_of_key.__getitem__, keys)
        total, given, frames = self._total, self._given, self._frames
        if len(keys) > _FEW_RECORDS:
            for lane, count in Counter(lanes).items():
                total[lane] = up_to = total[lane] + count
                given[lane].append(up_to)
                frames[lane].append(first)
            return
        for lane in lanes:
            total[lane] += 1
            of_lane = frames[lane]
            if of_lane and of_lane[-1] == first:
                given[lane][-1] += 1
            else:
                of_lane.append(first)
                given[lane].append(total[lane])

    def fed_again(self, records: Sequence[Record], first: int) -> list[Record]:
        """Note the same of a frame of an earlier run; returns the records of it that are to be sent."""
        if first > self._acknowledged_to:
            self.fed([key for key, _ in records], first)
            return list(records)
        left = []
        seen: Counter[int] = Counter()
        for record in records:
            lane = self._lane_of_key[record[0]]
            seen[lane] += 1
            if self._slots[lane].acknowledged_of(first, seen[lane]) < seen[lane]:
                left.append(record)
        for lane, count in seen.items():
            acknowledged = self._slots[lane].acknowledged_of(first, count)
            if acknowledged < count:
                # Only the first frame of a lane can be acknowledged in part.
                self._before[lane] -= acknowledged
                self._total[lane] += count - acknowledged
                self._frames[lane].append(first)
                self._given[lane].append(self._total[lane])
        return left

    def unacknowledged(self, records: Sequence[Record], first: int) -> int:
        """How many records of a frame that the lanes were not given are to be sent."""
        if first > self._acknowledged_to:
            return len(records)
        counts = Counter(self._lane_of_key[key] for key, _ in records)
        return sum(count - self._slots[lane].acknowledged_of(first, count) for lane, count in counts.items())

    def resolved(self, lane: int, resolved: int) -> tuple[int, int, int]:
        """Note that the first `resolved` records that the lane was given in this run are acknowledged.

        Returns:
            The fields of the lane's `Slot`.
        """
        acknowledged = self._slots[lane].acknowledged + resolved
        self._resolved[lane] = resolved
        given, frames = self._given[lane], self._frames[lane]
        at = bisect_left(given, resolved)
        if at:
            self._before[lane] = given[at - 1]
            del given[:at], frames[:at]
        return frames[0], acknowledged, resolved - self._before[lane]


def _waits_before(end: int, frames: list[int], given: list[int], resolved: int) -> bool:
    """Whether a lane waits for the acknowledgement of a frame before number `end`."""
    # The first frame may be acknowledged to its end; the next one is not then.
    waiting = 1 if given and given[0] == resolved else 0
    return waiting < len(frames) and frames[waiting] < end
