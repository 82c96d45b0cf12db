"""Volume: session VWAP from differences of the cumulative volume, and each minute against its usual volume."""

from decimal import Decimal
from math import log2
from typing import Final

import msgspec

from stockstream_wire.quote import VOLUME_MAX

# log2(volume + 1) is below 64 for any 63-bit volume; 1,023 steps to one doubling fit 16 bits and resolve 0.07%.
_STEPS: Final = 1023
# The mean of the first so many sessions, and an exponential one of that span afterwards.
_PROFILE_SESSIONS: Final = 20


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
        traded: Sum of price times volume of the session.
        shares: Volume of the session that `traded` covers.
        last: Cumulative volume of the last quote of the session.
        minute: Minute of the exchange's day that is being summed; -1 before the first.
        minute_volume: Volume of that minute so far.
        partial: The minute began before we were watching: what it sums is not the minute's.
        profile: Packed `VolumeProfile`.
    """

    traded: Decimal = Decimal(0)
    shares: int = 0
    last: int = 0
    minute: int = -1
    minute_volume: int = 0
    partial: bool = True
    profile: bytearray = msgspec.field(default_factory=bytearray)

    def start_session(self) -> None:
        """Close the last minute of the session before and begin at zero."""
        self._close_minute()
        self.traded = Decimal(0)
        self.shares = self.last = 0
        self.minute = -1
        # From the second session on we have been watching since before the open.
        self.partial = False

    def add(self, price: Decimal, cumulative: int, minute: int) -> int:
        """Take the next quote; return the volume traded since the one before (never negative: feeds correct back)."""
        difference = max(0, cumulative - self.last)
        self.last = cumulative
        if minute != self.minute:
            self._close_minute()
            self.minute = minute
        # A feed that jumps up and down by absurd volumes must not grow a sum beyond what an integer of the state holds.
        self.minute_volume = min(self.minute_volume + difference, VOLUME_MAX)
        if difference and self.shares + difference <= VOLUME_MAX:
            self.traded += price * difference
            self.shares += difference
        return difference

    def _close_minute(self) -> None:
        if self.minute >= 0:
            if not self.partial and self.minute_volume:
                VolumeProfile(self.profile).learn(self.minute, self.minute_volume)
            self.partial = False
        self.minute_volume = 0

    def warm(self) -> list[tuple[str, float]]:
        """Session VWAP, once there is volume."""
        return [("vwap", float(self.traded / self.shares))] if self.shares else []

    def ratio(self, minimum_sessions: int) -> float | None:
        """Volume of the minute so far over its usual; None while unknown."""
        if self.partial or self.minute < 0:
            return None
        usual, sessions = VolumeProfile(self.profile).usual(self.minute)
        return self.minute_volume / usual if sessions >= minimum_sessions and usual > 0 else None
