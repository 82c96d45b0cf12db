"""Yahoo Finance by polling: v7 quote batches through yfinance's own cookie and crumb session.

Nothing in this package imports yfinance when it is imported (0.5-0.8 s and 99 MB): `_session.py` does, at first use.
"""

from decimal import Decimal

from stockstream.clock import Clock
from stockstream.settings import Settings
from stockstream.sources.watchlist import WatchlistFollower
from stockstream.sources.yahoo.client import YahooClient
from stockstream.sources.yahoo.probe import probe_source, probe_yahoo
from stockstream.sources.yahoo.source import YahooOptions, YahooSource

__all__ = ["YahooOptions", "YahooSource", "options_of", "probe_source", "probe_yahoo", "yahoo_source"]


def yahoo_source(settings: Settings, clock: Clock) -> YahooSource:
    """Make the polling source that the settings describe."""
    return YahooSource(
        WatchlistFollower(settings.symbols),
        options_of(settings),
        api=YahooClient(cache_dir=settings.cache_dir),
        clock=clock,
    )


def options_of(settings: Settings) -> YahooOptions:
    """Read the options from the settings."""
    return YahooOptions(
        interval_seconds=settings.poll_interval_seconds,
        extended_hours=settings.extended_hours,
        requests_per_second=settings.yahoo_requests_per_second,
        batch_symbols=settings.yahoo_batch_symbols,
        stale_after_seconds=settings.stale_after_seconds,
        max_price_ratio=Decimal(str(settings.max_price_ratio)),
    )
