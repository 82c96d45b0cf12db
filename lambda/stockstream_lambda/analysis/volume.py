"""Volume: what traded between two marks of a session's cumulative volume, VWAP, and each minute against its usual.

A mark never goes down within a session: a lower figure is a fault of the feed. What traded between two marks belongs to
the windows that hold both, and to the window of the later where the two are neighbours; to no other, for nobody saw in
which it traded. docs/market.md has the rule.
"""

from decimal import Decimal
from functools import lru_cache
from math import log2
from typing import Final

import msgspec

from stockstream_lambda.items import Indicators
from stockstream_wire import timestamp_to_epoch_ms
from stockstream_wire.storage import BLOCK_INTERVAL, INTERVAL_MINUTES, INTERVALS

# log2(volume + 1) is below 64 for any 63-bit volume; 1,023 steps to one doubling fit 16 bits and resolve 0.07%.
_STEPS: Final = 1023
# The mean of the first so many sessions, and an exponential one of that span afterwards.
_PROFILE_SESSIONS: Final = 20
_MINUTE: Final = INTERVALS.index("1m")
_BLOCK: Final = INTERVALS.index(BLOCK_INTERVAL)
_DAY_ALONE: Final = tuple(interval not in INTERVAL_MINUTES for interval in INTERVALS)
_ALL: Final = (True,) * len(INTERVALS)


class Traded(msgspec.Struct, frozen=True, gc=False):
    """What traded between two marks.

    Attributes:
        volume: How much.
        since: The minute of the earlier mark (`2026-11-20T14:30`); empty where it is not known.
        is_of: Whether it belongs to the window that the later mark is in, in the order of INTERVALS.
    """

    volume: int
    since: str
    is_of: tuple[bool, ...]


class VolumeProfile:
    """Usual volume per minute of the exchange's day: a geometric running mean, three bytes a minute.

    The geometric mean, because volumes spread over orders of magnitude and one wild day must not set what is usual.

    Args:
        packed: First minute, levels, counts; empty where nothing was learnt. Read and changed in place.
    """

    __slots__ = ("_packed",)

    def __init__(self, packed: bytearray) -> None:
        self._packed = packed

    def usual(self, minute: int) -> tuple[float, int]:
        """Usual volume of a minute of the day, and the number of sessions behind it (255 means at least so many)."""
        packed = self._packed
        minutes = len(packed) // 3
        index = minute - (packed[0] << 8 | packed[1]) if minutes else -1
        if not 0 <= index < minutes or not packed[2 + 2 * minutes + index]:
            return 0.0, 0
        place = 2 + 2 * index
        level = packed[place] | packed[place + 1] << 8
        return float(2.0 ** (level / _STEPS) - 1), packed[2 + 2 * minutes + index]

    def learn(self, minute: int, volume: int) -> None:
        """Take the whole volume of one minute of one session."""
        packed = self._packed
        index = self._cover(minute)
        minutes = len(packed) // 3
        place, count_place = 2 + 2 * index, 2 + 2 * minutes + index
        count = packed[count_place]
        known = packed[place] | packed[place + 1] << 8
        weight = 1 / min(count + 1, _PROFILE_SESSIONS)
        level = round(known + (log2(volume + 1) * _STEPS - known) * weight)
        packed[place : place + 2] = level.to_bytes(2, "little")
        packed[count_place] = min(count + 1, 255)

    def _cover(self, minute: int) -> int:
        """Grow to hold the minute; its index."""
        packed = self._packed
        if not packed:
            packed[:] = minute.to_bytes(2, "big") + bytes(3)
            return 0
        minutes, base = len(packed) // 3, packed[0] << 8 | packed[1]
        if minute < base:
            missing = base - minute
            packed[2 + 2 * minutes : 2 + 2 * minutes] = bytes(missing)
            packed[:2] = minute.to_bytes(2, "big") + bytes(2 * missing)
            return 0
        missing = minute - base - minutes + 1
        if missing > 0:
            packed.extend(bytes(missing))
            packed[2 + 2 * minutes : 2 + 2 * minutes] = bytes(2 * missing)
        return minute - base


