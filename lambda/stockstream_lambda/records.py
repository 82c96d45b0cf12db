"""From Lambda's Kinesis event to user records with their positions; what cannot be read becomes a `BadRecord`."""

import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from stockstream_wire import Quote, WireError, decode_quote, deaggregate, is_aggregated

# Far above any quote (about 300 bytes), far below what one DynamoDB item holds (400 KB): the redo log of the symbol
# carries these bytes until they are archived.
QUOTE_MAX_BYTES: Final = 64 * 1024


class Position(NamedTuple):
    """Where a user record stands in the stream; comparable within one shard."""

    shard_id: str
    sequence_number: str
    subsequence_number: int
    arrival_ms: int

    @property
    def day(self) -> str:
        """UTC day on which Kinesis took the record (`2026-11-22`); the same on every delivery."""
        return datetime.fromtimestamp(self.arrival_ms / 1000, UTC).strftime("%Y-%m-%d")


class UserQuote(NamedTuple):
    """A quote as it came: its bytes, what they mean, where they stood."""

    quote: Quote
    data: bytes
    position: Position
    record_index: int


class BadRecord(NamedTuple):
    """Bytes that are not a quote; `reason` is a stable snake_case name, `detail` the sentence for a person."""

    data: bytes
    position: Position
    record_index: int
    reason: str
    error_class: str
    detail: str
    partition_key: str | None
    aggregated: bool


class DecodedBatch(NamedTuple):
    """One invocation's records: `sequence_numbers[i]` names the Kinesis record of every `record_index` i."""

    quotes: list[UserQuote]
    bad: list[BadRecord]
    sequence_numbers: list[str]


def decode_batch(event: Mapping[str, Any]) -> DecodedBatch:
    """Decode every record of the event, in order. Nothing in a record's data makes this raise."""
    quotes: list[UserQuote] = []
    bad: list[BadRecord] = []
    sequence_numbers: list[str] = []
    for index, record in enumerate(event.get("Records") or ()):
        sequence_numbers.append(record["kinesis"]["sequenceNumber"])
        _decode_record(record, index, quotes, bad)
    return DecodedBatch(quotes, bad, sequence_numbers)


def _decode_record(record: Mapping[str, Any], index: int, quotes: list[UserQuote], bad: list[BadRecord]) -> None:
    kinesis = record["kinesis"]
    shard_id = str(record.get("eventID", "")).partition(":")[0] or "shardId-unknown"
    sequence_number = kinesis["sequenceNumber"]
    arrival_ms = round(kinesis.get("approximateArrivalTimestamp", 0) * 1000)
    partition_key = kinesis.get("partitionKey")
    encoded = kinesis.get("data") or ""
    try:
        data = binascii.a2b_base64(encoded)
    except (binascii.Error, ValueError) as exc:
        position = Position(shard_id, sequence_number, 0, arrival_ms)
        raw = encoded.encode(errors="replace")
        bad.append(BadRecord(raw, position, index, "base64_error", "Error", str(exc), partition_key, aggregated=False))
        return
    if not is_aggregated(data):
        position = Position(shard_id, sequence_number, 0, arrival_ms)
        _decode_user_record(data, position, index, partition_key, quotes, bad, aggregated=False)
        return
    try:
        user_records = deaggregate(data)
    except WireError as exc:
        position = Position(shard_id, sequence_number, 0, arrival_ms)
        bad.append(_bad(data, position, index, exc, partition_key, aggregated=True))
        return
    for subsequence_number, user_record in enumerate(user_records):
        position = Position(shard_id, sequence_number, subsequence_number, arrival_ms)
        _decode_user_record(user_record.data, position, index, user_record.partition_key, quotes, bad, aggregated=True)


def _decode_user_record(
    data: bytes,
    position: Position,
    index: int,
    partition_key: str | None,
    quotes: list[UserQuote],
    bad: list[BadRecord],
    *,
    aggregated: bool,
) -> None:
    if len(data) > QUOTE_MAX_BYTES:
        detail = f"{len(data)} bytes; a quote has at most {QUOTE_MAX_BYTES}"
        bad.append(BadRecord(data, position, index, "oversize", "QuoteOversize", detail, partition_key, aggregated))
        return
    try:
        quotes.append(UserQuote(decode_quote(data), data, position, index))
    except WireError as exc:
        bad.append(_bad(data, position, index, exc, partition_key, aggregated=aggregated))


def _bad(
    data: bytes, position: Position, index: int, exc: WireError, partition_key: str | None, *, aggregated: bool
) -> BadRecord:
    return BadRecord(data, position, index, exc.code, type(exc).__name__, str(exc), partition_key, aggregated)
