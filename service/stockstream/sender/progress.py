"""How far each lane has come in the log: which records of which frame are acknowledged, and which segments are done."""

from collections import Counter, deque
from collections.abc import Callable, Sequence

from stockstream.outbox import Record, Slot


class _LaneOfKey(dict[str, int]):
    """Remembers the lane of every key; a key is looked up for each record, in C."""

    def __init__(self, lane_of_key: Callable[[str], int]) -> None:
        super().__init__()
        self._lane_of_key = lane_of_key

    def __missing__(self, key: str) -> int:
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
        # For each lane, what of it each frame gave that is not acknowledged yet: segment, number of the frame, records
        # acknowledged of it, records not acknowledged.
        self._fed: list[deque[list[int]]] = [deque() for _ in slots]
        self._resolved = [0] * len(self._slots)
        self._unresolved: Counter[int] = Counter()

    def is_done(self, segment: int) -> bool:
        """Whether nothing that was fed from a segment waits for its acknowledgement."""
        return not self._unresolved[segment]

    def forget(self, segment: int) -> None:
        """The segment is gone."""
        self._unresolved.pop(segment, None)

    def fed(self, keys: Sequence[str], first: int, segment: int) -> None:
        """Note that the lanes were given the records of a frame.

        Args:
            keys: Partition keys of the records.
            first: Number of the frame.
            segment: That it lies in.
        """
        fed = self._fed
        for lane, count in Counter(map(self._lane_of_key.__getitem__, keys)).items():
            fed[lane].append([segment, first, 0, count])
        self._unresolved[segment] += len(keys)

    def fed_again(self, records: Sequence[Record], first: int, segment: int) -> list[Record]:
        """Note the same of a frame of an earlier run; returns the records of it that are to be sent."""
        if first > self._acknowledged_to:
            self.fed([key for key, _ in records], first, segment)
            return list(records)
        left = []
        seen: Counter[int] = Counter()
        for record in records:
            lane = self._lane_of_key[record[0]]
            seen[lane] += 1
            if not self._slots[lane].acknowledged_of(first, seen[lane]) == seen[lane]:
                left.append(record)
        for lane, count in seen.items():
            acknowledged = self._slots[lane].acknowledged_of(first, count)
            if count > acknowledged:
                self._fed[lane].append([segment, first, acknowledged, count - acknowledged])
        self._unresolved[segment] += len(left)
        return left

    def unacknowledged(self, records: Sequence[Record], first: int) -> int:
        """How many records of a frame that the lanes were not given are to be sent."""
        if first > self._acknowledged_to:
            return len(records)
        counts = Counter(self._lane_of_key[key] for key, _ in records)
        return sum(count - self._slots[lane].acknowledged_of(first, count) for lane, count in counts.items())

    def resolved(self, lane: int, resolved: int) -> Slot:
        """Note that the first `resolved` records that the lane was given in this run are acknowledged."""
        left = resolved - self._resolved[lane]
        self._resolved[lane] = resolved
        slot = self._slots[lane]
        first, acknowledged, within = slot.first, slot.acknowledged + left, slot.within
        fed = self._fed[lane]
        while left:
            entry = fed[0]
            segment, first, within, count = entry
            taken = min(left, count)
            within += taken
            left -= taken
            self._unresolved[segment] -= taken
            if taken == count:
                fed.popleft()
            else:
                entry[2], entry[3] = within, count - taken
        slot = self._slots[lane] = Slot(first, acknowledged, within)
        return slot