class Volume(msgspec.Struct, array_like=True):
    """State of volume statistics.

    Attributes:
        traded: Sum of price times volume of the session, of what traded between marks at most a block apart.
        shares: Volume of the session that `traded` covers.
        last: The highest cumulative volume of the session.
        minute: Minute of the exchange's day that is being summed; -1 before the first.
        minute_volume: Volume of that minute so far.
        is_incomplete: What it sums is not all that traded in the minute.
        profile: Packed `VolumeProfile`.
        marked_at: Minute (UTC) of that highest volume; at first, when the session opened; empty where nobody knows.
    """

    traded: Decimal = Decimal(0)
    shares: int = 0
    last: int = 0
    minute: int = -1
    minute_volume: int = 0
    is_incomplete: bool = False
    profile: bytearray = msgspec.field(default_factory=bytearray)
    marked_at: str = ""

    def start_session(self, opening: str) -> None:
        """Close the last minute of the session before and begin at zero, at the opening (UTC minute, or empty)."""
        self._close_minute()
        self.traded = Decimal(0)
        self.shares = self.last = 0
        self.minute = -1
        self.marked_at = opening

    def add(self, price: Decimal, mark: int, utc_minute: str, minute: int) -> Traded | None:
        """Take the next mark of the session; None where it lies below one before it.

        Args:
            price: Price that came with it.
            mark: The cumulative volume.
            utc_minute: When (`2026-11-20T14:30`).
            minute: The same as minute of the exchange's day.
        """
        if mark < self.last:
            return None
        difference, since = mark - self.last, self.marked_at
        self.last, self.marked_at = mark, utc_minute
        is_of = windows_of(since, utc_minute) if difference and since != utc_minute else _ALL
        self.is_incomplete = self.is_incomplete or not is_of[_MINUTE]
        if minute != self.minute:
            self._close_minute()
            self.minute = minute
            self.is_incomplete = not is_of[_MINUTE]
        if is_of[_MINUTE]:
            self.minute_volume += difference
        if difference and is_of[_BLOCK]:
            self.traded += price * difference
            self.shares += difference
        return Traded(difference, since, is_of)

    def _close_minute(self) -> None:
        if self.minute >= 0 and self.minute_volume and not self.is_incomplete:
            VolumeProfile(self.profile).learn(self.minute, self.minute_volume)
        self.minute_volume = 0
        self.is_incomplete = False

    def tell(self, indicators: Indicators) -> None:
        """Add the session's VWAP, once there is volume."""
        if self.shares:
            indicators["vwap"] = float(self.traded) / self.shares

    def ratio(self, minute: int, minimum_sessions: int) -> float | None:
        """Volume of the minute so far over its usual; None while unknown."""
        if self.is_incomplete or minute != self.minute:
            return None
        usual, sessions = VolumeProfile(self.profile).usual(minute) if self.profile else (0.0, 0)
        return self.minute_volume / usual if sessions >= minimum_sessions and usual > 0 else None


@lru_cache(maxsize=8192)
def windows_of(since: str, until: str) -> tuple[bool, ...]:
    """To which windows of the later of two minutes of a session belongs what traded between, in the order of INTERVALS.

    To those that hold both, or of which the one before holds the earlier. The day holds the session.
    """
    if not since:
        return _DAY_ALONE
    earlier, later = (timestamp_to_epoch_ms(f"{minute}:00.000Z") // 60_000 for minute in (since, until))
    return tuple(
        interval not in INTERVAL_MINUTES
        or abs(later // INTERVAL_MINUTES[interval] - earlier // INTERVAL_MINUTES[interval]) <= 1
        for interval in INTERVALS
    )
