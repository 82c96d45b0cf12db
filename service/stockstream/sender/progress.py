"""How far each lane has come in the log: which records of which frame are acknowledged, and what is done with."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Final

from stockstream.outbox import Record, Slot
from stockstream.sender.scheduler import MAX_KNOWN_KEYS

# What a frame gave a lane is one number, the frame's above and the count below: whole numbers are no work for the
# garbage collector, and there is one for almost every record.
_COUNT_BITS: Final = 20
_COUNT_MASK: Final = (1 << _COUNT_BITS) - 1
# Below this many records counting them one by one costs less than a Counter.
_FEW_RECORDS: Final = 32


class _LaneOfKey(dict[str, int]):
    """Remembers the lane of every key; a key is looked up for each record, in C."""

    def __init__(self, lane_of_key: Callable[[str], int]) -> None:
        super().__init__()
        self._lane_of_key = lane_of_key

    def __missing__(self, key: str) -> int:
        if len(self) >= MAX_KNOWN_KEYS:
            self.clear()
        lane = self[key] = self._lane_of_key(key)
        return lane


class Progress:
    """Follows records from the log through the lanes to their acknowledgement.

    Args:
        slots: How far each lane was acknowledged at the start.
        lane_of_key: Lane of a partition key.
    """

    def __init__(self, slots: Sequence[Slot], lane_of_key: Callable[[str], int]) -> None:
        self._slots = list(slots)
        self._lane_of_key = _LaneOfKey(lane_of_key)
        self._acknowledged_to = max((slot.first for slot in slots), default=0)
        # For each lane, what of it the frames gave that are not acknowledged to their end.
        self._fed: list[deque[int]] = [deque() for _ in slots]
        # Of the first of those frames, how many records of the lane are acknowledged.
        self._within = [0] * len(self._slots)
        self._first = [slot.first for slot in slots]
        self._acknowledged = [slot.acknowledged for slot in slots]
        self._resolved = [0] * len(self._slots)

    def is_done_before(self, end: int) -> bool:
        """Whether nothing that was fed of frames before number `end` waits for its acknowledgement."""
        bound = end << _COUNT_BITS
        return not any(fed and fed[0] < bound for fed in self._fed)

    def fed(self, keys: Sequence[str], first: int) -> None:
        """Note that the lanes were given the records of a frame.

        Args:
            keys: Partition keys of the records.
            first: Number of the frame.
        """
        fed, frame = self._fed, first << _COUNT_BITS
        lanes = map(self._lane_of_key.__getitem__, keys)
        if len(keys) > _FEW_RECORDS:
            for lane, count in Counter(lanes).items():
                fed[lane].append(frame + count)
            return
        for lane in lanes:
            of_lane = fed[lane]
            if of_lane and of_lane[-1] > frame:
                of_lane[-1] += 1
            else:
                of_lane.append(frame + 1)

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
                self._within[lane] = acknowledged or self._within[lane]
                self._fed[lane].append((first << _COUNT_BITS) + count)
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
        left = resolved - self._resolved[lane]
        self._resolved[lane] = resolved
        acknowledged = self._acknowledged[lane] = self._acknowledged[lane] + left
        fed, first, within = self._fed[lane], self._first[lane], self._within[lane]
        while left:
            entry = fed[0]
            first, count = entry >> _COUNT_BITS, entry & _COUNT_MASK
            rest = count - within
            if left < rest:
                within += left
                break
            left -= rest
            fed.popleft()
            if not left:
                self._first[lane], self._within[lane] = first, 0
                return first, acknowledged, count
            within = 0
        self._first[lane], self._within[lane] = first, within
        return first, acknowledged, within
