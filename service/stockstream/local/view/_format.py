"""Numbers, ages and prices as a person reads them at a glance."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_ASCII_LEVELS: Final = "_.-=*^#"
_SHOWN_DECIMALS: Final = (2, 4)


def sparkline(prices: Sequence[Decimal], width: int, lines: int = 1, *, ascii_only: bool = False) -> str:
    """The last `width` prices as blocks from their lowest to their highest; a flat line stays in the middle.

    Padded on the left, so that the newest price is always at the right edge.

    Args:
        prices: Oldest first.
        width: Columns.
        lines: Height; each line more has as many levels more.
        ascii_only: Without block characters.
    """
    levels = _ASCII_LEVELS if ascii_only else _BLOCKS
    shown = list(prices)[-width:] if width > 0 else []
    highest = lines * len(levels) - 1
    low, high = min(shown, default=Decimal(0)), max(shown, default=Decimal(0))
    scale = highest / float(high - low) if high > low else 0.0
    heights = [round(float(price - low) * scale) if scale else highest // 2 for price in shown]
    rows = []
    for line in reversed(range(lines)):
        base = line * len(levels)
        row = "".join(" " if height < base else levels[min(height - base, len(levels) - 1)] for height in heights)
        rows.append(row.rjust(width))
    return "\n".join(rows)


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
