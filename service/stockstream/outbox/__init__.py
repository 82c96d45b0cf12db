"""Accepted records on disk until Kinesis has them. docs/outbox.md says what lies where and what each damage means."""

from stockstream.outbox.batch import Record, RecordBatch
from stockstream.outbox.commits import WrittenFrame
from stockstream.outbox.disk import DiskOutbox, StoredBatch
from stockstream.outbox.errors import OutboxCorruptError, OutboxFullError, OutboxLockedError, OutboxWriteError
from stockstream.outbox.segment_log import LogView, Position
from stockstream.outbox.state import Slot

__all__ = [
    "DiskOutbox",
    "LogView",
    "OutboxCorruptError",
    "OutboxFullError",
    "OutboxLockedError",
    "OutboxWriteError",
    "Position",
    "Record",
    "RecordBatch",
    "Slot",
    "StoredBatch",
    "WrittenFrame",
]
