"""The gate: quotes of the right shape that cannot be right, by the rules that the sources keep too.

A refused quote goes to quarantine with its bytes, so nothing is lost by refusing; storing a decimal slip would move
candles, indicators and alerts. A quote is judged by itself and by when the stream took it, so that every delivery is
judged the same.
"""

from functools import lru_cache
from typing import Final

from stockstream_wire import Quote, bad_tick, format_epoch_ms, is_ahead_of_clock
from stockstream_wire.market_rules import AHEAD_OF_CLOCK_MAX_SECONDS, EARLIEST_TIMESTAMP

# All that one record of the stream packs came at one moment.
_formatted: Final = lru_cache(maxsize=1024)(format_epoch_ms)


def refuse(quote: Quote, arrival_ms: int) -> tuple[str, str, str] | None:
    """Judge a quote: the reason for quarantine, the kind of fault, and the sentence that says what is wrong; or None.

    Args:
        quote: The quote.
        arrival_ms: When the stream took it, milliseconds since 1970.
    """
    arrival = _formatted(arrival_ms)
    if is_ahead_of_clock(quote.timestamp, arrival):
        detail = f"event time {quote.timestamp} is over {AHEAD_OF_CLOCK_MAX_SECONDS} s after {arrival}, when it came"
        return "time_in_future", "TimeInFuture", detail
    if quote.timestamp < EARLIEST_TIMESTAMP:
        return "bad_tick", "BadTick", f"event time {quote.timestamp} lies before {EARLIEST_TIMESTAMP}"
    found = bad_tick(quote)
    return None if found is None else ("bad_tick", "BadTick", ": ".join(found))
