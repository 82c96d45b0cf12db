"""One symbol's share of a batch, from its state to its last commit."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from stockstream_lambda.analysis.fold import Segment, SymbolFold
from stockstream_lambda.errors import ConsumerError
from stockstream_lambda.records import UserQuote
from stockstream_lambda.symbols import Commit, SymbolView

# A conflict means that somebody else moves the symbol; after so many the batch comes again instead.
MAX_CONFLICTS = 4


@dataclass(slots=True)
class SymbolWork:
    """What is still to be done for one symbol.

    Attributes:
        symbol: Ticker.
        quotes: Its quotes in this batch, in stream order.
        view: Its state; None until read, and again after a conflict.
        fold: Folds onto that state.
        stored: Event times of the batch that are stored already.
        offset: Quotes dealt with.
        segment: What the present round folded.
        commit: What the present round commits.
        conflicts: Commits that found the symbol moved on.
        error: Why the rest of its quotes must come again.
    """

    symbol: str
    quotes: list[UserQuote]
    view: SymbolView | None = None
    fold: SymbolFold | None = None
    stored: set[str] = field(default_factory=set)
    offset: int = 0
    segment: Segment | None = None
    commit: Commit | None = None
    conflicts: int = 0
    error: ConsumerError | None = None

    @property
    def open(self) -> bool:
        return self.error is None and (self.offset < len(self.quotes) or self.commit is not None)

    def fail(self, error: ConsumerError | None) -> None:
        if self.error is None:
            self.error = error

    def failed_index(self) -> int:
        """Lowest index of a Kinesis record that must come again."""
        return min(user_quote.record_index for user_quote in self.quotes[self.offset :])

    def not_newer(self) -> list[str]:
        """Event times that may be stored already: those not newer than the state or than a quote before them."""
        assert self.view is not None  # noqa: S101 - for the type checker
        latest, found = self.view.state.last_timestamp, []
        for user_quote in self.quotes[self.offset :]:
            timestamp = user_quote.quote.timestamp
            if timestamp > latest:
                latest = timestamp
            else:
                found.append(timestamp)
        return list(dict.fromkeys(found))


def group_by_symbol(quotes: Sequence[UserQuote]) -> list[SymbolWork]:
    """Split a batch by symbol, keeping each symbol's order."""
    by_symbol: dict[str, list[UserQuote]] = {}
    for user_quote in quotes:
        by_symbol.setdefault(user_quote.quote.symbol, []).append(user_quote)
    return [SymbolWork(symbol, of_symbol) for symbol, of_symbol in by_symbol.items()]
