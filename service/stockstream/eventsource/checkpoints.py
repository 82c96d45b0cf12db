"""Checkpoints: up to where each shard is resolved, kept over a restart.

One small JSON file, replaced atomically (write, fsync, rename), so that a crash leaves the old one or the new one. It
names the stream by ARN and creation time: a stream deleted and made again under its name is another stream, and its
sequence numbers mean nothing here.
"""

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from stockstream.eventsource.errors import EventSourceError

_VERSION: Final = 1
_log = structlog.get_logger(__name__)


class StreamIdentity(msgspec.Struct, frozen=True):
    """Which stream it is: the ARN alone survives a delete and a create, the creation time does not."""

    stream_arn: str
    created_at: str


class ShardCheckpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything up to `sequence_number` is resolved; `is_finished`: the shard is closed and resolved to its end."""

    sequence_number: str | None = None
    is_finished: bool = False


class Checkpoints(msgspec.Struct, frozen=True, kw_only=True):
    """All checkpoints of one mapping.

    Attributes:
        stream: The stream they speak of.
        started_at_epoch_seconds: When the mapping first ran: what LATEST meant then, so that a restart before the first
            checkpoint does not skip what came in between.
        shards: By shard id.
        starts_at_horizon: The stream replaced another one under its name: read it from its first record.
        version: Form of the file.
    """

    stream: StreamIdentity
    started_at_epoch_seconds: float
    shards: Mapping[str, ShardCheckpoint] = {}
    starts_at_horizon: bool = False
    version: int = _VERSION


class CheckpointStore(Protocol):
    """Keeps the checkpoints of one mapping."""

    def load(self) -> Checkpoints | None:
        """The checkpoints, or None where there are none yet."""
        ...

    def save(self, checkpoints: Checkpoints) -> None:
        """Replace the checkpoints; durable when it returns."""
        ...


class MemoryCheckpointStore:
    """Forgets at the end of the process."""

    def __init__(self) -> None:
        self._checkpoints: Checkpoints | None = None

    def load(self) -> Checkpoints | None:
        return self._checkpoints

    def save(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints


class FileCheckpointStore:
    """Keeps them in `directory/NAME.checkpoints.json`."""

    def __init__(self, directory: Path, name: str) -> None:
        self.path = directory / f"{name}.checkpoints.json"
        # A save that runs in a thread when the runner is stopped must not meet the last save in the middle.
        self._lock = threading.Lock()

    def load(self) -> Checkpoints | None:
        """Read the file.

        A file that is not one is set aside as `.corrupt` and reading starts over: delivery is at least once, so that
        loses nothing, and the log says so.

        Raises:
            EventSourceError: the file is of a newer version, or cannot be read.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise EventSourceError(f"{self.path} cannot be read: {exc}") from exc
        try:
            checkpoints = msgspec.json.decode(data, type=Checkpoints)
        except msgspec.DecodeError as exc:
            aside = self.path.with_suffix(".corrupt")
            self.path.replace(aside)
            _log.warning("checkpoints_corrupt", path=str(self.path), moved_to=str(aside), error=str(exc))
            return None
        if checkpoints.version > _VERSION:
            raise EventSourceError(
                f"{self.path} is of version {checkpoints.version}, newer than {_VERSION}; use the newer program, "
                "or delete the file to read the stream again"
            )
        return checkpoints

    def save(self, checkpoints: Checkpoints) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        with self._lock:
            with temporary.open("wb") as file:
                file.write(msgspec.json.encode(checkpoints))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
