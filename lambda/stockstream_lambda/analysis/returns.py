"""Log returns between the ticks of a session: realised volatility, and how unusual the latest return is.

The robust z-score is (r − median) / (1.4826 · MAD), 1.4826 making the median absolute deviation comparable with a
normal distribution's standard deviation (Hampel 1974). Exact medians need a window; these are followed in O(1) by
stochastic approximation (Robbins and Monro 1951): each return moves median and MAD by a fixed small part of the present
scale towards itself, so that half the returns lie on either side. A wild return moves them no further than a tame one:
that is what makes the score robust. The first returns seed both exactly. Median and MAD outlive the session, for a
symbol's usual noise does; the return over night is left out.
"""

from math import log, sqrt
from typing import Final

import msgspec

from stockstream_lambda.items import Indicators

WARM_RETURNS: Final = 30
MAD_TO_SIGMA: Final = 1.4826
# About 1/40: the estimate follows the last hundred or so returns.
_STEP: Final = 0.025
# One basis point. Where most ticks do not move the price at all the MAD is 0, and any return would be infinite.
MAD_FLOOR: Final = 1e-4


def _median(values: list[float]) -> float:
    # The statistics module costs a tenth of the handler's import.
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


class Returns(msgspec.Struct, array_like=True):
    """State of return statistics.

    Attributes:
        last_price: Price of the previous tick of the session; 0 before the first, below 0 where prices are.
        sum_of_squares: Sum of squared log returns of the session.
        count: Returns of the session.
        center: Running median of returns, in log units.
        mad: Running median absolute deviation.
        seeds: The first returns ever, until there are enough to seed `center` and `mad`.
        z: Score of the latest return; None until warm.
        last_return: The latest log return; 0 before the second tick.
    """

    last_price: float = 0.0
    sum_of_squares: float = 0.0
    count: int = 0
    center: float = 0.0
    mad: float = 0.0
    seeds: list[float] | None = msgspec.field(default_factory=list)
    z: float | None = None
    last_return: float = 0.0

    def start_session(self) -> None:
        """Forget the session's sums; keep the usual noise."""
        self.last_price = self.sum_of_squares = self.last_return = 0.0
        self.count = 0
        self.z = None

    def add(self, price: float) -> None:
        """Take the next price of the session."""
        previous, self.last_price = self.last_price, price
        if previous <= 0.0 or price <= 0.0:  # the first; or a price at or below 0, to and from which no return leads
            self.z, self.last_return = None, 0.0
            return
        value = log(price / previous)
        self.last_return = value
        self.sum_of_squares += value * value
        self.count += 1
        seeds = self.seeds
        if seeds is not None:
            seeds.append(value)
            if len(seeds) == WARM_RETURNS:
                self.center = _median(seeds)
                self.mad = _median([abs(seed - self.center) for seed in seeds])
                self.seeds = None
            return
        mad, deviation = self.mad, value - self.center
        scale = max(MAD_FLOOR, mad)
        self.z = deviation / (MAD_TO_SIGMA * scale)
        step = _STEP * scale
        if deviation:
            self.center += step if deviation > 0 else -step
        self.mad = mad + step if abs(deviation) > mad else max(0.0, mad - step)

    def tell(self, indicators: Indicators) -> None:
        """Add the realised volatility of the session so far in percent, and the robust z-score, once warm."""
        if self.count >= WARM_RETURNS:
            indicators["realized_volatility_percent"] = sqrt(self.sum_of_squares) * 100
        if self.z is not None:
            indicators["return_z"] = self.z
