"""Checks that need no AWS: the source, the watchlist, the folders."""

import os
from datetime import datetime
from pathlib import Path

from stockstream.backfill.filled import FILLED
from stockstream.backfill.notes import AGE_MAX, noted_gaps
from stockstream.doctor.findings import Finding, Status
from stockstream.settings import Settings
from stockstream.source_kinds import AUTO, AUTO_TRIES, source_kind
from stockstream.sources.factory import probe_source, with_own_symbols
from stockstream_wire import format_timestamp


async def check_source(settings: Settings, *, timeout_seconds: float) -> Finding:
    """Ask the source for its first symbols, the way it will ask itself."""
    name = AUTO_TRIES if settings.source == AUTO else settings.source
    result = await probe_source(source_kind(name), with_own_symbols(settings), timeout_seconds)
    if result is None:
        return Finding("source", Status.SKIPPED, f"{name} is not asked over the network")
    detail = f"{name}: {result.detail}"
    if result.reachable:
        return Finding("source", Status.OK, detail)
    if settings.source == AUTO:
        return Finding("source", Status.WARNING, detail, "source auto will simulate, and say so")
    return Finding("source", Status.PROBLEM, detail, result.remedy)


def check_watchlist(settings: Settings) -> Finding:
    """Count the symbols, and name what was skipped."""
    watchlist = settings.symbols
    where = f" from {watchlist.file}" if watchlist.file else ""
    detail = f"{len(watchlist.symbols)} symbols{where}"
    if watchlist.skipped:
        skipped = "; ".join(watchlist.skipped[:3])
        return Finding("watchlist", Status.WARNING, f"{detail}, {len(watchlist.skipped)} skipped: {skipped}")
    return Finding("watchlist", Status.OK, detail)


def check_gaps(settings: Settings, now: datetime) -> Finding:
    """Count the gaps of the last week that nothing has filled."""
    since = format_timestamp(now - AGE_MAX)
    gaps = [noted for noted in noted_gaps(settings.outbox_dir.parent) if noted.gap.end > since]
    open_gaps = [noted for noted in gaps if noted.outcome != FILLED]
    detail = f"{len(gaps)} in the last {AGE_MAX.days} days, {len(open_gaps)} not filled"
    given_up = [noted for noted in open_gaps if noted.outcome]
    if given_up or (open_gaps and settings.backfill == "off"):
        return Finding("gaps", Status.WARNING, detail, "`stockstream backfill --gaps` lists them, with the commands")
    return Finding("gaps", Status.OK, detail)


def check_folder(check: str, folder: Path, variable: str) -> Finding:
    """See whether a folder, or the nearest one above that exists, can be written to."""
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return Finding(check, Status.OK, f"{folder} is writable")
    remedy = f"set {variable} to a folder on a writable volume"
    return Finding(check, Status.PROBLEM, f"{folder}: {existing} cannot be written to", remedy)
