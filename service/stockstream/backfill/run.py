"""Fill quotes and candles of some symbols from history, through the same stream as live quotes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from stockstream.backfill.candles import CandleStore, candles_of
from stockstream.backfill.history import quotes_of
from stockstream.errors import SourceError, SourceUnavailableError
from stockstream.sources.base import Rejection
from stockstream.sources.history import HistoryProvider
from stockstream_wire import encode_quote

_QUOTES_PER_SEND: Final = 500


class QuoteSender(Protocol):
    """The sender, as far as backfilling needs it."""

    async def send(self, records: Sequence[tuple[str, bytes]]) -> object: ...
    async def drain(self, timeout_seconds: float) -> int: ...


@dataclass(frozen=True, slots=True)
class SymbolOutcome:
    """What became of one symbol.

    Attributes:
        symbol: Ticker.
        quotes: Quotes sent.
        minutes: Minutes that they came from.
        candles: Candles written; windows that had one are not counted.
        rejected: What was no bar or no quote, by name.
        error: Why it failed, or empty.
        is_retryable: The same may succeed later.
    """

    symbol: str
    quotes: int = 0
    minutes: int = 0
    candles: int = 0
    rejected: Sequence[Rejection] = ()
    error: str = ""
    is_retryable: bool = False


@dataclass(slots=True)
class BackfillReport:
    """What became of a backfill; `unsent` quotes were not acknowledged by Kinesis before the deadline."""

    outcomes: list[SymbolOutcome] = field(default_factory=list)
    unsent: int = 0

    @property
    def quotes(self) -> int:
        return sum(outcome.quotes for outcome in self.outcomes)

    @property
    def is_complete(self) -> bool:
        return not self.unsent and not any(outcome.error for outcome in self.outcomes)


async def backfill(
    symbols: Sequence[str],
    start: datetime,
    end: datetime,
    *,
    provider: HistoryProvider,
    sender: QuoteSender,
    candles: CandleStore,
    drain_seconds: float,
    on_symbol: Callable[[SymbolOutcome], None] = lambda _: None,
) -> BackfillReport:
    """Send the quotes of every symbol from `start` (included) to `end` (excluded), and wait until Kinesis has them.

    Doing it twice is harmless: the same bars give quotes of the same ids, which the consumer stores once. A symbol
    without history does not keep the others from theirs; a provider that stays away fails the ones that are left.

    Args:
        symbols: Tickers.
        start: Aware.
        end: Aware.
        provider: History.
        sender: An open sender.
        candles: The candles table.
        drain_seconds: How long to wait for Kinesis at the end.
        on_symbol: Told of each symbol when it is through, for a progress bar.
    """
    report = BackfillReport()
    away = ""
    for symbol in symbols:
        if away:
            outcome = SymbolOutcome(symbol, error=away, is_retryable=True)
        else:
            try:
                outcome = await _fill(symbol, start, end, provider=provider, sender=sender, candles=candles)
            except SourceUnavailableError as exc:
                away = str(exc)
                outcome = SymbolOutcome(symbol, error=away, is_retryable=True)
            except SourceError as exc:
                outcome = SymbolOutcome(symbol, error=str(exc))
        report.outcomes.append(outcome)
        on_symbol(outcome)
    report.unsent = await sender.drain(drain_seconds)
    return report


async def _fill(
    symbol: str,
    start: datetime,
    end: datetime,
    *,
    provider: HistoryProvider,
    sender: QuoteSender,
    candles: CandleStore,
) -> SymbolOutcome:
    history = await provider.history(symbol, start, end)
    quotes, rejected = quotes_of(history, start, end)
    for offset in range(0, len(quotes), _QUOTES_PER_SEND):
        chunk = quotes[offset : offset + _QUOTES_PER_SEND]
        await sender.send([(quote.symbol, encode_quote(quote)) for quote in chunk])
    minutes = len({quote.timestamp[:16] for quote in quotes})
    windows = candles_of(history, _epoch_ms(start), _epoch_ms(end)) if quotes else []
    written = await candles.fill(symbol, windows) if windows else 0
    return SymbolOutcome(symbol, len(quotes), minutes, written, rejected)


def _epoch_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
