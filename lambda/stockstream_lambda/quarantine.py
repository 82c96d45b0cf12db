"""Quarantine: one S3 object for each user record that is not a quote, under a key made from its position."""

from base64 import b64encode
from typing import Final, NamedTuple

import msgspec

from stockstream_lambda.records import BadRecord

QUARANTINE_PREFIX: Final = "quarantine"


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


class StoredObject(NamedTuple):
    """An S3 object to be put."""

    key: str
    body: bytes
    content_type: str


def quarantine_key(bad: BadRecord) -> str:
    """Key of the record's object; the same on every delivery, so that a retry overwrites it."""
    position = bad.position
    return (
        f"{QUARANTINE_PREFIX}/dt={position.day}/{position.shard_id}/"
        f"{position.sequence_number}-{position.subsequence_number}.json"
    )


def quarantine_object(bad: BadRecord) -> StoredObject:
    """Build the object of one bad record."""
    position = bad.position
    content = QuarantineObject(
        reason=bad.reason,
        error_class=bad.error_class,
        detail=bad.detail[:2000],
        data_base64=b64encode(bad.data).decode(),
        data_bytes=len(bad.data),
        partition_key=bad.partition_key,
        shard_id=position.shard_id,
        sequence_number=position.sequence_number,
        subsequence_number=position.subsequence_number,
        aggregated=bad.aggregated,
        approximate_arrival_ms=position.arrival_ms,
    )
    return StoredObject(quarantine_key(bad), msgspec.json.encode(content), "application/json")
