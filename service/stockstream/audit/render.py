"""The audit for a person: one line a day, then what is missing or double."""

from collections.abc import Iterator, Sequence
from typing import Final

from stockstream.audit.findings import AuditReport, DayReport, Finding, Problem

_SHOWN_PER_KIND: Final = 10


def render(report: AuditReport) -> Iterator[str]:
    """Lines to print."""
    if not report.days:
        yield "nothing to audit: neither the ledger nor the archive has a day"
    for day in report.days:
        yield from _render_day(day)
    if report.log:
        yield f"the log: {len(report.log)} findings"
        yield from _render_findings(report.log)
    if report.failed_batches:
        yield f"{report.failed_batches} failed batches wait in the queue: see `stockstream redrive --list`"
    yield _closing_line(report)


def _closing_line(report: AuditReport) -> str:
    if not report.is_clean:
        return "the audit found what is named above"
    if not report.days:
        return "nothing was compared"
    if report.has_ledger:
        return "every accepted quote is there exactly once"
    known = [day.day for day in report.days if day.has_ledger]
    of_days = f"of {len(known)} of {len(report.days)} days" if known else "of no day"
    return (
        f"what is stored agrees with itself; what was accepted is known {of_days}, so a loss cannot be ruled out "
        "(the ledger: --ledger DIR)"
    )


def _render_day(day: DayReport) -> Iterator[str]:
    accepted = f"{day.accepted} accepted" if day.has_ledger else "no ledger (what was accepted is not known)"
    parts = [accepted, f"{day.archived} archived", f"{day.stored} stored", f"{day.candles} candles"]
    optional = {
        "late": day.late,
        "in quarantine": day.quarantined,
        "accepted again": day.accepted_again,
        "stored and not in the ledger": day.unlisted if day.has_ledger else 0,
        "accepted since the audit began and left out": day.newer,
    }
    parts += [f"{count} {name}" for name, count in optional.items() if count]
    clean = "clean" if day.has_ledger else "the stores agree"
    yield f"{day.day}: {', '.join(parts)}: {clean if day.is_clean else f'{len(day.findings)} findings'}"
    yield from _render_findings(day.findings)


def _render_findings(findings: Sequence[Finding]) -> Iterator[str]:
    for problem in Problem:
        found = [finding for finding in findings if finding.problem is problem]
        for finding in found[:_SHOWN_PER_KIND]:
            yield f"  {problem.value}  {finding.symbol}  {finding.subject}  {finding.detail}".rstrip()
        if len(found) > _SHOWN_PER_KIND:
            yield f"  {problem.value}  and {len(found) - _SHOWN_PER_KIND} more (all of them with --json)"
