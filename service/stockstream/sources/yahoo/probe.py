"""Whether Yahoo can be reached, within a few seconds: what `auto` and `doctor` ask."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.request import getproxies

from stockstream.settings import Settings
from stockstream.sources.base import ProbeResult
from stockstream.sources.yahoo.client import Reply, YahooClient
from stockstream.sources.yahoo.errors import FailureKind, YahooCallError

PROBE_TIMEOUT_SECONDS: Final = 6.0
_HOST: Final = "query1.finance.yahoo.com"
_CONNECT_SECONDS: Final = 3.0


_NO_WAY: Final = "check the network and HTTPS_PROXY; STOCKSTREAM_SOURCE=auto simulates"
_LIMITED: Final = "Yahoo limits this address: wait, or poll less often"


async def probe_source(settings: Settings, timeout_seconds: float) -> ProbeResult:
    """Ask Yahoo for the first symbols of the watchlist, through the session that the source uses."""
    return await probe_yahoo(settings.symbols.symbols, cache_dir=settings.cache_dir, timeout_seconds=timeout_seconds)


async def probe_yahoo(
    symbols: Sequence[str], *, cache_dir: Path, timeout_seconds: float = PROBE_TIMEOUT_SECONDS
) -> ProbeResult:
    """Ask Yahoo for a few quotes, through the very session that the source uses.

    Args:
        symbols: What to ask for; the first three are enough.
        cache_dir: Where yfinance keeps its cookie.
        timeout_seconds: For Yahoo to answer.
    """
    if not _has_proxy():
        # Without a network this answers at once, and spares the second that importing yfinance takes.
        try:
            async with asyncio.timeout(min(_CONNECT_SECONDS, timeout_seconds)):
                _, writer = await asyncio.open_connection(_HOST, 443)
        except (OSError, TimeoutError) as exc:
            return ProbeResult(False, f"unreachable ({_HOST}:443: {_cause(exc)})", _NO_WAY)
        writer.close()
    client = YahooClient(cache_dir=cache_dir, timeout_seconds=timeout_seconds, threads=1)
    try:
        await client.open()  # outside of the time that Yahoo has
        async with asyncio.timeout(timeout_seconds):
            reply = await _ask(client, list(symbols[:3]) or ["AAPL"])
    except YahooCallError as exc:
        remedy = _LIMITED if exc.kind is FailureKind.RATE_LIMITED else _NO_WAY
        return ProbeResult(False, str(exc).removeprefix("Yahoo: "), remedy)
    except TimeoutError as exc:
        return ProbeResult(False, _cause(exc), _NO_WAY)
    finally:
        await client.aclose()
    return ProbeResult(True, f"{len(reply.value)} quotes in {reply.http_requests} requests")


def _has_proxy() -> bool:
    return "https" in getproxies() or "all" in getproxies() or bool(os.environ.get("ALL_PROXY"))


async def _ask(client: YahooClient, symbols: list[str]) -> Reply:
    """As the source does: a cookie that an earlier run kept, and Yahoo takes no more, is no reason to give up."""
    try:
        return await client.quotes(symbols)
    except YahooCallError as exc:
        if exc.kind is not FailureKind.UNAUTHORIZED or exc.fresh_cookie:
            raise
        await client.cure("basic")
        return await client.quotes(symbols)


def _cause(exc: OSError) -> str:
    if isinstance(exc, TimeoutError):
        return "no answer in the time allowed"
    return exc.strerror or str(exc) or type(exc).__name__
