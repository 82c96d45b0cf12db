"""Accepted records on disk until Kinesis has them. docs/sender.md says why it is a log and not a database."""

from stockstream.outbox.batch import Record, RecordBatch
from stockstream.outbox.disk import DiskOutbox, StoredBatch
from stockstream.outbox.errors import OutboxCorruptError, OutboxLockedError, OutboxWriteError
from stockstream.outbox.segment_log import LogView, Position

__all__ = [
    "DiskOutbox",
    "LogView",
    "OutboxCorruptError",
    "OutboxLockedError",
    "OutboxWriteError",
    "Position",
    "Record",
    "RecordBatch",
    "StoredBatch",
]
