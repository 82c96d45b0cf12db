"""Structured logs and metrics of the consumer, both as JSON lines on standard output, where CloudWatch reads them."""

import logging
import sys
from typing import Any, Final

import msgspec
import structlog

METRIC_NAMESPACE: Final = "Stockstream"
COMPONENT: Final = "consumer"
# One dimension set, as the service's: each further one would be billed as metrics of its own.
DIMENSIONS: Final = ("Component", "Deployment")
METRIC_UNITS: Final = {
    "RecordsReceived": "Count",
    "QuotesStored": "Count",
    "QuotesDuplicate": "Count",
    "QuotesLate": "Count",
    "RecordsQuarantined": "Count",
    "AlertsPublished": "Count",
    "AlertsUnsent": "Count",
    "LogConflicts": "Count",
    "EntriesRecovered": "Count",
    "CheckpointAgeRevisions": "Count",
    "PartitionsStopped": "Count",
    "BatchDurationMs": "Milliseconds",
    "LagMs": "Milliseconds",
    "BatchFailures": "Count",
}
# Without the frames' locals, which may hold credentials.
_TRACEBACKS: Final = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


def configure_logging(level: str) -> None:
    """Make structlog write one JSON object a line to standard output, from this level on."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _TRACEBACKS,
            structlog.processors.JSONRenderer(serializer=_serialize),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )


def emit_metrics(values: dict[str, float], now_ms: int, deployment: str) -> None:
    """Write one line in CloudWatch's embedded metric format.

    Args:
        values: Metric values by the names of `METRIC_UNITS`.
        now_ms: Milliseconds since 1970, UTC.
        deployment: Whose metrics these are; two deployments of one account ring their own alarms.
    """
    line: dict[str, Any] = {
        "_aws": {
            "Timestamp": now_ms,
            "CloudWatchMetrics": [
                {
                    "Namespace": METRIC_NAMESPACE,
                    "Dimensions": [list(DIMENSIONS)],
                    "Metrics": [{"Name": name, "Unit": METRIC_UNITS[name]} for name in values],
                }
            ],
        },
        "Component": COMPONENT,
        "Deployment": deployment,
        **values,
    }
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


def _serialize(event: Any, **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
