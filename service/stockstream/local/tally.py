"""What a run of local mode saw go in: the accepted quotes by id, for the check at the end and for the live view."""

from collections import Counter, deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from stockstream.sources.base import Rejection
from stockstream_wire import Quote

# Prices kept for a sparkline: as many as the widest terminal shows.
PRICES_KEPT: Final = 120
REJECTIONS_KEPT: Final = 100


class RunTally:
    """A `PipelineObserver` that remembers what the end of the run and the live view ask for.

    Memory: about 100 bytes a quote for its id; local mode is for sessions of hours.
    """

    def __init__(self) -> None:
        self.accepted_ids: dict[str, set[str]] = {}
        self.latest: dict[str, Quote] = {}
        self.prices: dict[str, deque[Decimal]] = {}
        self.rejections: deque[Rejection] = deque(maxlen=REJECTIONS_KEPT)
        self.rejected_by_reason: Counter[str] = Counter()

    @property
    def accepted(self) -> int:
        """Accepted quotes, each id once."""
        return sum(len(times) for times in self.accepted_ids.values())

    def on_accepted(self, quotes: Sequence[Quote]) -> None:
        for quote in quotes:
            self.accepted_ids.setdefault(quote.symbol, set()).add(quote.timestamp)
            self.latest[quote.symbol] = quote
            self.prices.setdefault(quote.symbol, deque(maxlen=PRICES_KEPT)).append(quote.price)

    def on_rejected(self, rejections: Sequence[Rejection]) -> None:
        self.rejections.extend(rejections)
        self.rejected_by_reason.update(rejection.reason for rejection in rejections)
