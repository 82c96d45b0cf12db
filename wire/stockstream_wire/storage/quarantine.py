"""Quarantine: one object for each user record that was set aside, under a key made from its place in the stream."""

from base64 import b64decode, b64encode
from typing import Final

import msgspec

from stockstream_wire.storage.names import QUARANTINE_PREFIX

# Reason of records that are well but whose partition of the log is stopped; sent again, they are stored.
PARTITION_STOPPED: Final = "partition_stopped"
_DETAIL_MAX_CHARACTERS: Final = 2000


class QuarantineObject(msgspec.Struct, frozen=True, kw_only=True):
    """What the object holds, as JSON. `data_base64` are the bytes to send again; the rest says where and why."""

    v: int = 1
    reason: str
    error_class: str
    detail: str
    data_base64: str
    data_bytes: int
    partition_key: str | None
    shard_id: str
    sequence_number: str
    subsequence_number: int
    aggregated: bool
    approximate_arrival_ms: int

    @property
    def data(self) -> bytes:
        """The user record's bytes; raises ValueError where they are not Base64."""
        return b64decode(self.data_base64, validate=True)


def quarantine_key(day: str, shard_id: str, sequence_number: str, subsequence_number: int) -> str:
    """Key of a record's object, `day` being that of its arrival; the same on every delivery."""
    return f"{QUARANTINE_PREFIX}dt={day}/{shard_id}/{sequence_number}-{subsequence_number}.json"


def encode_quarantined(
    data: bytes,
    *,
    reason: str,
    error_class: str,
    detail: str,
    partition_key: str | None,
    shard_id: str,
    sequence_number: str,
    subsequence_number: int,
    aggregated: bool,
    approximate_arrival_ms: int,
) -> bytes:
    """Bytes of the object for one record."""
    return msgspec.json.encode(
        QuarantineObject(
            reason=reason,
            error_class=error_class,
            detail=detail[:_DETAIL_MAX_CHARACTERS],
            data_base64=b64encode(data).decode(),
            data_bytes=len(data),
            partition_key=partition_key,
            shard_id=shard_id,
            sequence_number=sequence_number,
            subsequence_number=subsequence_number,
            aggregated=aggregated,
            approximate_arrival_ms=approximate_arrival_ms,
        )
    )


def decode_quarantined(body: bytes) -> QuarantineObject:
    """Read an object of the quarantine; raises ValueError (msgspec.DecodeError) where it is none."""
    return msgspec.json.decode(body, type=QuarantineObject)
