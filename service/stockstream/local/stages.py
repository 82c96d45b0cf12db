"""The lights: what each stage of a run has done, how it is, and what of that a person should be told in a sentence."""

import math
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from stockstream.local.backlog import LATE_SECONDS, Backlog, fitting_interval_seconds
from stockstream.local.view import Notice, StageRow, StageStatus
from stockstream.local.view import format_age as age
from stockstream.sources.base import Rejection

if TYPE_CHECKING:
    from stockstream.local.run import LocalRun
    from stockstream.pipeline.loop import PipelineCounters
    from stockstream.sender import SenderStats

# A source that answered within its last interval has lost a call, and not its way.
_ANSWERED_INTERVALS: Final = 1.5
_SUBJECTS_NAMED: Final = 3


def stage_rows(run: "LocalRun") -> list[StageRow]:
    """Read every stage's numbers; quick, and without I/O."""
    counters, sender, totals = run.service.counters, run.service.sender_stats, run.consumer_log.totals
    stages = [
        _source(run, counters),
        StageRow(
            "gate", counters.accepted, note=_join(f"{counters.unchanged} unchanged", f"{counters.rejected} rejected")
        ),
    ]
    if sender is not None:
        stuck = _stuck(sender)
        waits = StageStatus.WARNING if _outbox_is_late(sender) else StageStatus.WAITING
        stages += [
            StageRow(
                "outbox",
                sender.accepted,
                lag_seconds=sender.outbox_age_seconds,
                note=f"{sender.unsent:,} waiting",
                status=waits if sender.unsent else StageStatus.OK,
            ),
            StageRow(
                "kinesis",
                sender.sent,
                lag_seconds=sender.put_latency_ms / 1000,
                note=stuck or _count_note(sender.retried, "retried"),
                status=StageStatus.FAILED if stuck else StageStatus.OK,
            ),
        ]
    backlog = run.backlog
    failures = run.runner.stats.invocation_failures
    archive = run.archive
    stages += [
        StageRow(
            "consumer",
            run.consumer_log.quotes_done,
            lag_seconds=backlog.lag_seconds,
            note=_join(
                f"{backlog.waiting:,} behind",
                _count_note(failures, "failed"),
                _count_note(int(totals["RecordsQuarantined"]), "bad"),
            ),
            status=StageStatus.WARNING if backlog.is_late else StageStatus.OK,
        ),
        StageRow("DynamoDB", int(totals["QuotesStored"]), note=_count_note(int(totals["QuotesLate"]), "late")),
        StageRow(
            "S3",
            archive.quotes,
            note="not read" if archive.error else "archived",
            status=StageStatus.FAILED if archive.error else StageStatus.OK,
        ),
        StageRow("SNS", run.inbox.received, note="alerts"),
    ]
    return stages


def notices(run: "LocalRun") -> list[Notice]:
    """What a person should know of a run now, the most urgent first."""
    found = [*_source_notices(run), *_sender_notices(run), *_consumer_notices(run)]
    if run.archive.error:
        found.append(Notice(f"S3: the archive cannot be read: {run.archive.error}", StageStatus.FAILED))
    rejections = run.tally.rejections
    if rejections:
        found.append(Notice(_rejected(rejections)))
    return sorted(found, key=lambda notice: notice.status is not StageStatus.FAILED)


def _source(run: "LocalRun", counters: "PipelineCounters") -> StageRow:
    if counters.failing_since is None:
        return StageRow("source", counters.polled, note=_count_note(counters.source_failures, "failed"))
    failing_seconds = time.monotonic() - counters.failing_since
    return StageRow(
        "source",
        counters.polled,
        lag_seconds=failing_seconds,
        note="fails",
        status=_failing_status(run, counters),
    )


def _failing_status(run: "LocalRun", counters: "PipelineCounters") -> StageStatus:
    limit_seconds = _ANSWERED_INTERVALS * run.settings.poll_interval_seconds
    answered = counters.answered_at is not None and time.monotonic() - counters.answered_at < limit_seconds
    return StageStatus.WARNING if answered else StageStatus.FAILED


