"""What may enter: records that Kinesis can take. Anything else is refused by name, at the door."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stockstream.sender.lane import Record
from stockstream.sender.limits import PARTITION_KEY_MAX_CHARACTERS
from stockstream_wire import record_size_bytes

# Room for the lane's hash key (39 digits), its partition key and the aggregate's envelope, whatever the lane.
_HASH_KEY_SAMPLE: Final = "9" * 39
LANE_KEY_MAX_BYTES: Final = 16
# Below this a record fits every stream, and needs no arithmetic.
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


def admit(records: Sequence[Record], record_max_bytes: int) -> tuple[Sequence[Record], int, list[RejectedRecord]]:
    """Part records into those that Kinesis can take, the sum of their data in bytes, and those refused."""
    if not records:
        return [], 0, []
    # Whole columns at once: nearly every batch passes here, and this runs for every record.
    keys, datas = zip(*records, strict=True)
    key_lengths, sizes = list(map(len, keys)), list(map(len, datas))
    if (
        max(sizes) + _SURELY_FITS_MARGIN_BYTES <= record_max_bytes
        and min(key_lengths) > 0
        and max(key_lengths) <= PARTITION_KEY_MAX_CHARACTERS
        and "".join(keys).isascii()
    ):
        return records, sum(sizes), []
    accepted: list[Record] = []
    rejected: list[RejectedRecord] = []
    for key, data in records:
        reason = _reason_against(key, data, record_max_bytes)
        if reason:
            rejected.append(RejectedRecord(key, len(data), reason))
        else:
            accepted.append((key, data))
    return accepted, sum(len(data) for _, data in accepted), rejected


def _reason_against(key: str, data: bytes, record_max_bytes: int) -> str:
    if not key:
        return "empty_key"
    try:
        key.encode()
    except UnicodeEncodeError:
        return "key_not_unicode"
    if len(key) > PARTITION_KEY_MAX_CHARACTERS:
        return "key_too_long"
    if record_size_bytes(key, data, _HASH_KEY_SAMPLE) + LANE_KEY_MAX_BYTES > record_max_bytes:
        return "too_large"
    return ""
