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


class UserQuote(NamedTuple):
    """A quote as it came: its bytes (in the wire's one form), what they mean, where they stood."""

    quote: Quote
    data: bytes
    position: Position
    record_index: int
    partition_key: str | None = None
    aggregated: bool = False


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
    oldest_arrival_ms: int


def set_aside(user_quote: UserQuote, reason: str, error_class: str, detail: str) -> BadRecord:
    """A quote that is not to be stored, as a record for quarantine."""
    _, data, position, record_index, partition_key, aggregated = user_quote
    return BadRecord(data, position, record_index, reason, error_class, detail, partition_key, aggregated)


def quarantine_key_of(bad: BadRecord) -> str:
    """Key of the record's object in quarantine; the same on every delivery, so that a retry overwrites it."""
    position = bad.position
    return quarantine_key(position.day, position.shard_id, position.sequence_number, position.subsequence_number)


def quarantine_body(bad: BadRecord) -> bytes:
    """Bytes of the record's object in quarantine."""
    return encode_quarantined(
        bad.data,
        reason=bad.reason,
        error_class=bad.error_class,
        detail=bad.detail,
        partition_key=bad.partition_key,
        shard_id=bad.position.shard_id,
        sequence_number=bad.position.sequence_number,
        subsequence_number=bad.position.subsequence_number,
        aggregated=bad.aggregated,
        approximate_arrival_ms=bad.position.arrival_ms,
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
        reader = _RecordReader(Position(shard_id, sequence_number, 0, arrival_ms), index, quotes, bad)
        reader.read(kinesis.get("data") or "", kinesis.get("partitionKey"))
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


class _RecordReader:
    """Reads one Kinesis record: a plain quote or an aggregate of many."""

    __slots__ = ("_bad", "_index", "_position", "_quotes")

    def __init__(self, position: Position, index: int, quotes: list[UserQuote], bad: list[BadRecord]) -> None:
        self._position = position
        self._index = index
        self._quotes = quotes
        self._bad = bad

    def read(self, encoded: str, partition_key: str | None) -> None:
        try:
            data = binascii.a2b_base64(encoded, strict_mode=True)
        except ValueError as exc:  # binascii.Error is one
            self._refuse(encoded.encode(errors="replace"), 0, partition_key, "base64_error", exc, aggregated=False)
            return
        if not is_aggregated(data):
            self._read_user_record(data, 0, partition_key, aggregated=False)
            return
        try:
            user_records = deaggregate(data)
        except WireError as exc:
            self._refuse(data, 0, partition_key, exc.code, exc, aggregated=True)
            return
        for subsequence_number, user_record in enumerate(user_records):
            self._read_user_record(user_record.data, subsequence_number, user_record.partition_key, aggregated=True)

    def _read_user_record(
        self, data: bytes, subsequence_number: int, partition_key: str | None, *, aggregated: bool
    ) -> None:
        if len(data) > QUOTE_MAX_BYTES:
            exc = OversizeError(f"{len(data)} bytes; a quote has at most {QUOTE_MAX_BYTES}")
            self._refuse(data, subsequence_number, partition_key, "oversize", exc, aggregated=aggregated)
            return
        try:
            # The archive holds one form of a time and one spelling of a symbol, whatever a producer wrote.
            quote, data = read_quote(data)
        except WireError as exc:
            self._refuse(data, subsequence_number, partition_key, exc.code, exc, aggregated=aggregated)
            return
        position = self._position
        if subsequence_number:
            position = position._replace(subsequence_number=subsequence_number)
        self._quotes.append(UserQuote(quote, data, position, self._index, partition_key, aggregated))

    def _refuse(
        self,
        data: bytes,
        subsequence_number: int,
        partition_key: str | None,
        reason: str,
        exc: Exception,
        *,
        aggregated: bool,
    ) -> None:
        position = self._position._replace(subsequence_number=subsequence_number)
        error_class = type(exc).__name__
        self._bad.append(
            BadRecord(data, position, self._index, reason, error_class, str(exc), partition_key, aggregated)
        )
