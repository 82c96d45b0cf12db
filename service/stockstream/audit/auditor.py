"""The audit: every accepted quote exactly once, values equal, order kept; partition by partition, day by day."""

import asyncio
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from stockstream.audit.cutoff import Patience
from stockstream.audit.errors import AuditError
from stockstream.audit.findings import AuditReport, DayReport, Finding, Problem
from stockstream.audit.ledger_reader import LedgerCut, cut_ledger
from stockstream.audit.partition_log import PartitionLog
from stockstream.audit.quarantine_lookup import quarantined_among
from stockstream.audit.reconcile import SymbolResult
from stockstream.audit.slices import Slice, slices_of
from stockstream.audit.stores import Stores
from stockstream.errors import StockstreamError, first_error, only_error
from stockstream.reading import Archive, ArchiveMovedError, LogFormatError, TidiedObject, open_archive
from stockstream_wire.storage import FIRST_FOLDER, Partition, partition_of, partitions_of

# A tidied object's lines are not known before it is read; a line takes at least so much of its gzip.
_TIDIED_LINE_BYTES: Final = 16
_TRIES_BESIDE_THE_TIDY: Final = 5
_NOWHERE: Final = "accepted, and neither archived, stored nor quarantined"

Progress = Callable[[str, int, int], None]


def _no_progress(_day: str, _done: int, _total: int) -> None:
    """Say nothing."""


async def audit(
    stores: Stores,
    ledger_dir: Path | None,
    *,
    day: str | None = None,
    patience: Patience = Patience(),  # noqa: B008 - immutable
    on_progress: Progress = _no_progress,
) -> AuditReport:
    """Reconcile ledger, archive, quotes and candles as they stand at the start of the call.

    What was accepted by then is waited for, so that a pipeline in flow is clean; what is newer is left out and counted.

    Args:
        stores: Where things are stored.
        ledger_dir: Folder of the ledger; None, or a day that it does not have: the stores are compared among
            themselves, and the report says so.
        day: UTC day of event time, `2026-11-22`; None audits every day that the ledger or the archive has.
        patience: How long what was accepted may take to arrive.
        on_progress: Called with day, symbols done, symbols in all.

    Raises:
        AuditError: the day is not one, there is no such folder, or a table or bucket cannot be read.
    """
    if day is not None:
        _check_day(day)
    cut = LedgerCut(Path(), {}, {}) if ledger_dir is None else cut_ledger(ledger_dir)
    run = _Audit(stores, cut, day, on_progress)
    try:
        await patience.until_arrived(stores.tables, cut, [day] if day is not None else list(cut.sizes_bytes))
        return await run.report()
    except BaseExceptionGroup as group:
        if (own := only_error(group)) is not None:
            raise own from group
        unavailable, rest = group.split((ClientError, BotoCoreError))
        if unavailable is None or rest is not None:
            raise
        raise AuditError(f"what is stored cannot be read: {first_error(unavailable)}") from group
    except (ClientError, BotoCoreError, LogFormatError) as exc:
        raise AuditError(f"what is stored cannot be read: {exc}") from exc


@dataclass(slots=True)
class _Audit:
    """One run: reports by day, filled partition by partition."""

    stores: Stores
    cut: LedgerCut
    day: str | None
    on_progress: Progress
    days: dict[str, DayReport] = field(default_factory=dict)
    log: list[Finding] = field(default_factory=list)
    missing: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    progress: dict[str, list[int]] = field(default_factory=dict)

    async def report(self) -> AuditReport:
        archive = await open_archive(self.stores.s3, self.stores.bucket)
        for partition in archive.partitions or partitions_of(1):
            archive = await self._partition(archive, partition)
        for day, missing in self.missing.items():
            quarantined = await quarantined_among(self.stores.s3, self.stores.bucket, missing)
            report = self.days[day]
            report.quarantined = len(quarantined)
            report.findings += [
                Finding(Problem.MISSING_IN_ARCHIVE, symbol, timestamp, _NOWHERE)
                for symbol, timestamp in sorted(missing - quarantined)
            ]
        return AuditReport(days=[self.days[day] for day in sorted(self.days)], log=self.log)

    async def _partition(self, archive: Archive, partition: Partition) -> Archive:
        """Audit one partition; begins it again, with a new listing, where the tidy takes objects away meanwhile."""
        for attempt in range(1, _TRIES_BESIDE_THE_TIDY + 1):
            before = deepcopy((self.days, self.missing))
            log = PartitionLog(archive, partition)
            try:
                await log.read()
                for day in self._days(archive, log):
                    await self._day(archive, log, day)
            except StockstreamError as exc:
                if not isinstance(exc, ArchiveMovedError) or attempt == _TRIES_BESIDE_THE_TIDY:
                    raise
                self.days, self.missing = before
                archive = await open_archive(self.stores.s3, self.stores.bucket)
            else:
                self.log += log.findings
                break
        return archive

    def _days(self, archive: Archive, log: PartitionLog) -> list[str]:
        if self.day is not None:
            return [self.day]
        tidied = {folder for folder in archive.folders if folder != FIRST_FOLDER}
        return sorted({*self.cut.sizes_bytes, *log.counts, *(tidied if archive.markers.get(log.partition) else ())})

    async def _day(self, archive: Archive, log: PartitionLog, day: str) -> None:
        count = log.partition.partitions
        ledger = await asyncio.to_thread(
            self.cut.read, day, lambda symbol: partition_of(symbol, count) == log.partition
        )
        tidied: dict[str, list[TidiedObject]] = {}
        if archive.markers.get(log.partition):
            for found in (await archive.tidied(day))[log.partition]:
                tidied.setdefault(found.symbol, []).append(found)
        sizes = Counter(log.counts.get(day, Counter()))
        for symbol, objects in tidied.items():
            sizes[symbol] += sum(found.size_bytes for found in objects) // _TIDIED_LINE_BYTES + 1
        for symbol in ledger.symbols if ledger is not None else ():
            sizes.setdefault(symbol, 0)
        report = self.days.get(day)
        if report is None:
            if not sizes and self.day is None and ledger is None:
                return
            report = self.days[day] = DayReport(day=day, has_ledger=ledger is not None)
            gaps = self.cut.hole(day) if ledger is None else ledger.gaps
            report.findings += [Finding(Problem.LEDGER_INCOMPLETE, "", day, gap) for gap in gaps]
        bodies = await log.bodies(day)
        self.progress.setdefault(day, [0, 0])[1] += len(sizes)
        for symbols in slices_of(sizes):
            part = Slice(self.stores, log, day, symbols, ledger)
            for result in await part.results(archive, bodies, tidied):
                _add(report, result)
                self.missing.setdefault(day, set()).update((result.symbol, entry.timestamp) for entry in result.missing)
            self.progress[day][0] += len(symbols)
            self.on_progress(day, *self.progress[day])


def _add(report: DayReport, result: SymbolResult) -> None:
    report.accepted += result.accepted
    report.accepted_again += result.accepted_again
    report.archived += result.archived
    report.stored += result.stored
    report.candles += result.candles
    report.late += result.late
    report.unlisted += result.unlisted
    report.newer += result.newer
    report.findings += result.findings


def _check_day(day: str) -> None:
    try:
        is_day = date.fromisoformat(day).isoformat() == day
    except ValueError:
        is_day = False
    if not is_day:
        raise AuditError(f"--day {day} is not a day; write it as 2026-11-22 (UTC)")
