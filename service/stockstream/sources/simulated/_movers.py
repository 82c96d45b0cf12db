"""Now and then one share makes a move that the alert rule must see; without it a demonstration is a quiet afternoon."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

_RAMP_SECONDS: Final = 6.0
_HOLD_SECONDS: Final = 45.0
_HALF_LIFE_SECONDS: Final = 60.0
# Below this the move has gone: a tenth of a thousandth, less than a cent on most shares.
_FORGOTTEN_LOG_RETURN: Final = 1e-4


@dataclass(frozen=True, slots=True)
class MoverPlan:
    """How often a share of the simulated market breaks out, apart from its ordinary volatility.

    Attributes:
        first_seconds: When the first one starts, counted from the first quotes.
        every_seconds: Mean time from one start to the next; the times between are spread evenly from half to one and
            a half of it.
        percent_low: Smallest distance from the previous close that a move reaches, percent.
        percent_high: Largest, percent.
    """

    first_seconds: float = 20.0
    every_seconds: float = 240.0
    percent_low: float = 5.6
    percent_high: float = 8.5


class Movers:
    """Decides who breaks out when, on the step count alone: the same seed tells the same story.

    Args:
        plan: How often and how far.
        symbols: Candidates.
        random: Source of chance.
    """

    def __init__(self, plan: MoverPlan, symbols: Sequence[str], random: Random) -> None:
        self._plan = plan
        self._symbols = symbols
        self._random = random
        self._next_seconds = plan.first_seconds

    def starting(self, elapsed_seconds: float) -> tuple[str, float] | None:
        """The symbol that starts to move at this step and the change in percent it heads for, or None."""
        if elapsed_seconds < self._next_seconds:
            return None
        plan = self._plan
        self._next_seconds = elapsed_seconds + plan.every_seconds * self._random.uniform(0.5, 1.5)
        size_percent = self._random.uniform(plan.percent_low, plan.percent_high)
        return self._random.choice(self._symbols), self._random.choice((-1, 1)) * size_percent


class Excursion:
    """One move on top of a share's own path: up (or down) in seconds, held, then slowly given back."""

    def __init__(self, log_return: float, *, start_log_return: float = 0.0) -> None:
        self._log_return = log_return
        self._start_log_return = start_log_return
        self._age_seconds = 0.0

    def advance(self, seconds: float) -> float:
        """Let time pass; the log return on top of the share's own path from now on."""
        self._age_seconds += seconds
        if self._age_seconds < _RAMP_SECONDS:
            way = self._age_seconds / _RAMP_SECONDS
            return self._start_log_return + (self._log_return - self._start_log_return) * way
        faded_seconds = max(0.0, self._age_seconds - _RAMP_SECONDS - _HOLD_SECONDS)
        return self._log_return * math.pow(0.5, faded_seconds / _HALF_LIFE_SECONDS)

    @property
    def is_over(self) -> bool:
        faded_seconds = max(0.0, self._age_seconds - _RAMP_SECONDS - _HOLD_SECONDS)
        return abs(self._log_return) * math.pow(0.5, faded_seconds / _HALF_LIFE_SECONDS) < _FORGOTTEN_LOG_RETURN
