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

    def add(self, price: Decimal, value: float, indicators: Indicators) -> None:
        """Take the next price of the session; tell the averages that have seen a whole span.

        Args:
            price: The price.
            value: The same as a float.
            indicators: Where they are told.
        """
        window, sums, emas = self.window, self.sums, self.emas
        held = len(window)
        self.count = count = self.count + 1
        for index, span, name in _SMAS:
            total = sums[index] + (price - window[held - span] if held >= span else price)
            sums[index] = total
            if count >= span:
                indicators[name] = float(total) / span
        window.append(price)
        if held == _LONGEST:
            del window[0]
        for index, span, name in _EMAS:
            ema = emas[index]
            if count > span:
                ema += (value - ema) * 2 / (span + 1)
            else:
                ema += value
                if count == span:
                    # The customary seed of an exponential average is the simple one of its first span.
                    ema /= span
            emas[index] = ema
            if count >= span:
                indicators[name] = ema
