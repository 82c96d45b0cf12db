"""The Lambda entry point: `stockstream_lambda.handler.handler`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from time import perf_counter
from typing import Any, Final

import msgspec
import structlog

from stockstream_lambda.app import build_pipeline
from stockstream_lambda.config import Config
from stockstream_lambda.observability import configure_logging, emit_metrics
from stockstream_lambda.pipeline import Pipeline
from stockstream_lambda.tally import Tally

log = structlog.get_logger("stockstream.consumer")

_NOTHING_FAILED: Final[dict[str, Any]] = {"batchItemFailures": []}


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Process one batch of Kinesis records, or, for `{"task": "sweep"}`, send the alerts that nobody has sent.

    Args:
        event: Lambda's event of a Kinesis event source mapping, or the schedule's.
        context: Lambda's context; None where there is none.

    Returns:
        `{"batchItemFailures": [...]}`: empty, or the sequence number from which the batch must come again.
    """
    started = perf_counter()
    pipeline = pipeline_of_this_process()
    if event.get("task") == "sweep":
        _report(pipeline.sweep(), _NOTHING_FAILED, (perf_counter() - started) * 1000, pipeline.config.deployment)
        return {}
    records = event.get("Records") or ()
    shard_id = records[0].get("eventID", "").partition(":")[0] if records else None
    with structlog.contextvars.bound_contextvars(
        request_id=getattr(context, "aws_request_id", None), shard_id=shard_id
    ):
        response, tally = pipeline.process(event, remaining_ms=getattr(context, "get_remaining_time_in_millis", None))
        _report(tally, response, (perf_counter() - started) * 1000, pipeline.config.deployment)
    return response


@cache
def pipeline_of_this_process() -> Pipeline:
    """The pipeline, made by the first who asks."""
    config = Config.from_environment()
    configure_logging(config.log_level)
    return build_pipeline(config)


def _report(tally: Tally, response: dict[str, Any], duration_ms: float, deployment: str) -> None:
    failures = response["batchItemFailures"]
    for alert in tally.alerts:
        log.info("alert_fired", **msgspec.structs.asdict(alert))
    is_well = not (failures or tally.quarantined or tally.failed_partitions or tally.stopped_partitions)
    # What is well is in the metrics; a line a batch would be most of the log.
    say = log.debug if is_well else log.info
    say(
        "batch_processed",
        records=tally.records,
        stored=tally.stored,
        late=tally.late,
        duplicates=tally.duplicates,
        quarantined=tally.quarantined.total(),
        alerts=len(tally.alerts),
        conflicts=tally.conflicts,
        recovered=tally.recovered,
        failed_partitions=tally.failed_partitions,
        stopped_partitions=tally.stopped_partitions,
        rules=tally.rules,
        retry_from=failures[0]["itemIdentifier"] if failures else None,
        duration_ms=round(duration_ms, 1),
        lag_ms=tally.lag_ms,
    )
    emit_metrics(
        {
            "RecordsReceived": tally.records,
            "QuotesStored": tally.stored,
            "QuotesDuplicate": tally.duplicates,
            "QuotesLate": tally.late,
            "RecordsQuarantined": tally.quarantined.total(),
            "AlertsPublished": tally.alerts_published,
            "AlertsUnsent": tally.alerts_unsent,
            "LogConflicts": tally.conflicts,
            "EntriesRecovered": tally.recovered,
            "CheckpointAgeRevisions": tally.checkpoint_age_revisions,
            "PartitionsStopped": tally.stopped_partitions,
            "BatchDurationMs": round(duration_ms, 1),
            "LagMs": tally.lag_ms,
            "BatchFailures": len(failures),
        },
        int(datetime.now(UTC).timestamp() * 1000),
        deployment,
    )
