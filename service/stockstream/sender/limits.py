"""What Kinesis takes, from its API reference (PutRecords; "Quotas and limits")."""

from typing import Final

KIBIBYTE: Final = 1024
MEBIBYTE: Final = 1024 * KIBIBYTE

# PutRecords: up to 500 records, 5 MiB for the whole request, partition keys included.
REQUEST_MAX_RECORDS: Final = 500
REQUEST_MAX_BYTES: Final = 5 * MEBIBYTE
# A record is up to 1 MiB (data and partition key), unless the stream's MaxRecordSizeInKiB says more: 10 MiB at most,
# and then a request may weigh 10 MiB.
RECORD_MAX_BYTES: Final = MEBIBYTE
LARGE_RECORD_MAX_BYTES: Final = 10 * MEBIBYTE
# One PUT payload unit, the unit of billing.
PAYLOAD_UNIT_BYTES: Final = 25 * KIBIBYTE
PARTITION_KEY_MAX_CHARACTERS: Final = 256
# What one shard takes in a second.
SHARD_BYTES_PER_SECOND: Final = MEBIBYTE
SHARD_RECORDS_PER_SECOND: Final = 1000
# Hash keys are 128 bits wide.
HASH_KEY_BITS: Final = 128


def request_max_bytes(record_max_bytes: int) -> int:
    """Largest request of a stream whose largest record is `record_max_bytes`."""
    return REQUEST_MAX_BYTES if record_max_bytes <= RECORD_MAX_BYTES else LARGE_RECORD_MAX_BYTES
