"""Reads what is stored: quotes, candles, alerts, health, the log as it grows. Async, over aiobotocore clients.

`open_market` is the door, `stockstream.open()` the same for notebooks; Archive, Tables and the log are what it is made
of, for those who audit, rebuild or fill.

The stored contract itself (keys, names, bytes) is `stockstream_wire.storage`'s.
"""

from stockstream.reading.archive import Archive, ArchiveMovedError, LogObject, TidiedObject, open_archive
from stockstream.reading.candles import Candle, candles_of, minute_start
from stockstream.reading.follow import Place, Position, Update, follow_log, newest_place
from stockstream.reading.health import Health, PartitionHealth, Quarantined
from stockstream.reading.log import LogEntry, LogFormatError, read_layout, read_revision, unpack_entry
from stockstream.reading.market import Market, StoreNames, checked_symbols, open_market
from stockstream.reading.record import Record
from stockstream.reading.rows import Rows, StoredAlert, StoredQuote, live_quote
from stockstream.reading.signals import Signal
from stockstream.reading.tables import Item, Tables, plain_item

__all__ = [
    "Archive",
    "ArchiveMovedError",
    "Candle",
    "Health",
    "Item",
    "LogEntry",
    "LogFormatError",
    "LogObject",
    "Market",
    "PartitionHealth",
    "Place",
    "Position",
    "Quarantined",
    "Record",
    "Rows",
    "Signal",
    "StoreNames",
    "StoredAlert",
    "StoredQuote",
    "Tables",
    "TidiedObject",
    "Update",
    "candles_of",
    "checked_symbols",
    "follow_log",
    "live_quote",
    "minute_start",
    "newest_place",
    "open_archive",
    "open_market",
    "plain_item",
    "read_layout",
    "read_revision",
    "unpack_entry",
]
