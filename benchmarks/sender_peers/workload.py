"""The quotes that are sent: 300 bytes of JSON, a sequence number per symbol. Standard library only: peers import it."""

import collections
import itertools
import random
import time

QUOTE_BYTES = 300
MIXED_BYTES = range(190, 411)
STOCK_QUOTES = 1000


class Workload:
    """Makes batches of quotes and counts what it made and how much CPU that took, which is not the sender's.

    Args:
        symbols: Number of symbols, taken in turn, or by Zipf's law.
        zipf: Whether the n-th symbol is n times as rare as the first.
        first: Sequence number to start every symbol at.
        mixed: Whether lengths vary from 190 to 410 bytes.
    """

    def __init__(self, symbols: int = 1000, zipf: bool = False, first: int = 0, mixed: bool = False) -> None:
        self.names = [f"S{i:04d}" for i in range(symbols)]
        self.made = dict.fromkeys(self.names, first)
        self.cpu_seconds = 0.0
        self._turn = itertools.cycle(self.names)
        self._rng = random.Random(7)
        self._weights = list(itertools.accumulate(1 / (i + 1) for i in range(symbols))) if zipf else None
        self._mixed = mixed
        self._stock: collections.deque[tuple[str, bytes]] = collections.deque()

    def take(self, count: int) -> list[tuple[str, bytes]]:
        """Like `batch`, from quotes made many at a time: reading a clock for each would be much of the measure."""
        while len(self._stock) < count:
            self._stock += self.batch(STOCK_QUOTES)
        return [self._stock.popleft() for _ in range(count)]

    def put_back(self) -> None:
        """Take what `take` has in stock out of what was made: it was not sent."""
        for symbol, _ in self._stock:
            self.made[symbol] -= 1
        self._stock.clear()

    def batch(self, count: int) -> list[tuple[str, bytes]]:
        """Make a list of (symbol, quote)."""
        start = time.thread_time()
        if self._weights:
            picked = self._rng.choices(self.names, cum_weights=self._weights, k=count)
        else:
            picked = list(itertools.islice(self._turn, count))
        lengths = self._rng.choices(MIXED_BYTES, k=count) if self._mixed else itertools.repeat(QUOTE_BYTES)
        quotes = []
        for symbol, length in zip(picked, lengths):  # noqa: B905 (one of them is endless)
            sequence = self.made[symbol]
            self.made[symbol] = sequence + 1
            head = f'{{"seq":{sequence:010d},"symbol":"{symbol}","price":{100 + sequence % 97}.25,"volume":1,"pad":"'
            quotes.append((symbol, (head + "x" * (length - 2 - len(head)) + '"}').encode()))
        self.cpu_seconds += time.thread_time() - start
        return quotes
