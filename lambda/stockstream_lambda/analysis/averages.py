"""Moving averages over the ticks of a session: simple ones exact by running sums, exponential ones by recursion."""

from decimal import Decimal
from typing import Final

import msgspec

from stockstream_lambda.items import Indicators

SMA_SPANS: Final = (5, 20, 50)
EMA_SPANS: Final = (12, 26)

_LONGEST: Final = max(SMA_SPANS)
_SMAS: Final = [(index, span, f"sma_{span}") for index, span in enumerate(SMA_SPANS)]
_EMAS: Final = [(index, span, f"ema_{span}") for index, span in enumerate(EMA_SPANS)]


class Averages(msgspec.Struct, array_like=True):
    """State of all averages.

    Attributes:
        window: The last prices, oldest first, as many as the longest simple average spans.
        sums: Sum of the last `SMA_SPANS[i]` prices. Decimal, so that adding and taking away never drifts.
        emas: Sum of the prices while an average has fewer than its span, its value from then on.
        count: Prices seen in the session.
    """

    window: list[Decimal] = []
    sums: list[Decimal] = msgspec.field(default_factory=lambda: [Decimal(0)] * len(SMA_SPANS))
    emas: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(EMA_SPANS))
    count: int = 0

    def add(self, price: Decimal) -> None:
        """Take the next price of the session."""
        window, sums = self.window, self.sums
        held = len(window)
        for index, span in enumerate(SMA_SPANS):
            sums[index] += price - window[held - span] if held >= span else price
        window.append(price)
        if held == _LONGEST:
            del window[0]
        self.count += 1
        value, count, emas = float(price), self.count, self.emas
        for index, span in enumerate(EMA_SPANS):
            if count < span:
                emas[index] += value
            elif count == span:
                # The customary seed of an exponential average is the simple one of its first span.
                emas[index] = (emas[index] + value) / span
            else:
                emas[index] += (value - emas[index]) * 2 / (span + 1)

    def tell(self, indicators: Indicators) -> None:
        """Add the averages that have seen a whole span."""
        count, sums, emas = self.count, self.sums, self.emas
        for index, span, name in _SMAS:
            if count >= span:
                indicators[name] = float(sums[index]) / span
        for index, span, name in _EMAS:
            if count >= span:
                indicators[name] = emas[index]
