"""The audit: every accepted quote exactly once, values equal, order kept; day by day, symbol by symbol."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from stockstream.audit.errors import AuditError
from stockstream.audit.findings import AuditReport, DayReport, Finding, Problem
from stockstream.audit.ledger_reading import LedgerEntry, ledger_days, read_ledger
from stockstream.audit.quarantine_lookup import quarantined_among
from stockstream.audit.reconcile import SymbolDay, SymbolResult, reconcile
from stockstream.audit.stores import Stores

_PARALLEL_SYMBOLS: Final = 8

Progress = Callable[[str, int, int], None]


def _no_progress(_day: str, _done: int, _total: int) -> None:
    """Say nothing."""


async def audit(
    stores: Stores,
    ledger_dir: Path,
    *,
    day: str | None = None,
    on_progress: Progress = _no_progress,
) -> AuditReport:
    """Reconcile ledger, archive, quotes and candles.

    Args:
        stores: Where things are stored.
        ledger_dir: Folder of the ledger; a day that it does not have is compared among the stores only.
        day: UTC day of event time, `2026-11-22`; None audits every day that the ledger or the archive has.
        on_progress: Called with day, symbols done, symbols in all.

    Raises:
        AuditError: the day is not one, or a table or bucket cannot be read.
    """
    if day is not None:
        _check_day(day)
    try:
        symbols = await stores.archived_symbols()
        days = [day] if day is not None else await _all_days(stores, symbols, ledger_dir)
        reports = [await _audit_day(stores, ledger_dir, one, symbols, on_progress) for one in days]
    except BaseExceptionGroup as group:
        unavailable, rest = group.split((ClientError, BotoCoreError))
        if unavailable is None or rest is not None:
            raise
        raise AuditError(f"what is stored cannot be read: {_first(unavailable)}") from group
    except (ClientError, BotoCoreError) as exc:
        raise AuditError(f"what is stored cannot be read: {exc}") from exc
    return AuditReport(days=reports)


async def _audit_day(
    stores: Stores, ledger_dir: Path, day: str, archived: Sequence[str], on_progress: Progress
) -> DayReport:
    day_ledger = await asyncio.to_thread(read_ledger, ledger_dir, day)
    ledger = None if day_ledger is None else day_ledger.by_symbol
    symbols = sorted({*archived, *(ledger or ())})
    limit = asyncio.Semaphore(_PARALLEL_SYMBOLS)
    results: dict[str, SymbolResult] = {}

    async def one(symbol: str) -> None:
        async with limit:
            results[symbol] = await _audit_symbol(stores, symbol, day, ledger)
            on_progress(day, len(results), len(symbols))

    async with asyncio.TaskGroup() as tasks:
        for symbol in symbols:
            tasks.create_task(one(symbol))
    report = DayReport(day=day, has_ledger=ledger is not None)
    gaps = missing_file(ledger_dir, day) if day_ledger is None else day_ledger.gaps
    report.findings += [Finding(Problem.LEDGER_INCOMPLETE, "", day, gap) for gap in gaps]
    for symbol in symbols:
        _add(report, results[symbol])
    missing = {(symbol, entry.timestamp) for symbol in symbols for entry in results[symbol].missing}
    quarantined = await quarantined_among(stores.s3, stores.bucket, missing)
    report.quarantined = len(quarantined)
    report.findings += [
        Finding(Problem.MISSING_IN_ARCHIVE, symbol, timestamp, "accepted, and neither archived, stored nor quarantined")
        for symbol, timestamp in sorted(missing - quarantined)
    ]
    return report


async def _audit_symbol(
    stores: Stores, symbol: str, day: str, ledger: Mapping[str, Sequence[LedgerEntry]] | None
) -> SymbolResult:
    archived = await stores.archive(symbol, day)
    symbol_day = SymbolDay(
        symbol=symbol,
        ledger=None if ledger is None else ledger.get(symbol, ()),
        archive=archived.lines,
        items=await stores.quotes(symbol, day),
        candles=await stores.candles(symbol, day),
        anomaly_threshold_percent=stores.anomaly_threshold_percent,
    )
    # Pure and long for a long day: not in the event loop.
    result = await asyncio.to_thread(reconcile, symbol_day)
    result.findings = [*archived.findings, *result.findings]
    return result


async def _all_days(stores: Stores, symbols: Sequence[str], ledger_dir: Path) -> list[str]:
    days = set(ledger_days(ledger_dir))
    for symbol in symbols:
        days.update(await stores.archived_days(symbol))
    return sorted(days)


def missing_file(ledger_dir: Path, day: str) -> list[str]:
    """A day without a ledger between days that have one is a hole; before or after them nothing is known."""
    days = ledger_days(ledger_dir)
    is_between = bool(days) and days[0] < day < days[-1]
    return [f"it has no file of this day, but of {days[0]} and {days[-1]}"] if is_between else []


def _add(report: DayReport, result: SymbolResult) -> None:
    report.accepted += result.accepted
    report.accepted_again += result.accepted_again
    report.archived += result.archived
    report.stored += result.stored
    report.candles += result.candles
    report.late += result.late
    report.unlisted += result.unlisted
    report.findings += result.findings


def _check_day(day: str) -> None:
    try:
        is_day = date.fromisoformat(day).isoformat() == day
    except ValueError:
        is_day = False
    if not is_day:
        raise AuditError(f"--day {day} is not a day; write it as 2026-11-22 (UTC)")


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
