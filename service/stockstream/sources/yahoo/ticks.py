"""Bad ticks: prices that are well formed and absurd. Pure.

A price is held against its own previous close, both from the same reply. A split rescales both, so it passes; a jump
of the decimal point rescales one. NaN and prices of 0 or less are refused by the mapping, time running backwards by the
gate.
"""

from decimal import Decimal
from typing import Final

from stockstream.sources.base import Rejection
from stockstream_wire import Quote

# Beyond ten times up or down in a day, in the shares of listed companies, it is the feed and not the market.
MAX_PRICE_RATIO_DEFAULT: Final = Decimal(10)


def bad_tick(quote: Quote, max_ratio: Decimal = MAX_PRICE_RATIO_DEFAULT) -> Rejection | None:
    """Return the rejection of an absurd quote, or None.

    Args:
        quote: A valid quote.
        max_ratio: Largest credible ratio of price and previous close, either way round; above 1.
    """
    if quote.price > quote.previous_close * max_ratio or quote.price * max_ratio < quote.previous_close:
        return Rejection(
            quote.symbol,
            "absurd_ratio",
            f"price={quote.price} against previous_close={quote.previous_close}, more than {max_ratio} times",
        )
    return None
