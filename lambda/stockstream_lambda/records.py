"""From Lambda's Kinesis event to user records with their positions; what cannot be read becomes a `BadRecord`."""

import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from stockstream_lambda.errors import ConsumerError
from stockstream_wire import Quote, WireError, deaggregate, is_aggregated, read_quote
from stockstream_wire.storage import encode_quarantined, quarantine_key

# Far above any quote (about 300 bytes).
QUOTE_MAX_BYTES: Final = 16 * 1024
# The last that a date can be made of.
_YEAR_9999_SECONDS: Final = 253_402_300_800


class OversizeError(ConsumerError):
    """A user record is larger than any quote."""


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


class Source(NamedTuple):
    """Where a user record comes from: its place, its Kinesis record's in the batch, its key, how it was packed."""

    position: Position
    record_index: int
    partition_key: str | None
    aggregated: bool = False


class UserQuote(NamedTuple):
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


class DecodedBatch(NamedTuple):
    """One invocation's records: `sequence_numbers[i]` names the Kinesis record of every `record_index` i."""

    quotes: list[UserQuote]
    bad: list[BadRecord]
    sequence_numbers: list[str]
    oldest_arrival_ms: int


def quarantine_key_of(bad: BadRecord) -> str:
    """Key of the record's object in quarantine; the same on every delivery, so that a retry overwrites it."""
    position = bad.source.position
    return quarantine_key(position.day, position.shard_id, position.sequence_number, position.subsequence_number)


def quarantine_body(bad: BadRecord) -> bytes:
    """Bytes of the record's object in quarantine."""
    position, _, partition_key, aggregated = bad.source
    return encode_quarantined(
        bad.data,
        reason=bad.reason,
        error_class=bad.error_class,
        detail=bad.detail,
        partition_key=partition_key,
        shard_id=position.shard_id,
        sequence_number=position.sequence_number,
        subsequence_number=position.subsequence_number,
        aggregated=aggregated,
        approximate_arrival_ms=position.arrival_ms,
    )


def decode_batch(event: Mapping[str, Any]) -> DecodedBatch:
    """Decode every record of the event, in order. Nothing in a record's data makes this raise."""
    quotes: list[UserQuote] = []
    bad: list[BadRecord] = []
    sequence_numbers: list[str] = []
    oldest_arrival_ms = 0
    for index, record in enumerate(event.get("Records") or ()):
        kinesis = record["kinesis"]
        sequence_number = kinesis["sequenceNumber"]
        sequence_numbers.append(sequence_number)
        arrival_ms = _arrival_ms(kinesis.get("approximateArrivalTimestamp"))
        oldest_arrival_ms = min(oldest_arrival_ms or arrival_ms, arrival_ms)
        shard_id = record.get("eventID", "").partition(":")[0] or "shardId-unknown"
        source = Source(Position(shard_id, sequence_number, 0, arrival_ms), index, kinesis.get("partitionKey"))
        for found in _read_record(kinesis.get("data") or "", source):
            if isinstance(found, UserQuote):
                quotes.append(found)
            else:
                bad.append(found)
    return DecodedBatch(quotes, bad, sequence_numbers, oldest_arrival_ms)


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


def _read_record(encoded: str, source: Source) -> list[UserQuote | BadRecord]:
    """Read one Kinesis record: a plain quote or an aggregate of many."""
    try:
        data = binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError as exc:  # binascii.Error is one
        return [_refused(encoded.encode(errors="replace"), source, "base64_error", exc)]
    if not is_aggregated(data):
        return [_read_user_record(data, source)]
    source = source._replace(aggregated=True)
    try:
        user_records = deaggregate(data)
    except WireError as exc:
        return [_refused(data, source, exc.code, exc)]
    position, index, _, _ = source
    return [
        _read_user_record(
            user.data, Source(position._replace(subsequence_number=number), index, user.partition_key, aggregated=True)
        )
        for number, user in enumerate(user_records)
    ]


def _read_user_record(data: bytes, source: Source) -> UserQuote | BadRecord:
    if len(data) > QUOTE_MAX_BYTES:
        exc = OversizeError(f"{len(data)} bytes; a quote has at most {QUOTE_MAX_BYTES}")
        return _refused(data, source, "oversize", exc)
    try:
        # The archive holds one form of a time and one spelling of a symbol, whatever a producer wrote.
        quote, data = read_quote(data)
    except WireError as exc:
        return _refused(data, source, exc.code, exc)
    return UserQuote(quote, data, source)


def _refused(data: bytes, source: Source, reason: str, exc: Exception) -> BadRecord:
    return BadRecord(data, source, reason, type(exc).__name__, str(exc))
