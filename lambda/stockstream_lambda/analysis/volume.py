"""Volume: session VWAP from differences of the cumulative volume, and each minute against its usual volume."""

from array import array
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
    """

    def __init__(self, packed: bytes = b"") -> None:
        self._base = int.from_bytes(packed[:2], "big")
        minutes = max(0, len(packed) - 2) // 3
        self._levels = array("H", packed[2 : 2 + 2 * minutes])
        self._counts = bytearray(packed[2 + 2 * minutes :])

    def pack(self) -> bytes:
        """Serialise: first minute, levels, counts; empty where nothing was learnt."""
        if not self._counts:
            return b""
        return self._base.to_bytes(2, "big") + self._levels.tobytes() + bytes(self._counts)

    def usual(self, minute: int) -> tuple[float, int]:
        """Usual volume of a minute of the day, and the number of sessions behind it (255 means at least so many)."""
        index = minute - self._base
        if not 0 <= index < len(self._counts) or not self._counts[index]:
            return 0.0, 0
        return 2.0 ** (self._levels[index] / _STEPS) - 1, self._counts[index]

    def learn(self, minute: int, volume: int) -> None:
        """Take the whole volume of one minute of one session."""
        self._cover(minute)
        index = minute - self._base
        count = self._counts[index]
        level = log2(volume + 1) * _STEPS
        weight = 1 / min(count + 1, _PROFILE_SESSIONS)
        self._levels[index] = round(self._levels[index] + (level - self._levels[index]) * weight)
        self._counts[index] = min(count + 1, 255)

    def _cover(self, minute: int) -> None:
        if not self._counts:
            self._base = minute
        if minute < self._base:
            missing = self._base - minute
            self._levels = array("H", bytes(2 * missing)) + self._levels
            self._counts = bytearray(missing) + self._counts
            self._base = minute
        missing = minute - self._base - len(self._counts) + 1
        if missing > 0:
            self._levels.extend([0] * missing)
            self._counts.extend(bytes(missing))


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
    profile: bytes = b""

    def start_session(self, profile: VolumeProfile) -> None:
        """Close the last minute of the session before and begin at zero."""
        self._close_minute(profile)
        self.traded = Decimal(0)
        self.shares = self.last = 0
        self.minute = -1
        # From the second session on we have been watching since before the open.
        self.partial = False

    def add(self, price: Decimal, cumulative: int, minute: int, profile: VolumeProfile) -> int:
        """Take the next quote; return the volume traded since the one before (never negative: feeds correct back)."""
        difference = max(0, cumulative - self.last)
        self.last = cumulative
        if minute != self.minute:
            self._close_minute(profile)
            self.minute = minute
        # A feed that jumps up and down by absurd volumes must not grow a sum beyond what an integer of the state holds.
        self.minute_volume = min(self.minute_volume + difference, VOLUME_MAX)
        if difference and self.shares + difference <= VOLUME_MAX:
            self.traded += price * difference
            self.shares += difference
        return difference

    def _close_minute(self, profile: VolumeProfile) -> None:
        if self.minute >= 0:
            if not self.partial and self.minute_volume:
                profile.learn(self.minute, self.minute_volume)
            self.partial = False
        self.minute_volume = 0

    def warm(self, profile: VolumeProfile, minimum_sessions: int) -> list[tuple[str, float]]:
        """Session VWAP once there is volume; the minute's ratio once enough sessions say what is usual."""
        found = []
        if self.shares:
            found.append(("vwap", float(self.traded / self.shares)))
        ratio = self.ratio(profile, minimum_sessions)
        if ratio is not None:
            found.append(("volume_ratio", ratio))
        return found

    def ratio(self, profile: VolumeProfile, minimum_sessions: int) -> float | None:
        """Volume of the minute so far over its usual; None while unknown."""
        if self.partial or self.minute < 0:
            return None
        usual, sessions = profile.usual(self.minute)
        return self.minute_volume / usual if sessions >= minimum_sessions and usual > 0 else None
