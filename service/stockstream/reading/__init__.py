"""Reads what is stored: candles, items of the tables, the archive, which is the log. Async, over aiobotocore clients.

The stored contract itself (keys, names, bytes) is `stockstream_wire.storage`'s.
"""

from stockstream.reading.archive import Archive, ArchiveMovedError, LogObject, TidiedObject, open_archive
from stockstream.reading.candles import Candle, candles_of, minute_start
from stockstream.reading.log import LogEntry, LogFormatError, read_layout, read_revision, unpack_entry
from stockstream.reading.tables import Item, Tables, plain_item

__all__ = [
    "Archive",
    "ArchiveMovedError",
    "Candle",
    "Item",
    "LogEntry",
    "LogFormatError",
    "LogObject",
    "Tables",
    "TidiedObject",
    "candles_of",
    "minute_start",
    "open_archive",
    "plain_item",
    "read_layout",
    "read_revision",
    "unpack_entry",
]
