"""From Lambda's Kinesis event to user records with their positions; what cannot be read becomes a `BadRecord`."""

import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from stockstream_lambda.errors import ConsumerError
from stockstream_wire import Quote, WireError, deaggregate, is_aggregated, read_quote
from stockstream_wire.storage import encode_quarantined, quarantine_key

# Far above any quote (about 300 bytes).
QUOTE_MAX_BYTES: Final = 16 * 1024
# The last that a date can be made of.
_YEAR_9999_SECONDS: Final = 253_402_300_800


class OversizeError(ConsumerError):
    """A user record is larger than any quote."""


class Source(msgspec.Struct, frozen=True, gc=False):
    """Where a user record comes from: its place in the stream, its Kinesis record's in the batch, how it was packed."""

    shard_id: str
    sequence_number: str
    subsequence_number: int
    arrival_ms: int
    record_index: int
    partition_key: str | None
    aggregated: bool = False


class UserQuote(msgspec.Struct, frozen=True, gc=False):
    """A quote as it came: its bytes (in the wire's one form), what they mean, where they come from."""

    quote: Quote
    data: bytes
    source: Source


class BadRecord(NamedTuple):
    """Bytes that are not to be stored; `reason` is a stable snake_case name, `detail` the sentence for a person."""

    data: bytes
    source: Source
    reason: str
    error_class: str
    detail: str


class DecodedBatch(msgspec.Struct):
    """One invocation's records: `sequence_numbers[i]` names the Kinesis record of every `record_index` i."""

    quotes: list[UserQuote]
    bad: list[BadRecord]
    sequence_numbers: list[str]
    oldest_arrival_ms: int


def quarantine_key_of(bad: BadRecord) -> str:
    """Key of the record's object in quarantine; the same on every delivery, so that a retry overwrites it."""
    source = bad.source
    day = datetime.fromtimestamp(source.arrival_ms / 1000, UTC).strftime("%Y-%m-%d")
    return quarantine_key(day, source.shard_id, source.sequence_number, source.subsequence_number)


def quarantine_body(bad: BadRecord) -> bytes:
    """Bytes of the record's object in quarantine."""
    source = bad.source
    return encode_quarantined(
        bad.data,
        reason=bad.reason,
        error_class=bad.error_class,
        detail=bad.detail,
        partition_key=source.partition_key,
        shard_id=source.shard_id,
        sequence_number=source.sequence_number,
        subsequence_number=source.subsequence_number,
        aggregated=source.aggregated,
        approximate_arrival_ms=source.arrival_ms,
    )


def decode_batch(event: Mapping[str, Any]) -> DecodedBatch:
    """Decode every record of the event, in order. Nothing in a record's data makes this raise."""
    batch = DecodedBatch([], [], [], 0)
    for index, record in enumerate(event.get("Records") or ()):
        kinesis = record["kinesis"]
        sequence_number = kinesis["sequenceNumber"]
        batch.sequence_numbers.append(sequence_number)
        arrival_ms = _arrival_ms(kinesis.get("approximateArrivalTimestamp"))
        batch.oldest_arrival_ms = min(batch.oldest_arrival_ms or arrival_ms, arrival_ms)
        shard_id = record.get("eventID", "").partition(":")[0] or "shardId-unknown"
        source = Source(shard_id, sequence_number, 0, arrival_ms, index, kinesis.get("partitionKey"))
        _read_record(kinesis.get("data") or "", source, batch)
    return batch


def _arrival_ms(moment: object) -> int:
    """Lambda sends epoch seconds; tools that make events send them as text, or ISO 8601. 0 where it is no moment."""
    try:
        seconds = moment if isinstance(moment, float) else float(str(moment))
    except ValueError:
        try:
            read = datetime.fromisoformat(str(moment))
        except ValueError:
            return 0
        seconds = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    return round(seconds * 1000) if 0 < seconds < _YEAR_9999_SECONDS else 0


def _read_record(encoded: str, source: Source, batch: DecodedBatch) -> None:
    """Read one Kinesis record: a plain quote or an aggregate of many."""
    try:
        data = binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError as exc:  # binascii.Error is one
        batch.bad.append(_refused(encoded.encode(errors="replace"), source, "base64_error", exc))
        return
    if not is_aggregated(data):
        _read_user_record(data, source, batch)
        return
    shard_id, sequence_number, index = source.shard_id, source.sequence_number, source.record_index
    try:
        user_records = deaggregate(data)
    except WireError as exc:
        whole = msgspec.structs.replace(source, aggregated=True)
        batch.bad.append(_refused(data, whole, exc.code, exc))
        return
    for number, (partition_key, _, of_user) in enumerate(user_records):
        place = Source(shard_id, sequence_number, number, source.arrival_ms, index, partition_key, True)
        _read_user_record(of_user, place, batch)


def _read_user_record(data: bytes, source: Source, batch: DecodedBatch) -> None:
    if len(data) > QUOTE_MAX_BYTES:
        too_long = OversizeError(f"{len(data)} bytes; a quote has at most {QUOTE_MAX_BYTES}")
        batch.bad.append(_refused(data, source, "oversize", too_long))
        return
    try:
        # The archive holds one form of a time and one spelling of a symbol, whatever a producer wrote.
        quote, data = read_quote(data)
    except WireError as exc:
        batch.bad.append(_refused(data, source, exc.code, exc))
    else:
        batch.quotes.append(UserQuote(quote, data, source))


def _refused(data: bytes, source: Source, reason: str, exc: Exception) -> BadRecord:
    return BadRecord(data, source, reason, type(exc).__name__, str(exc))
