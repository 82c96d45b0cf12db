"""Checkpoints: the states of a partition at a settled revision; and the layout of the log, made at its first start."""

from typing import Final, NamedTuple

import msgspec

from stockstream_lambda.analysis.state import States
from stockstream_lambda.errors import ConfigError, LogNewerError, PartitionStoppedError
from stockstream_lambda.stores import Stores
from stockstream_wire.storage import (
    FIRST_FOLDER,
    FORMAT,
    LAYOUT_KEY,
    Partition,
    checkpoint_key,
    decode_checkpoint_head,
    decode_layout,
    encode_layout,
    partitions_of,
)

CHECKPOINT_TYPE: Final = "application/vnd.msgpack"


class Checkpoint(msgspec.Struct, array_like=True, frozen=True):
    """A partition's states once this revision was applied and settled; new fields go to the end."""

    v: int
    revision: int
    folder: str
    states: States


class StoredCheckpoint(NamedTuple):
    """A checkpoint as it stands in the bucket, and the ETag by which it may be replaced."""

    checkpoint: Checkpoint
    etag: str


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Checkpoint)


def encode_checkpoint(revision: int, folder: str, states: States) -> bytes:
    return _encoder.encode(Checkpoint(FORMAT, revision, folder, states))


def decode_checkpoint(data: bytes, key: str) -> Checkpoint:
    """Decode a checkpoint; fields that a later version appended take their defaults.

    Raises:
        LogNewerError: a later version wrote it, or it is none.
    """
    try:
        head = decode_checkpoint_head(data)
        if head.v > FORMAT:
            raise LogNewerError(f"{key}: format {head.v}, this code reads {FORMAT}: deploy the version that wrote it")
        return _decoder.decode(data)
    except msgspec.DecodeError as exc:
        raise LogNewerError(f"{key}: cannot be read: {exc}") from exc


def checkpoint_lost(key: str) -> PartitionStoppedError:
    return PartitionStoppedError("checkpoint_lost", f"{key} is gone; stockstream rebuild --checkpoints makes it anew")


def read_checkpoint(stores: Stores, partition: Partition) -> StoredCheckpoint:
    """Read a partition's checkpoint.

    Raises:
        PartitionStoppedError: there is none, although the log has begun.
        LogNewerError: as `decode_checkpoint` does.
        StoreError: the bucket cannot be read.
    """
    key = checkpoint_key(partition)
    found = stores.get_object(key)
    if found is None:
        # Never an empty state: its writer would begin the log anew beside the log that there is.
        raise checkpoint_lost(key)
    return StoredCheckpoint(decode_checkpoint(found.body, key), found.etag)


def ensure_layout(stores: Stores, partitions: int) -> None:
    """Begin the log where there is none: a checkpoint of revision 0 for each partition, then the layout.

    Raises:
        ConfigError: the log has another number of partitions.
        StoreError: the bucket cannot be read or written.
    """
    found = stores.get_object(LAYOUT_KEY)
    if found is None:
        for partition in partitions_of(partitions):
            begin = encode_checkpoint(0, FIRST_FOLDER, {})
            stores.put_new(checkpoint_key(partition), begin, CHECKPOINT_TYPE, {})
        if stores.put_new(LAYOUT_KEY, encode_layout(partitions), "application/json", {}):
            return
        found = stores.get_object(LAYOUT_KEY)
    try:
        present = decode_layout(found.body) if found is not None else 0
    except ValueError as exc:
        raise LogNewerError(f"{LAYOUT_KEY}: {exc}") from exc
    if present != partitions:
        raise ConfigError(
            f"STOCKSTREAM_PARTITIONS={partitions}: the log in the bucket has {present} partitions, which never change; "
            f"set STOCKSTREAM_PARTITIONS={present}"
        )
