"""What a user of the sender decides, with defaults that hold for one service on one stream."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from stockstream.errors import SettingsError
from stockstream.sender.limits import (
    KIBIBYTE,
    LARGE_RECORD_MAX_BYTES,
    MEBIBYTE,
    PAYLOAD_UNIT_BYTES,
    REQUEST_MAX_RECORDS,
)

OutboxPolicy = Literal["block", "drop_oldest"]

_MIN_AGGREGATE_BYTES: Final = KIBIBYTE
_MAX_LANES: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderConfig:
    """Settings of one sender.

    Attributes:
        stream: Name of the Kinesis data stream.
        outbox_dir: Folder of the outbox on disk; None keeps accepted records in memory only, where a crash loses them.
        outbox_max_bytes: Bound of the outbox on disk.
        outbox_policy: What `send` does at the bound (of the disk, or of memory without a disk): wait for room, or drop
            the oldest records, counted and logged.
        memory_max_bytes: Bound of the record bytes held in memory; past it the outbox on disk holds the rest.
        aggregation: Put many records into one Kinesis record (KPL format). False sends each as one of its own, for
            readers that do not deaggregate (Redshift streaming ingestion); a lane then has one record in flight.
        aggregate_max_bytes: Largest aggregate with its keys; one PUT payload unit by default.
        backlog_units: Payload units in one record of a lane that has fallen far behind the others; 1 for never.
        record_max_bytes: Largest Kinesis record that the stream takes: 1 MiB, up to 10 MiB where it is set so.
        request_target_bytes: Body size that a PutRecords call is filled to.
        request_max_records: Records in one PutRecords call, at most 500.
        requests_in_flight: PutRecords calls at the same time.
        lanes: Number of lanes, a power of two; None takes at least four for each shard.
        linger_seconds: How long a lane waits for more before it sends less than a full aggregate.
        linger_full_flow_seconds: The same where the flow is such that waiting fills aggregates, if that is longer.
        transport: `fast` writes and signs requests itself; `aiobotocore` leaves both to botocore.
        encoding: Of the fast transport: CBOR as the AWS SDK for Java uses, or JSON; `auto` is CBOR for AWS's own
            endpoints and JSON for all others, some of which store CBOR's bytes wrongly.
        connect_timeout_seconds: Of one connection.
        read_timeout_seconds: Between two bytes of an answer.
        call_timeout_seconds: Of a PutRecords call as a whole: credentials, name, connection, request, answer. What is
            taken or answered by drops ends here, so that it does not hold its lanes.
        away_after_seconds: Kinesis counts as away when it has stored nothing for so long while something waits for it,
            whatever the cause.
        close_seconds: How long leaving the context drains, where `drain` was not called before.
    """

    stream: str
    outbox_dir: Path | None = None
    outbox_max_bytes: int = 1024 * MEBIBYTE
    outbox_policy: OutboxPolicy = "block"
    memory_max_bytes: int = 64 * MEBIBYTE
    aggregation: bool = True
    aggregate_max_bytes: int = PAYLOAD_UNIT_BYTES
    backlog_units: int = 8
    record_max_bytes: int = MEBIBYTE
    request_target_bytes: int = 512 * KIBIBYTE
    request_max_records: int = REQUEST_MAX_RECORDS
    requests_in_flight: int = 8
    lanes: int | None = None
    linger_seconds: float = 0.05
    linger_full_flow_seconds: float = 0.5
    transport: Literal["fast", "aiobotocore"] = "fast"
    encoding: Literal["auto", "cbor", "json"] = "auto"
    connect_timeout_seconds: float = 3.0
    read_timeout_seconds: float = 10.0
    call_timeout_seconds: float = 60.0
    away_after_seconds: float = 20.0
    close_seconds: float = 25.0

    def __post_init__(self) -> None:
        _require(self.stream != "", "stream", self.stream, "a stream name")
        _require(
            _MIN_AGGREGATE_BYTES <= self.aggregate_max_bytes <= self.record_max_bytes,
            "aggregate_max_bytes",
            self.aggregate_max_bytes,
            f"from {_MIN_AGGREGATE_BYTES} to record_max_bytes={self.record_max_bytes}",
        )
        _require(
            _MIN_AGGREGATE_BYTES <= self.record_max_bytes <= LARGE_RECORD_MAX_BYTES,
            "record_max_bytes",
            self.record_max_bytes,
            f"from {_MIN_AGGREGATE_BYTES} to {LARGE_RECORD_MAX_BYTES}",
        )
        _require(
            1 <= self.request_max_records <= REQUEST_MAX_RECORDS,
            "request_max_records",
            self.request_max_records,
            f"from 1 to {REQUEST_MAX_RECORDS}",
        )
        _require(self.backlog_units >= 1, "backlog_units", self.backlog_units, "at least 1")
        _require(self.requests_in_flight >= 1, "requests_in_flight", self.requests_in_flight, "at least 1")
        _require(self.memory_max_bytes >= MEBIBYTE, "memory_max_bytes", self.memory_max_bytes, f"at least {MEBIBYTE}")
        _require(self.outbox_max_bytes >= MEBIBYTE, "outbox_max_bytes", self.outbox_max_bytes, f"at least {MEBIBYTE}")
        _require(self.linger_seconds >= 0, "linger_seconds", self.linger_seconds, "at least 0")
        _require(self.call_timeout_seconds > 0, "call_timeout_seconds", self.call_timeout_seconds, "above 0")
        _require(self.away_after_seconds > 0, "away_after_seconds", self.away_after_seconds, "above 0")
        if self.lanes is not None:
            power_of_two = self.lanes > 0 and self.lanes & (self.lanes - 1) == 0
            _require(
                power_of_two and self.lanes <= _MAX_LANES, "lanes", self.lanes, f"a power of two up to {_MAX_LANES}"
            )


def _require(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise SettingsError(f"sender setting {name}={value!r}: must be {allowed}")