def _source_notices(run: "LocalRun") -> Iterator[Notice]:
    counters = run.service.counters
    if counters.failing_since is None:
        return
    seconds = time.monotonic() - counters.failing_since
    since = datetime.fromtimestamp(time.time() - seconds).strftime("%H:%M:%S")  # noqa: DTZ006 - the reader's clock
    reason = counters.failure or "its calls fail"
    yield Notice(
        f"source {run.settings.source} gives nothing since {since} ({age(seconds)}) and is asked on: {reason}",
        _failing_status(run, counters),
    )


def _stuck(sender: "SenderStats") -> str:
    return sender.blocked_by or ("away" if sender.is_kinesis_away else "")


def _outbox_is_late(sender: "SenderStats") -> bool:
    return sender.outbox_age_seconds > LATE_SECONDS


def _sender_notices(run: "LocalRun") -> Iterator[Notice]:
    sender = run.service.sender_stats
    if sender is not None and (stuck := _stuck(sender)):
        waits = f"{sender.unsent:,} quotes wait in the outbox"
        yield Notice(f"Kinesis: {stuck}; {waits}", StageStatus.FAILED)


def _consumer_notices(run: "LocalRun") -> Iterator[Notice]:
    backlog, sender = run.backlog, run.service.sender_stats
    if run.phase == "checking":
        yield Notice("looking every accepted quote up in table and archive", StageStatus.WAITING)
        return
    if run.phase == "draining":
        if sender is not None and sender.unsent:
            yield Notice(f"{sender.unsent:,} wait in the outbox, for now or the next run", StageStatus.WAITING)
        if backlog.waiting:
            yield Notice(f"{backlog.waiting:,} quotes wait for the consumer{_left(backlog)}", StageStatus.WAITING)
        return
    outbox_late = sender is not None and _outbox_is_late(sender)
    if backlog.is_growing and (backlog.is_late or outbox_late):
        rates = f"{backlog.accepted_per_second:,.0f} quotes/s come, it takes {backlog.taken_per_second:,.0f}/s"
        yield Notice(f"more than the consumer keeps up with: {rates}{_remedy(run, backlog)}")
    elif backlog.is_late:
        behind = f"{backlog.waiting:,} quotes are sent and not committed{_left(backlog)}"
        yield Notice(f"the consumer is {age(backlog.lag_seconds)} behind: {behind}")


def _left(backlog: Backlog) -> str:
    left = backlog.left_seconds
    return "" if left is None or not math.isfinite(left) else f", about {age(max(1.0, left))} left"


def _remedy(run: "LocalRun", backlog: Backlog) -> str:
    settings = run.settings
    if settings.source == "replay":
        return "" if math.isinf(settings.replay_speed) else ". Remedy: a lower --speed"
    wanted_seconds = fitting_interval_seconds(settings.poll_interval_seconds, backlog)
    symbols = len(settings.symbols.symbols)
    return f". Remedy: --interval {wanted_seconds:g} for {symbols:,} symbols, or fewer of them"


def _rejected(rejections: Sequence[Rejection]) -> str:
    """What was refused for the newest reason, the newest first, each once."""
    newest = rejections[-1]
    subjects = list(dict.fromkeys(each.subject for each in reversed(rejections) if each.reason == newest.reason))
    named, more = ", ".join(subjects[:_SUBJECTS_NAMED]), len(subjects) - _SUBJECTS_NAMED
    others = f" and {more} more" if more > 0 else ""
    return f"rejected {named}{others}: {newest.reason}" + (f", {newest.detail}" if newest.detail else "")


def _count_note(count: int, what: str) -> str:
    return f"{count:,} {what}" if count else ""


def _join(*parts: str) -> str:
    return ", ".join(part for part in parts if part and not part.startswith("0 "))
