"""Checks that need no AWS: Yahoo, the watchlist, the folders."""

import os
from pathlib import Path

from stockstream.doctor.findings import Finding, Status
from stockstream.settings import Settings
from stockstream.sources.yahoo import probe_yahoo


async def check_yahoo(settings: Settings, *, timeout_seconds: float) -> Finding:
    """Ask Yahoo for the first symbols, through the session that the source uses."""
    if settings.source not in {"yahoo", "yahoo-stream", "auto"}:
        return Finding("yahoo", Status.SKIPPED, f"the source is {settings.source}")
    result = await probe_yahoo(settings.symbols.symbols, cache_dir=settings.cache_dir, timeout_seconds=timeout_seconds)
    if result.reachable:
        return Finding("yahoo", Status.OK, result.detail)
    if settings.source == "auto":
        return Finding("yahoo", Status.WARNING, result.detail, "source auto will simulate, and say so")
    if "rate limited" in result.detail:
        return Finding("yahoo", Status.PROBLEM, result.detail, "Yahoo limits this address: wait, or poll less often")
    return Finding(
        "yahoo", Status.PROBLEM, result.detail, "check the network and HTTPS_PROXY; STOCKSTREAM_SOURCE=auto simulates"
    )


def check_watchlist(settings: Settings) -> Finding:
    """Count the symbols, and name what was skipped."""
    watchlist = settings.symbols
    where = f" from {watchlist.file}" if watchlist.file else ""
    detail = f"{len(watchlist.symbols)} symbols{where}"
    if watchlist.skipped:
        skipped = "; ".join(watchlist.skipped[:3])
        return Finding("watchlist", Status.WARNING, f"{detail}, {len(watchlist.skipped)} skipped: {skipped}")
    return Finding("watchlist", Status.OK, detail)


def check_folder(check: str, folder: Path, variable: str) -> Finding:
    """See whether a folder, or the nearest one above that exists, can be written to."""
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return Finding(check, Status.OK, f"{folder} is writable")
    remedy = f"set {variable} to a folder on a writable volume"
    return Finding(check, Status.PROBLEM, f"{folder}: {existing} cannot be written to", remedy)
