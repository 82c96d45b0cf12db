"""The path of one share: GARCH volatility, jumps, cents, and a volume that follows the day's curve.

Volatility clustering is GARCH(1,1) (Bollerslev, 1986), `h' = ω + α·r² + β·h`, with ω chosen so that the mean of h is 1;
jumps come on top as in Merton (1976): Poisson times, normal sizes.
"""

import math
from decimal import Decimal
from random import Random
from typing import Final

from stockstream.sources.simulated._movers import Excursion
from stockstream.sources.simulated._parameters import ShareParameters
from stockstream_wire import Quote

# The pace of the market is that of New York's regular hours, whatever time it is here.
TRADING_SECONDS_PER_DAY: Final = 6.5 * 3600
_JUMPS_PER_DAY: Final = 0.6
_JUMP_VOLATILITIES: Final = 0.8
# Storms are bounded, and so is the path: without news a share stays within some percent of its previous close.
_VARIANCE_MAX: Final = 25.0
_PULL_PER_DAY: Final = 3.0
_TICK: Final = Decimal("0.01")
_CENTS_MIN: Final = 100
_HALF_SPREAD: Final = 0.0001


def day_fraction_traded(fraction_of_day: float) -> float:
    """Share of a session's volume traded by a moment of it, both 0 to 1: the integral of a U-shaped rate.

    The rate is `0.4 + 1.8·(2u − 1)²`: 2.2 times the mean at both ends, 0.4 of it at noon.
    """
    u = min(max(fraction_of_day, 0.0), 1.0)
    return 0.4 * u + 0.3 * ((2 * u - 1) ** 3 + 1)


class Share:
    """State of one symbol; `step` moves it on, `quote` says where it is.

    Args:
        symbol: Ticker.
        parameters: Kind of share.
        random: Source of chance for this share alone.
        fraction_of_day: How much of the session has passed at the start, 0 to 1.
    """

    def __init__(self, symbol: str, parameters: ShareParameters, random: Random, fraction_of_day: float) -> None:
        self.symbol = symbol
        self._parameters = parameters
        self._random = random
        self._variance = 1.0
        self._excursion: Excursion | None = None
        self._extra_log_return = 0.0
        self._previous_close_cents = _cents(parameters.previous_close)
        self._log_price = math.log(self._previous_close_cents / 100)
        self._open(fraction_of_day)

    def _open(self, fraction_of_day: float) -> None:
        """Start a session: a gap from the previous close, and the part of the day that has passed already."""
        volatility = self._parameters.daily_volatility
        self._anchor = self._log_price
        self._log_price += self._random.gauss(0, 0.25 * volatility)
        self._open_cents = self._high_cents = self._low_cents = self._price_cents = _cents(math.exp(self._log_price))
        self._volume = self._traded(fraction_of_day)

    def start_session(self, fraction_of_day: float) -> None:
        """Close the session: the last price becomes the previous close, the day's numbers start again."""
        self._previous_close_cents = self._price_cents
        self._excursion = None
        self._extra_log_return = 0.0
        self._log_price = math.log(self._price_cents / 100)
        self._open(fraction_of_day)

    def head_for(self, change_percent: float) -> None:
        """Start an excursion to this change from the previous close, percent."""
        target = math.log(self._previous_close_cents / 100 * (1 + change_percent / 100))
        self._excursion = Excursion(target - self._log_price, start_log_return=self._extra_log_return)

    def step(self, seconds: float, market_return: float, fraction_of_day: float) -> None:
        """Let `seconds` of trading pass; `market_return` is the market's own, in standard deviations of a step."""
        parameters = self._parameters
        own = math.sqrt(self._variance) * self._random.gauss(0, 1)
        omega = 1 - parameters.alpha - parameters.beta
        self._variance = min(omega + parameters.alpha * own * own + parameters.beta * self._variance, _VARIANCE_MAX)
        shared = math.sqrt(parameters.market_share) * market_return
        of_day = seconds / TRADING_SECONDS_PER_DAY
        standard_move = parameters.daily_volatility * math.sqrt(of_day)
        self._log_price += standard_move * (shared + math.sqrt(1 - parameters.market_share) * own)
        self._log_price += (self._anchor - self._log_price) * min(1.0, _PULL_PER_DAY * of_day)
        if self._random.random() < _JUMPS_PER_DAY * of_day:
            self._log_price += self._random.gauss(0, _JUMP_VOLATILITIES * parameters.daily_volatility)
        if self._excursion is not None:
            self._extra_log_return = self._excursion.advance(seconds)
            if self._excursion.is_over:
                self._excursion, self._extra_log_return = None, 0.0
        self._price_cents = _cents(math.exp(self._log_price + self._extra_log_return))
        self._high_cents = max(self._high_cents, self._price_cents)
        self._low_cents = min(self._low_cents, self._price_cents)
        # Each step trades a part of what the curve says should have traded by now: uneven from step to step, never
        # above the curve, so that the volume of a day only grows, over restarts as well.
        outstanding = max(0, self._traded(fraction_of_day) - self._volume)
        self._volume += round(outstanding * self._random.betavariate(1.6, 1.2))

    def quote(self, timestamp: str) -> Quote:
        """Where the share is, as a quote at this event time."""
        half_spread_cents = max(1, round(self._price_cents * _HALF_SPREAD))
        return Quote(
            symbol=self.symbol,
            timestamp=timestamp,
            open=_decimal(self._open_cents),
            high=_decimal(self._high_cents),
            low=_decimal(self._low_cents),
            price=_decimal(self._price_cents),
            previous_close=_decimal(self._previous_close_cents),
            volume=self._volume,
            bid=_decimal(self._price_cents - half_spread_cents),
            ask=_decimal(self._price_cents + half_spread_cents),
            currency="USD",
            exchange="SIM",
            market_state="REGULAR",
            polled_at=timestamp,
            source="simulated",
            session_date=timestamp[:10],
        )

    def _traded(self, fraction_of_day: float) -> int:
        return int(self._parameters.daily_volume * day_fraction_traded(fraction_of_day))


def _cents(price: float) -> int:
    return max(_CENTS_MIN, round(price * 100))


def _decimal(cents: int) -> Decimal:
    return cents * _TICK
