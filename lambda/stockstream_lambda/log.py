"""Entries of the log and the objects that hold them.

An entry is quotes, or a roll (the next folder), or a close (windows over by then are closed). Which key it gets
follows from the log before it alone: `stockstream_wire.storage.log_key`.
"""

import zlib
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

from stockstream_lambda.aws.s3 import StoredObject
from stockstream_lambda.errors import LogNewerError
from stockstream_lambda.records import UserQuote
from stockstream_wire import Quote, WireError, decode_quote
from stockstream_wire.storage import (
    CLOSE,
    FIRST_FOLDER,
    FORMAT,
    FORMAT_HEADER,
    NEXT_FOLDER,
    pack_lines,
    unpack_lines,
)

ENTRY_MAX_QUOTES: Final = 1000
_symbol_of: Final = attrgetter("quote.symbol")
_VERSION: Final = {FORMAT_HEADER: str(FORMAT)}


class Accepted(NamedTuple):
    """Quotes accepted, sorted by symbol, of one symbol in the order of the stream."""

    quotes: Sequence[Quote]


class Roll(NamedTuple):
    """The folder that takes what follows."""

    folder: str


class Close(NamedTuple):
    """Windows that end by this moment are over: no quote comes for them any more but a late one."""

    until: str


Entry = Accepted | Roll | Close


class LogObject(NamedTuple):
    """An entry with the bytes and metadata of its object."""

    entry: Entry
    body: bytes
    metadata: Mapping[str, str]


def accepted_object(quotes: Sequence[UserQuote]) -> LogObject:
    """The object of an entry of quotes, given in the order of the stream."""
    ordered = sorted(quotes, key=_symbol_of)
    body = pack_lines([user.data for user in ordered])
    return LogObject(Accepted([user.quote for user in ordered]), body, _VERSION)


def roll_object(folder: str) -> LogObject:
    """The object that ends a folder. It holds no line: to Athena it is no row."""
    return LogObject(Roll(folder), pack_lines(()), {**_VERSION, NEXT_FOLDER: folder})


def close_object(until: str) -> LogObject:
    """The object of a close."""
    return LogObject(Close(until), pack_lines(()), {**_VERSION, CLOSE: until})


def read_mark(stored: StoredObject, key: str) -> Roll | Close | None:
    """What an object's metadata say it is; None: quotes.

    Raises:
        LogNewerError: a later version wrote it.
    """
    version = stored.metadata.get(FORMAT_HEADER, "")
    if version != str(FORMAT):
        raise LogNewerError(f"{key}: format {version!r}, this code reads {FORMAT}: deploy the version that wrote it")
    if (folder := stored.metadata.get(NEXT_FOLDER)) is not None:
        return Roll(folder)
    if (until := stored.metadata.get(CLOSE)) is not None:
        return Close(until)
    return None


def read_entry(stored: StoredObject, key: str) -> Entry:
    """Read an object of the log.

    Raises:
        LogNewerError: a later version wrote it, or it holds what this one cannot read.
    """
    mark = read_mark(stored, key)
    if mark is not None:
        return mark
    try:
        return Accepted([decode_quote(line) for line in unpack_lines(stored.body)])
    except (OSError, EOFError, zlib.error, WireError) as exc:
        raise LogNewerError(f"{key}: cannot be read: {exc}") from exc


def roll_day(quotes: Sequence[UserQuote], folder: str, today: str) -> str | None:
    """The folder to roll to before these quotes are appended; None: the open one takes them.

    Args:
        quotes: What is to be appended.
        folder: The open folder.
        today: The writer's UTC date: a folder never lies ahead of it, whatever a feed's clock says.
    """
    latest = min(max([user.quote.timestamp for user in quotes])[:10], today)
    return latest if folder == FIRST_FOLDER or latest > folder else None
