"""What is behind each light of a local run: the numbers that the page shows where somebody opens a stage."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stockstream.local.view import format_age as age

if TYPE_CHECKING:
    from stockstream.local.run import LocalRun

Facts = list[tuple[str, str]]
# Rejections that are told one by one, the newest first.
_REJECTIONS_SHOWN = 5


def facts_behind(run: "LocalRun") -> Mapping[str, Facts]:
    """Names and values by stage; quick, and without I/O."""
    totals = run.consumer_log.totals
    return {
        "source": _source(run),
        "gate": _gate(run),
        **_sender(run),
        "consumer": _consumer(run),
        "DynamoDB": _counts({"stored": totals["QuotesStored"], "late": totals["QuotesLate"]}),
        "S3": [
            *_counts({"archived": run.archive.quotes}),
            *([("why not", run.archive.error)] if run.archive.error else []),
        ],
        "SNS": _counts({"delivered": run.inbox.received}),
    }


def _source(run: "LocalRun") -> Facts:
    counters, settings = run.service.counters, run.settings
    facts = [("source", settings.source), ("asks every", f"{settings.poll_interval_seconds:g} s")]
    facts += _counts({"failed calls": counters.source_failures})
    return [*facts, ("newest failure", counters.failure)] if counters.failure else facts


def _gate(run: "LocalRun") -> Facts:
    counters = run.service.counters
    facts = _counts({"accepted": counters.accepted, "unchanged": counters.unchanged, "rejected": counters.rejected})
    newest = list(run.tally.rejections)[-_REJECTIONS_SHOWN:]
    return [*facts, *((found.subject, found.reason) for found in reversed(newest))]


def _sender(run: "LocalRun") -> Mapping[str, Facts]:
    sender = run.service.sender_stats
    if sender is None:
        return {}
    outbox = {
        "waiting": sender.unsent, "bytes": sender.outbox_bytes, "of earlier runs": sender.replayed,
        "lanes": sender.lanes, "in the deepest lane": sender.lane_depth, "dropped": sender.dropped, "lost": sender.lost,
    }  # fmt: skip
    kinesis = {
        "shards": sender.shards, "calls": sender.calls, "failed calls": sender.failed_calls,
        "throttled": sender.throttled, "sent again": sender.retried, "records": sender.kinesis_records,
    }  # fmt: skip
    return {
        "outbox": [*_counts(outbox), ("oldest", age(sender.outbox_age_seconds))],
        "kinesis": [
            ("breaker", sender.breaker_state),
            *([("because of", sender.blocked_by)] if sender.blocked_by else []),
            *_counts(kinesis),
        ],
    }


def _consumer(run: "LocalRun") -> Facts:
    stats, totals = run.runner.stats, run.consumer_log.totals
    facts = _counts(
        {
            "behind": run.backlog.waiting, "failed batches": stats.invocation_failures,
            "records given up": stats.records_discarded, "quarantined": totals["RecordsQuarantined"],
        }
    )  # fmt: skip
    for name, shard in sorted(stats.shards.items()):
        short = name.removeprefix("shardId-").lstrip("0") or "0"
        facts.append(
            (f"shard {short}", f"{shard.records_succeeded:,} records, {shard.iterator_age_ms / 1000:.1f} s old")
        )
    return facts


def _counts(numbers: Mapping[str, float]) -> Facts:
    return [(name, f"{int(number):,}") for name, number in numbers.items()]
