"""Where the log begins: lanes, generation, first segment, and how many records of each lane lay before it."""

from pathlib import Path
from typing import Final

import msgspec

from stockstream.outbox.errors import OutboxCorruptError
from stockstream.outbox.files import replace_file

CHECKPOINT_FILE_NAME: Final = "checkpoint.json"
_VERSION: Final = 1


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The beginning of the log.

    Attributes:
        lanes: Number of lanes; 0 until the stream's shards are known for the first time.
        generation: Which count of acknowledgements belongs to this log.
        first_segment: Number of the oldest segment that still counts.
        counts: Records of each lane before that segment.
        version: Of this file's form.
    """

    lanes: int
    generation: int
    first_segment: int
    counts: list[int]
    version: int = _VERSION


def read_checkpoint(directory: Path) -> Checkpoint | None:
    """Read the checkpoint; None where the outbox is new.

    Raises:
        OutboxCorruptError: there is one that this code cannot read.
    """
    path = directory / CHECKPOINT_FILE_NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        checkpoint = msgspec.json.decode(data, type=Checkpoint)
    except msgspec.DecodeError as exc:
        raise OutboxCorruptError(
            f"{path} is damaged: {exc}. Remedy: move the file away; every segment is then sent again, with duplicates"
        ) from exc
    if checkpoint.version > _VERSION or len(checkpoint.counts) != checkpoint.lanes:
        raise OutboxCorruptError(f"{path} is of version {checkpoint.version}. Remedy: run the release that wrote it")
    return checkpoint


def write_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint atomically and durably."""
    replace_file(directory / CHECKPOINT_FILE_NAME, msgspec.json.encode(checkpoint))
