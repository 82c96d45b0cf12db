"""Which quotes are accepted: a quote that says nothing new is not sent, and time never runs backwards for a symbol."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from stockstream.sources.base import Rejection
from stockstream_wire import Quote, format_epoch_ms, is_ahead_of_clock, timestamp_to_epoch_ms
from stockstream_wire.market_rules import AHEAD_OF_CLOCK_MAX_SECONDS

# Symbols remembered at most: 20 times the largest watchlist we size for, about 20 MB.
SYMBOLS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class GateResult:
    """What the gate made of a batch; accepted, unchanged and rejected add up to what went in.

    Attributes:
        accepted: Quotes to send, in the order they came.
        unchanged: Quotes with the event time of the last accepted one of their symbol.
        rejected: `time_backwards` and `time_in_future`.
        late: Of the accepted, those whose time runs backwards.
    """

    accepted: list[Quote]
    unchanged: int
    rejected: list[Rejection]
    late: int = 0


class Gate:
    """Remembers the event time of the last accepted quote of each symbol; no clock and no I/O.

    The identity of a quote is (symbol, event time), downstream as well, so a quote with the event time of the last
    accepted one is `unchanged` even where a late trade report has grown its volume: what that loses is described in
    docs/sources.md. A stale fact is one millisecond later than the last accepted quote, whatever its source believed
    that to be: silence is always said.

    Args:
        last_event_times: Symbol to event time (wire form), to go on where an earlier run ended.
        accept_unchanged: Accept quotes of the same event time again; downstream they are the same quote once more.
        accept_late: Accept quotes whose time runs backwards. A replayed file is history, in the order it was written:
            downstream stores such a quote and marks it late. A live feed whose time runs backwards is broken.
        symbols_max: Symbols remembered; past it the one accepted longest ago is forgotten, which at worst sends a
            quote twice.
    """

    def __init__(
        self,
        last_event_times: Mapping[str, str] | None = None,
        *,
        accept_unchanged: bool = False,
        accept_late: bool = False,
        symbols_max: int = SYMBOLS_MAX,
    ) -> None:
        self._last: dict[str, str] = dict(last_event_times or {})
        self._accept_unchanged = accept_unchanged
        self._accept_late = accept_late
        self._symbols_max = symbols_max

    @property
    def last_event_times(self) -> dict[str, str]:
        """A copy of what the gate remembers: symbol to event time of its last accepted quote."""
        return dict(self._last)

    def admit(self, quotes: Iterable[Quote]) -> GateResult:
        """Sort quotes into accepted, unchanged and rejected, and remember the accepted ones."""
        accepted: list[Quote] = []
        rejected: list[Rejection] = []
        unchanged = late = 0
        last = self._last
        for quote in quotes:
            # The wire form of a time sorts as text.
            previous = last.get(quote.symbol)
            if quote.stale and previous is not None and quote.timestamp < previous:
                quote = _after(quote, previous)  # noqa: PLW2901 - the same fact, where it belongs
            if previous is not None and quote.timestamp <= previous:
                is_unchanged = quote.timestamp == previous
                if self._accept_unchanged if is_unchanged else self._accept_late:
                    accepted.append(quote)
                    late += not is_unchanged
                elif is_unchanged:
                    unchanged += 1
                else:
                    detail = f"timestamp={quote.timestamp} is before {previous}, the last one accepted"
                    rejected.append(Rejection(quote.symbol, "time_backwards", detail))
                continue
            # Such a quote would make every later, true quote of its symbol look like time running backwards.
            if quote.polled_at is not None and is_ahead_of_clock(quote.timestamp, quote.polled_at):
                detail = (
                    f"timestamp={quote.timestamp} is over {AHEAD_OF_CLOCK_MAX_SECONDS} s after "
                    f"polled_at={quote.polled_at}. If every symbol is, this machine's clock is behind"
                )
                rejected.append(Rejection(quote.symbol, "time_in_future", detail))
                continue
            if previous is not None:
                del last[quote.symbol]  # to re-insert it as the newest
            elif len(last) >= self._symbols_max:
                del last[next(iter(last))]
            last[quote.symbol] = quote.timestamp
            accepted.append(quote)
        return GateResult(accepted, unchanged, rejected, late)


def _after(stale: Quote, accepted: str) -> Quote:
    """Move a stale fact behind the last accepted quote, which its source may not have known to be that."""
    return msgspec.structs.replace(stale, timestamp=format_epoch_ms(timestamp_to_epoch_ms(accepted) + 1))
