"""How a cycle's symbols are cut into requests, and when each request starts. Pure."""

import math
from collections.abc import Sequence
from typing import Final

# More than 99 symbols in one v7 request fail (seen by yfinance's users); 90 leaves room for long names in the URL.
BATCH_SYMBOLS_MAX: Final = 99
BATCH_SYMBOLS_DEFAULT: Final = 90
BATCH_SYMBOLS_MIN: Final = 10
# Share of the interval over which a cycle's requests are spread; the rest is for slow replies.
SPREAD_FRACTION: Final = 0.8


class BatchSizer:
    """Halves the batch on 5xx, garbage and short answers, and grows it back by a quarter a good reply."""

    def __init__(self, largest: int = BATCH_SYMBOLS_DEFAULT) -> None:
        if not 1 <= largest <= BATCH_SYMBOLS_MAX:
            msg = f"largest={largest} must be between 1 and {BATCH_SYMBOLS_MAX}"
            raise ValueError(msg)
        self.largest = largest
        self.size = largest
        self.smallest = min(BATCH_SYMBOLS_MIN, largest)

    def fit(self, symbols: int, requests: float) -> None:
        """Keep batches large enough for so many symbols to fit so many requests: small ones must not cost a cycle."""
        needed = math.ceil(symbols / max(1.0, requests))
        self.smallest = min(self.largest, max(BATCH_SYMBOLS_MIN, needed))
        self.size = max(self.size, self.smallest)

    def halve(self) -> None:
        """Note a 5xx, an unreadable reply or a short answer."""
        self.size = max(self.smallest, self.size // 2)

    def grow(self) -> None:
        """Note a complete answer."""
        self.size = min(self.largest, self.size + max(1, self.size // 4))


def cut(symbols: Sequence[str], size: int) -> list[list[str]]:
    """Cut symbols into batches of at most `size`, as even as they come: 91 in 90s are 46 and 45."""
    if not symbols:
        return []
    count = -(-len(symbols) // size)
    share, larger = divmod(len(symbols), count)
    batches: list[list[str]] = []
    start = 0
    for index in range(count):
        end = start + share + (index < larger)
        batches.append(list(symbols[start:end]))
        start = end
    return batches


def start_offset_seconds(index: int, count: int, spread_seconds: float) -> float:
    """When request `index` of `count` starts, counted from the start of the cycle."""
    return spread_seconds * index / count if count else 0.0
