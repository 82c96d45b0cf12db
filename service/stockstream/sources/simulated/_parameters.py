"""What kind of share a symbol is in the simulated market: drawn once from a hash of seed and symbol."""

import hashlib
import math
from dataclasses import dataclass
from random import Random
from typing import Final

# Of the demonstration's symbols, which everyone knows. Round figures of the right size, not quotes.
_KNOWN_PRICES: Final = {
    "AAPL": 240.0,
    "MSFT": 430.0,
    "NVDA": 140.0,
    "AMZN": 210.0,
    "GOOGL": 175.0,
    "META": 580.0,
    "TSLA": 320.0,
    "JPM": 240.0,
    "SPY": 590.0,
    "BRK-B": 470.0,
}

_PRICE_RANGE: Final = (12.0, 450.0)
# Standard deviation of a day's log return: from a quiet index fund to a lively single share.
_DAILY_VOLATILITY_RANGE: Final = (0.008, 0.028)
_DAILY_VOLUME_RANGE: Final = (1_500_000, 80_000_000)
# GARCH(1,1) of the steps: alpha reacts to the last return, alpha + beta is how long a storm lasts.
_ALPHA_RANGE: Final = (0.05, 0.11)
_PERSISTENCE_RANGE: Final = (0.96, 0.985)
_MARKET_SHARE_RANGE: Final = (0.2, 0.6)


@dataclass(frozen=True, slots=True)
class ShareParameters:
    """One symbol of the simulated market.

    Attributes:
        previous_close: In currency units.
        daily_volatility: Standard deviation of the log return of one session.
        daily_volume: Shares in an average session.
        alpha: GARCH weight of the last squared return.
        beta: GARCH weight of the last variance.
        market_share: Part of the variance that comes from the market as a whole, 0 to 1.
    """

    previous_close: float
    daily_volatility: float
    daily_volume: int
    alpha: float
    beta: float
    market_share: float


def random_for(seed: int, *names: str) -> Random:
    """A random generator of its own for each name: adding a symbol changes no other symbol's path."""
    digest = hashlib.sha256("\0".join((str(seed), *names)).encode()).digest()
    return Random(int.from_bytes(digest[:16], "big"))


def share_parameters(seed: int, symbol: str) -> ShareParameters:
    """Draw the parameters of a symbol; the same seed and symbol give the same share."""
    random = random_for(seed, symbol, "parameters")
    drawn_price = _log_uniform(random, *_PRICE_RANGE)
    alpha = random.uniform(*_ALPHA_RANGE)
    return ShareParameters(
        previous_close=_KNOWN_PRICES.get(symbol, drawn_price) * math.exp(random.gauss(0, 0.01)),
        daily_volatility=_log_uniform(random, *_DAILY_VOLATILITY_RANGE),
        daily_volume=round(_log_uniform(random, *_DAILY_VOLUME_RANGE)),
        alpha=alpha,
        beta=random.uniform(*_PERSISTENCE_RANGE) - alpha,
        market_share=random.uniform(*_MARKET_SHARE_RANGE),
    )


def _log_uniform(random: Random, low: float, high: float) -> float:
    return math.exp(random.uniform(math.log(low), math.log(high)))
