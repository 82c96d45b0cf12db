"""Yahoo Finance by push: WebSocket ticks merged over v7 snapshots, with v7 as a slow backstop.

Nothing here imports yfinance when it is imported; `decode.py` takes its protobuf message at first use.
"""

import dataclasses

from stockstream.clock import Clock
from stockstream.settings import Settings
from stockstream.sources.watchlist import WatchlistFollower
from stockstream.sources.yahoo import YahooSource, options_of
from stockstream.sources.yahoo.client import YahooClient
from stockstream.sources.yahoo_stream.source import BACKSTOP_SECONDS_MIN, YahooStreamSource

__all__ = ["YahooStreamSource", "yahoo_stream_source"]


def yahoo_stream_source(settings: Settings, clock: Clock) -> YahooStreamSource:
    """Make the streaming source that the settings describe."""
    options = options_of(settings)
    options = dataclasses.replace(options, interval_seconds=max(BACKSTOP_SECONDS_MIN, options.interval_seconds))
    watchlist = WatchlistFollower(settings.symbols)
    backstop = YahooSource(watchlist, options, api=YahooClient(cache_dir=settings.cache_dir), clock=clock)
    return YahooStreamSource(watchlist, options, backstop=backstop, clock=clock)
