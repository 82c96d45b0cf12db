"""Alpaca, with a key: snapshots polled, or trades pushed; shares and ETFs of the United States (docs/alpaca.md)."""

import re
from decimal import Decimal
from typing import Final

import aiohttp

from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.errors import InputError
from stockstream.settings import Settings
from stockstream.sources.alpaca.history import AlpacaHistory
from stockstream.sources.alpaca.rest import (
    AlpacaAccess,
    AlpacaRefusedError,
    AlpacaRest,
    AlpacaSymbolError,
    AlpacaUnavailableError,
)
from stockstream.sources.alpaca.shares import AlpacaOptions
from stockstream.sources.alpaca.source import AlpacaSource
from stockstream.sources.alpaca.spelling import their_spelling
from stockstream.sources.alpaca.stream import AlpacaStreamSource
from stockstream.sources.base import ProbeResult
from stockstream.sources.watchlist import WatchlistFollower

__all__ = [
    "AlpacaAccess",
    "AlpacaHistory",
    "AlpacaOptions",
    "AlpacaSource",
    "AlpacaStreamSource",
    "alpaca_history",
    "alpaca_source",
    "alpaca_stream_source",
    "check_keys",
    "probe_source",
]

# What a header can carry; whatever else is no key.
_KEY: Final = re.compile(r"[!-~]{8,200}")
_REACH: Final = "check the network and HTTPS_PROXY"


def alpaca_source(settings: Settings, clock: Clock) -> AlpacaSource:
    """Make the polling source that the settings describe."""
    return AlpacaSource(WatchlistFollower(settings.symbols), _options(settings), clock=clock)


def alpaca_stream_source(settings: Settings, clock: Clock) -> AlpacaStreamSource:
    """Make the streaming source that the settings describe."""
    return AlpacaStreamSource(WatchlistFollower(settings.symbols), _options(settings), clock=clock)


def alpaca_history(settings: Settings) -> AlpacaHistory:
    """Make the provider of what was missed."""
    return AlpacaHistory(access_of(settings))


def check_keys(settings: Settings) -> None:
    """Refuse to start without keys; whether they are right, Alpaca's first answer tells.

    Raises:
        InputError: one is missing, or can be none.
    """
    access_of(settings)


def access_of(settings: Settings) -> AlpacaAccess:
    """Read keys and feed from the settings.

    Raises:
        InputError: a key is missing, or can be none.
    """
    keys = []
    for variable, secret in (
        ("STOCKSTREAM_ALPACA_KEY_ID", settings.alpaca_key_id),
        ("STOCKSTREAM_ALPACA_SECRET_KEY", settings.alpaca_secret_key),
    ):
        key = secret.get_secret_value().strip() if secret is not None else ""
        if _KEY.fullmatch(key) is None:
            what = "is not set" if not key else f"is no key of Alpaca's ({len(key)} characters)"
            raise InputError(
                f"{variable} {what}. Remedy: both halves of a key, which https://app.alpaca.markets gives for nothing"
            )
        keys.append(key)
    return AlpacaAccess(keys[0], keys[1], settings.alpaca_feed)


def _options(settings: Settings) -> AlpacaOptions:
    return AlpacaOptions(
        access=access_of(settings),
        interval_seconds=settings.poll_interval_seconds,
        extended_hours=settings.extended_hours,
        stale_after_seconds=settings.stale_after_seconds,
        max_price_ratio=Decimal(str(settings.max_price_ratio)),
    )


async def probe_source(settings: Settings, timeout_seconds: float) -> ProbeResult:
    """Ask for the snapshot of the first symbol, as the source will; the feed is left to whoever uses it."""
    symbol = settings.symbols.symbols[0]
    try:
        access = access_of(settings)
        async with aiohttp.ClientSession(trust_env=True) as session:
            rest = AlpacaRest(session, access, timeout_seconds=timeout_seconds)
            theirs = their_spelling(symbol) or symbol
            found = await rest.snapshots([theirs], SYSTEM_CLOCK.now())
    except (AlpacaRefusedError, InputError) as exc:
        detail, _, remedy = str(exc).partition(". Remedy: ")
        return ProbeResult(False, detail, remedy)
    except AlpacaUnavailableError as exc:
        return ProbeResult(False, str(exc), _REACH)
    except AlpacaSymbolError as exc:
        return ProbeResult(False, f"Alpaca has no {symbol}: {exc}", "write symbols of shares in STOCKSTREAM_SYMBOLS")
    if not found.get(theirs):
        return ProbeResult(
            False, f"feed {access.feed} has nothing of {symbol}", "write symbols of shares in STOCKSTREAM_SYMBOLS"
        )
    return ProbeResult(True, f"feed {access.feed} has {symbol}")
