"""Numbers, ages and prices as a person reads them at a glance."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_ASCII_LEVELS: Final = "_.-=*^#"
_SHOWN_DECIMALS: Final = (2, 4)


def sparkline(prices: Sequence[Decimal], width: int, *, ascii_only: bool = False) -> str:
    """The last `width` prices as a line of blocks from their lowest to their highest; a flat line stays in the middle.

    Padded on the left, so that the newest price is always at the right edge.
    """
    levels = _ASCII_LEVELS if ascii_only else _BLOCKS
    shown = list(prices)[-width:] if width > 0 else []
    if not shown:
        return " " * width
    low, high = min(shown), max(shown)
    if low == high:
        line = levels[len(levels) // 2 - 1] * len(shown)
    else:
        scale = (len(levels) - 1) / float(high - low)
        line = "".join(levels[round(float(price - low) * scale)] for price in shown)
    return line.rjust(width)


def format_price(price: Decimal) -> str:
    """Two decimals, up to four where the price has them (currencies, shares below 1): 1,234.50, 1.0842."""
    exponent = price.normalize().as_tuple().exponent
    at_least, at_most = _SHOWN_DECIMALS
    places = min(max(at_least, -exponent if isinstance(exponent, int) else at_least), at_most)
    return f"{price:,.{places}f}"


def format_change(change: Decimal) -> str:
    return ("+" if change > 0 else "") + format_price(change)


def format_percent(percent: Decimal | None) -> str:
    return "–" if percent is None else f"{percent:+.2f}%"


def format_count(count: float) -> str:
    """Full up to 999,999, then 1.23M, 4.56B."""
    for limit, divisor, suffix in ((1e6, 1, ""), (1e9, 1e6, "M"), (1e12, 1e9, "B")):
        if abs(count) < limit:
            return f"{count / divisor:.2f}{suffix}" if suffix else f"{count:,.0f}"
    return f"{count / 1e12:.2f}T"


def format_volume(volume: int | None) -> str:
    """Short for a column: 950, 12.3k, 4.56M."""
    if volume is None:
        return "–"
    if volume < 1_000:
        return str(volume)
    if volume < 1_000_000:
        return f"{volume / 1e3:.1f}k"
    return format_count(float(volume))


def format_rate(rate_per_second: float | None) -> str:
    if rate_per_second is None:
        return ""
    return f"{rate_per_second:,.0f}/s" if rate_per_second >= 100 else f"{rate_per_second:.1f}/s"


def format_age(seconds: float | None) -> str:
    """0.4s, 12s, 3m20s, 2h05m; empty for None."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def format_uptime(seconds: float) -> str:
    whole = max(0, int(seconds))
    return f"{whole // 3600:02d}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
