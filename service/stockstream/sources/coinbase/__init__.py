"""Coinbase Exchange by push: the public ticker channel, without a key, round the clock (docs/coinbase.md)."""

from decimal import Decimal
from typing import Final

import aiohttp

from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.settings import Settings
from stockstream.sources.base import ProbeResult
from stockstream.sources.coinbase.rest import CoinbaseRest, CoinbaseUnavailableError
from stockstream.sources.coinbase.source import CoinbaseOptions, CoinbaseSource
from stockstream.sources.watchlist import WatchlistFollower

__all__ = ["CoinbaseOptions", "CoinbaseSource", "coinbase_source", "probe_source"]

_REMEDY: Final = "check the network and HTTPS_PROXY: Coinbase refuses some countries and data centres"


def coinbase_source(settings: Settings, clock: Clock) -> CoinbaseSource:
    """Make the source that the settings describe."""
    options = CoinbaseOptions(
        interval_seconds=settings.poll_interval_seconds,
        stale_after_seconds=settings.stale_after_seconds,
        max_price_ratio=Decimal(str(settings.max_price_ratio)),
    )
    return CoinbaseSource(WatchlistFollower(settings.symbols), options, clock=clock)


async def probe_source(settings: Settings, timeout_seconds: float) -> ProbeResult:
    """Ask for the days of the first product, as the source will."""
    symbol = settings.symbols.symbols[0]
    async with aiohttp.ClientSession(trust_env=True) as session:
        try:
            days = await CoinbaseRest(session, timeout_seconds=timeout_seconds).days(symbol, SYSTEM_CLOCK.now())
        except CoinbaseUnavailableError as exc:
            return ProbeResult(False, str(exc), _REMEDY)
    if days is None:
        return ProbeResult(
            False, f"Coinbase has no product {symbol}", "write products as BTC-USD in STOCKSTREAM_SYMBOLS"
        )
    return ProbeResult(True, f"{len(days)} days of {symbol}")
