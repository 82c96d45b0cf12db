"""Whether Yahoo can be reached, within a few seconds: what `auto` and `doctor` ask."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.request import getproxies

from stockstream.sources.yahoo.client import YahooClient
from stockstream.sources.yahoo.errors import YahooCallError

PROBE_TIMEOUT_SECONDS: Final = 6.0
_HOST: Final = "query1.finance.yahoo.com"
_CONNECT_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What the probe found.

    Attributes:
        reachable: A quote request was answered.
        detail: The answer, or what stood in its way.
    """

    reachable: bool
    detail: str


async def probe_yahoo(
    symbols: Sequence[str], *, cache_dir: Path, timeout_seconds: float = PROBE_TIMEOUT_SECONDS
) -> ProbeResult:
    """Ask Yahoo for a few quotes, through the very session that the source uses.

    Args:
        symbols: What to ask for; the first three are enough.
        cache_dir: Where yfinance keeps its cookie.
        timeout_seconds: For the whole probe.
    """
    if not _has_proxy():
        # Without a network this answers at once, and spares the second that importing yfinance takes.
        try:
            async with asyncio.timeout(min(_CONNECT_SECONDS, timeout_seconds)):
                _, writer = await asyncio.open_connection(_HOST, 443)
        except (OSError, TimeoutError) as exc:
            return ProbeResult(False, f"no connection to {_HOST}:443 ({_name(exc)})")
        writer.close()
    client = YahooClient(cache_dir=cache_dir, timeout_seconds=timeout_seconds, threads=1)
    try:
        async with asyncio.timeout(timeout_seconds):
            reply = await client.quotes(list(symbols[:3]) or ["AAPL"])
    except (YahooCallError, TimeoutError) as exc:
        return ProbeResult(False, _name(exc))
    finally:
        await client.aclose()
    return ProbeResult(True, f"{len(reply.value)} quotes in {reply.http_requests} requests")


async def probe(
    *, cache_dir: Path, symbols: Sequence[str] = (), timeout_seconds: float = PROBE_TIMEOUT_SECONDS
) -> str | None:
    """Return None where Yahoo answers, and otherwise why it does not."""
    result = await probe_yahoo(symbols, cache_dir=cache_dir, timeout_seconds=timeout_seconds)
    return None if result.reachable else result.detail


def _has_proxy() -> bool:
    return "https" in getproxies() or "all" in getproxies() or bool(os.environ.get("ALL_PROXY"))


def _name(exc: BaseException) -> str:
    return str(exc) or f"{type(exc).__name__} after the time allowed"
