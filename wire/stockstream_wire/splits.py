"""Stock splits, as a feed shows them: prices on a new scale, the previous close on the new or still on the old one.

A suspicion needs history: the price we last saw must be of the old scale. A crash differs from a split in that its
day begins on the old scale (open and high), or lands on no usual ratio. Shared by sources and consumer: what the one
takes for a split is no bad tick to the other.
"""

from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from stockstream_wire.quote import Quote
from stockstream_wire.trading_day import is_regular

# New shares for old ones. Fractions below 3:2 are told from a plain fall only where the feed rescaled the close too.
_RATIOS: Final = tuple(
    (Decimal(new) / old, f"{new}:{old}")
    for new, old in (
        *((n, 1) for n in (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100)),
        *((n, 2) for n in (3, 5, 7)),
        *((1, n) for n in (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100)),
        (2, 3),
    )
)
_MINOR_RATIOS: Final = ((Decimal(5) / 4, "5:4"), (Decimal(6) / 5, "6:5"), (Decimal(4) / 3, "4:3"))
# A rescaled close is exact but for what was traded after we last looked.
_CLOSE_TOLERANCE: Final = Decimal("0.03")
# Against prices of the new day, the day's own move comes on top.
PRICE_TOLERANCE: Final = Decimal("0.06")
_SAME_SCALE: Final = Decimal("0.25")
# A close within this band of the last price is on its scale; the smallest ratio, 6:5, lies outside.
_NEAR_LOW: Final = Decimal("0.87")
_NEAR_HIGH: Final = Decimal("1.15")
# A price within this band of an unscaled close is no split; 3:2 and 2:3 lie outside.
_UNSPLIT_LOW: Final = Decimal("0.75")
_UNSPLIT_HIGH: Final = Decimal("1.35")


class Split(NamedTuple):
    """A suspected split: new shares per old one, and as `4:1`. `old_close` is set if the feed has not rescaled it."""

    ratio: Decimal
    label: str
    old_close: Decimal | None


class Seen(msgspec.Struct, frozen=True, gc=False):
    """What was last seen of a symbol."""

    price: Decimal
    open: Decimal
    previous_close: Decimal


def suspect_split(quote: Quote, seen: Seen, *, new_session: bool) -> Split | None:
    """Suspect a split from a quote and what was last seen of its symbol.

    Args:
        quote: The new quote.
        seen: The last tick before it.
        new_session: The quote is the first of its session.
    """
    close = quote.previous_close
    is_usual = close * _UNSPLIT_LOW < quote.price < close * _UNSPLIT_HIGH
    # Neither the close has changed nor the price by much: nearly every quote. And below zero nothing splits.
    if (is_usual and close == seen.previous_close and not new_session) or (
        min(close, quote.open, seen.price, seen.open, seen.previous_close) <= 0
    ):
        return None
    if not (seen.price * _NEAR_LOW < close < seen.price * _NEAR_HIGH):
        # The close is not what we last saw traded: rescaled, if it is new and the day's prices fit it.
        reference = seen.price if new_session else seen.previous_close
        found = match_ratio(reference / close, _CLOSE_TOLERANCE, (*_RATIOS, *_MINOR_RATIOS))
        if found and _near(quote.open, close) and _near(quote.price, close):
            return Split(found[0], found[1], None)
        return None
    if is_usual or not is_regular(quote):
        return None  # before the opening there is no day yet that could lie on one scale: a fall is a fall
    found = match_ratio(close / quote.open, PRICE_TOLERANCE)
    if found is None:
        return None
    if not is_on_one_scale(quote):
        return None
    if not new_session and _near(quote.open, seen.open):
        return None  # the day began where we saw it begin: the price fell, the scale did not
    return Split(found[0], found[1], close)


def is_on_one_scale(quote: Quote) -> bool:
    """Tell whether open, high, low and price lie near one another: the whole day is on one scale."""
    return _near(quote.price, quote.open) and _near(quote.high, quote.open) and _near(quote.low, quote.open)


def looks_split(quote: Quote) -> bool:
    """Tell whether a quote by itself looks like a split whose previous close the feed has not rescaled."""
    if quote.open <= 0 or quote.previous_close <= 0:
        return False
    return is_on_one_scale(quote) and match_ratio(quote.previous_close / quote.open, PRICE_TOLERANCE) is not None


def match_ratio(
    ratio: Decimal, tolerance: Decimal, candidates: tuple[tuple[Decimal, str], ...] = _RATIOS
) -> tuple[Decimal, str] | None:
    """Find the usual split ratio nearest to the given one, if it is within the tolerance."""
    best = min(candidates, key=lambda candidate: abs(ratio / candidate[0] - 1))
    return best if abs(ratio / best[0] - 1) <= tolerance else None


def _near(value: Decimal, reference: Decimal) -> bool:
    return abs(value - reference) <= reference * _SAME_SCALE
