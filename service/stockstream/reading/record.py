"""One stored quote as the stores have it: its item with the key, and its line of the archive with the object's key."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from botocore.exceptions import ClientError

from stockstream.aws import list_keys, read_object
from stockstream.reading.archive import list_folders
from stockstream.reading.log import read_layout, unpack_entry
from stockstream.reading.tables import Item, Tables
from stockstream_wire import WireError, decode_quote
from stockstream_wire.storage import FIRST_FOLDER, TABLES, day_prefix, log_prefix, partition_of

# Objects that one search reads at most: halving a day of them takes fewer than twenty.
_READS_MAX: Final = 100


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A quote, and where it lies.

    Attributes:
        table: Name of the table.
        table_key: Its key there.
        item: Its attributes.
        object: URL of the object of the archive with its bytes; None where it was not found.
        line: Its line in that object, unpacked, from 1 on.
        data: The line: the quote as it came.
    """

    table: str
    table_key: dict[str, str]
    item: dict[str, Any]
    object: str | None = None
    line: int | None = None
    data: str | None = None


class _Found(NamedTuple):
    key: str
    line: int
    data: bytes


async def read_record(s3: Any, tables: Tables, bucket: str, symbol: str, timestamp: str) -> Record | None:
    """Read a quote's item and its bytes; None where the table has no such quote.

    The archive is read where the quote's day lies: the log is searched by halves, for a symbol's quotes stand in it in
    the order of their times. One that came late may stand elsewhere, and is then not found.

    Raises:
        LogFormatError: an object is damaged, or of a later format.
    """
    item: Item | None = await anext(aiter(tables.quotes_between(symbol, timestamp, timestamp)), None)
    if item is None:
        return None
    names = TABLES["quotes"]
    record = Record(
        table=tables.quotes, table_key={names.partition: symbol, names.sort: timestamp}, item=dict(sorted(item.items()))
    )
    found = await _in_log(s3, bucket, symbol, timestamp) or await _in_tidied(s3, bucket, symbol, timestamp)
    if found is None:
        return record
    return msgspec.structs.replace(
        record, object=f"s3://{bucket}/{found.key}", line=found.line, data=found.data.decode(errors="replace")
    )


async def _in_log(s3: Any, bucket: str, symbol: str, timestamp: str) -> _Found | None:
    count = await read_layout(s3, bucket)
    if count is None:
        return None
    for folder in _near(await list_folders(s3, bucket), timestamp[:10]):
        keys = [key async for key in list_keys(s3, bucket, log_prefix(partition_of(symbol, count), folder))]
        found = await _Search(s3, bucket, symbol, timestamp).among(keys)
        if found is not None:
            return found
    return None


async def _in_tidied(s3: Any, bucket: str, symbol: str, timestamp: str) -> _Found | None:
    keys = [key async for key in list_keys(s3, bucket, f"{day_prefix(timestamp[:10])}symbol={symbol}/")]
    return await _Search(s3, bucket, symbol, timestamp).among(keys)


def _near(folders: Sequence[str], day: str) -> list[str]:
    """Folders of the log that may hold a quote of a day: its own, one that was still open, the next."""
    days = sorted(folder for folder in folders if folder != FIRST_FOLDER)
    at = bisect_left(days, day)
    own = days[at : at + 1]
    return [*own, *days[max(0, at - 1) : at], *days[at + 1 : at + 2], FIRST_FOLDER]


class _Search:
    def __init__(self, s3: Any, bucket: str, symbol: str, timestamp: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._symbol = symbol
        self._timestamp = timestamp
        self._reads = 0

    async def among(self, keys: Sequence[str]) -> _Found | None:
        """Find the quote in objects that are in the order of their quotes."""
        low, high = 0, len(keys)
        while low < high and self._reads < _READS_MAX:
            middle = at = (low + high) // 2
            times: dict[str, _Found] = {}
            while at < high and not times and self._reads < _READS_MAX:
                times = await self._times(keys[at])
                at += 1
            if self._timestamp in times:
                return times[self._timestamp]
            # By the newest alone: one that came late stands among newer ones, and says nothing of the others' place.
            if times and self._timestamp > max(times):
                low = at
            else:
                high = middle
        return None

    async def _times(self, key: str) -> dict[str, _Found]:
        """The symbol's quotes in an object, by their times; none where it is gone."""
        self._reads += 1
        try:
            body = await read_object(self._s3, self._bucket, key)
        except ClientError as exc:
            if exc.response["Error"]["Code"] == "NoSuchKey":
                return {}  # tidied since it was listed
            raise
        found: dict[str, _Found] = {}
        for number, line in enumerate(unpack_entry(key, body), 1):
            try:
                quote = decode_quote(line)
            except WireError:
                continue
            if quote.symbol == self._symbol:
                found.setdefault(quote.timestamp, _Found(key, number, line))
        return found
