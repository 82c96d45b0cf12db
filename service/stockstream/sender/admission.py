"""What may enter: records that Kinesis can take. Anything else is refused by name, at the door."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stockstream.outbox import Record, RecordBatch
from stockstream.sender.limits import PARTITION_KEY_MAX_CHARACTERS
from stockstream_wire import record_size_bytes

# A library user's keys may be without end, so the set starts anew past this many.
MAX_KNOWN_KEYS: Final = 200_000
# Room for the lane's hash key (39 digits), its partition key and the aggregate's envelope, whatever the lane.
_HASH_KEY_SAMPLE: Final = "9" * 39
LANE_KEY_MAX_BYTES: Final = 16
# A record that is smaller than the largest by this fits, and needs no arithmetic.
_SURELY_FITS_MARGIN_BYTES: Final = 2048


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record that was not accepted.

    Attributes:
        key: Its partition key.
        size_bytes: Of its data.
        reason: `too_large`, `empty_key`, `key_too_long` or `key_not_unicode` (a lone surrogate).
    """

    key: str
    size_bytes: int
    reason: str


class Admission:
    """Looks at every record once, and at every key once.

    Args:
        record_max_bytes: Largest Kinesis record that the stream takes.
    """

    def __init__(self, record_max_bytes: int) -> None:
        self._record_max_bytes = record_max_bytes
        self._surely_fits_bytes = record_max_bytes - _SURELY_FITS_MARGIN_BYTES
        self._good_keys: set[str] = set()

    def admit(self, records: Sequence[Record]) -> tuple[RecordBatch | None, list[RejectedRecord]]:
        """Part records into those that Kinesis can take (None where there are none) and those refused."""
        if not records:
            return None, []
        if len(records) == 1:
            record = records[0]
            key, data = record
            size_bytes = len(data)
            if size_bytes <= self._surely_fits_bytes and key in self._good_keys:
                return RecordBatch((record,), size_bytes), []
        batch = RecordBatch.of(records)
        if max(batch.data_lengths) <= self._surely_fits_bytes and self._are_good(batch.keys):
            return batch, []
        accepted: list[Record] = []
        rejected: list[RejectedRecord] = []
        for key, data in records:
            reason = _reason_against(key, data, self._record_max_bytes)
            if reason:
                rejected.append(RejectedRecord(key, len(data), reason))
            else:
                accepted.append((key, data))
        if not rejected:
            return batch, []
        return (RecordBatch.of(accepted) if accepted else None), rejected

    def _are_good(self, keys: Sequence[str]) -> bool:
        """Whether Kinesis takes all of these keys; each is looked at once."""
        if self._good_keys.issuperset(keys):
            return True
        new_keys = set(keys) - self._good_keys
        if any(_reason_against_key(key) for key in new_keys):
            return False
        if len(self._good_keys) > MAX_KNOWN_KEYS:
            self._good_keys.clear()
        self._good_keys |= new_keys
        return True


def _reason_against_key(key: str) -> str:
    if not key:
        return "empty_key"
    if len(key) > PARTITION_KEY_MAX_CHARACTERS:
        return "key_too_long"
    try:
        key.encode()
    except UnicodeEncodeError:
        return "key_not_unicode"
    return ""


def _reason_against(key: str, data: bytes, record_max_bytes: int) -> str:
    reason = _reason_against_key(key)
    if not reason and record_size_bytes(key, data, _HASH_KEY_SAMPLE) + LANE_KEY_MAX_BYTES > record_max_bytes:
        reason = "too_large"
    return reason
