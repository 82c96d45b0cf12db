"""The parameters of the mapping: the names, defaults and ranges of Lambda's CreateEventSourceMapping."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from stockstream.eventsource.errors import EventSourceConfigError

# Ranges: AWS Lambda API reference, CreateEventSourceMapping.
BATCH_SIZE_MAX: Final = 10_000
BATCHING_WINDOW_MAX_SECONDS: Final = 300
PARALLELIZATION_FACTOR_MAX: Final = 10
RETRY_ATTEMPTS_MAX: Final = 10_000
RECORD_AGE_MIN_SECONDS: Final = 60
RECORD_AGE_MAX_SECONDS: Final = 604_800
UNLIMITED: Final = -1
# Lambda's synchronous invocation payload quota, base64 and envelope included.
PAYLOAD_MAX_BYTES: Final = 6 * 1024 * 1024

_NAMESPACE: Final = uuid.UUID("6f1d3d1e-6a63-5c1b-9d2b-1f5d1c0a7e55")
_API_NAMES: Final = {
    "BatchSize": "batch_size",
    "MaximumBatchingWindowInSeconds": "maximum_batching_window_seconds",
    "ParallelizationFactor": "parallelization_factor",
    "BisectBatchOnFunctionError": "bisect_batch_on_function_error",
    "MaximumRetryAttempts": "maximum_retry_attempts",
    "MaximumRecordAgeInSeconds": "maximum_record_age_seconds",
    "StartingPositionTimestamp": "starting_position_timestamp",
}
# Known to AWS and left out here on purpose: refused by name, never ignored.
_UNSUPPORTED: Final = frozenset(
    {"FilterCriteria", "TumblingWindowInSeconds", "KMSKeyArn", "ScalingConfig", "ProvisionedPollerConfig", "Topics"}
)


class StartingPosition(StrEnum):
    """Where a shard without a checkpoint is read from."""

    TRIM_HORIZON = "TRIM_HORIZON"
    LATEST = "LATEST"
    AT_TIMESTAMP = "AT_TIMESTAMP"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSourceConfig:
    """One Kinesis stream mapped to one function.

    Attributes:
        stream_name: Name of the Kinesis stream.
        function_name: Name of the function, for the destination's message and the mapping's id.
        starting_position: Where a shard without a checkpoint is read from.
        starting_position_timestamp: Aware datetime; needed by AT_TIMESTAMP and refused otherwise.
        batch_size: Most records of one invocation, 1 to 10,000.
        maximum_batching_window_seconds: How long to gather records for a batch, 0 to 300.
        parallelization_factor: Batches in flight per shard, 1 to 10; order per partition key is kept.
        report_batch_item_failures: Whether the function's answer names the first failed record.
        bisect_batch_on_function_error: Split a failed batch in two before retrying it.
        maximum_retry_attempts: 0 to 10,000; -1 retries until the record expires.
        maximum_record_age_seconds: 60 to 604,800; -1 is unlimited.
        poll_interval_seconds: Pause between reads of a shard; Kinesis allows 5 reads a second and shard.
        idle_poll_interval_seconds: What that pause grows to while a shard stays empty.
        retry_backoff_base_seconds: First ceiling of the full-jitter pause before a retry (AWS publishes no numbers).
        retry_backoff_cap_seconds: Highest ceiling of that pause.
        shard_refresh_seconds: How often new shards are looked for.
        stop_grace_seconds: How long running invocations may take to finish when the runner is stopped.
    """

    stream_name: str
    function_name: str
    starting_position: StartingPosition = StartingPosition.TRIM_HORIZON
    starting_position_timestamp: datetime | None = None
    batch_size: int = 100
    maximum_batching_window_seconds: float = 0
    parallelization_factor: int = 1
    report_batch_item_failures: bool = True
    bisect_batch_on_function_error: bool = False
    maximum_retry_attempts: int = UNLIMITED
    maximum_record_age_seconds: int = UNLIMITED
    poll_interval_seconds: float = 0.2
    idle_poll_interval_seconds: float = 0.5
    retry_backoff_base_seconds: float = 0.1
    retry_backoff_cap_seconds: float = 10.0
    shard_refresh_seconds: float = 10.0
    stop_grace_seconds: float = 30.0

    def __post_init__(self) -> None:
        _within("batch_size", self.batch_size, 1, BATCH_SIZE_MAX)
        _within("maximum_batching_window_seconds", self.maximum_batching_window_seconds, 0, BATCHING_WINDOW_MAX_SECONDS)
        _within("parallelization_factor", self.parallelization_factor, 1, PARALLELIZATION_FACTOR_MAX)
        _within("maximum_retry_attempts", self.maximum_retry_attempts, UNLIMITED, RETRY_ATTEMPTS_MAX)
        if self.maximum_record_age_seconds != UNLIMITED:
            _within(
                "maximum_record_age_seconds",
                self.maximum_record_age_seconds,
                RECORD_AGE_MIN_SECONDS,
                RECORD_AGE_MAX_SECONDS,
            )
        # 5 read transactions a second and shard: Kinesis Data Streams quotas.
        _within("poll_interval_seconds", self.poll_interval_seconds, 0.2, 10)
        _within("idle_poll_interval_seconds", self.idle_poll_interval_seconds, self.poll_interval_seconds, 60)
        if (self.starting_position is StartingPosition.AT_TIMESTAMP) != (self.starting_position_timestamp is not None):
            raise EventSourceConfigError(
                "starting_position_timestamp goes with starting_position AT_TIMESTAMP, and only with it"
            )
        if self.starting_position_timestamp is not None and self.starting_position_timestamp.tzinfo is None:
            raise EventSourceConfigError(
                f"starting_position_timestamp={self.starting_position_timestamp} has no time zone"
            )

    @property
    def mapping_uuid(self) -> str:
        """The mapping's id, the same on every start: S3 destinations carry it in their keys."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.stream_name}/{self.function_name}"))

    @classmethod
    def from_api(cls, stream_name: str, parameters: Mapping[str, Any]) -> "EventSourceConfig":
        """Build from the arguments of CreateEventSourceMapping; the destination is given to the runner itself.

        Raises:
            EventSourceConfigError: a parameter is out of range, unknown, or one that this runner does not keep.
        """
        values: dict[str, Any] = {"stream_name": stream_name, "report_batch_item_failures": False}
        for name, value in parameters.items():
            if name in ("EventSourceArn", "DestinationConfig", "Enabled", "Tags"):
                continue
            if name == "FunctionName":
                values["function_name"] = value
            elif name == "StartingPosition":
                values["starting_position"] = _starting_position(value)
            elif name == "FunctionResponseTypes":
                values["report_batch_item_failures"] = _reports_failures(value)
            elif name in _API_NAMES:
                values[_API_NAMES[name]] = value
            elif name in _UNSUPPORTED:
                raise EventSourceConfigError(f"{name} is not supported by the event-source runner; remove it")
            else:
                raise EventSourceConfigError(f"{name} is not a parameter of a Kinesis event source mapping")
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise EventSourceConfigError(f"{name}={value} is out of range: {low} to {high}")


def _starting_position(value: str) -> StartingPosition:
    try:
        return StartingPosition(value)
    except ValueError as exc:
        allowed = ", ".join(StartingPosition)
        raise EventSourceConfigError(f"StartingPosition={value} is none of {allowed}") from exc


def _reports_failures(values: list[str]) -> bool:
    for value in values:
        if value != "ReportBatchItemFailures":
            raise EventSourceConfigError(f"FunctionResponseTypes={value} is not ReportBatchItemFailures")
    return bool(values)
