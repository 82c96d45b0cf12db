"""What the archive holds: the objects of the log that stand as they were written, and those that the tidy made of them.

While the tidy is at a folder its quotes lie in both forms. Its marker decides which counts: before it the log's
objects, behind it the tidied ones.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from botocore.exceptions import ClientError

from stockstream.aws import list_keys, read_object
from stockstream.errors import RetryableError
from stockstream.reading.log import read_layout
from stockstream_wire.storage import (
    FIRST_FOLDER,
    RAW_PREFIX,
    Partition,
    TidyMarker,
    day_prefix,
    decode_marker,
    marker_prefix,
    parse_log_key,
    parse_tidied_key,
    partitions_of,
)

PARALLEL_READS: Final = 16

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class ArchiveMovedError(RetryableError):
    """The tidy has removed an object that was to be read: what it was is tidied now. Open the archive again."""


class LogObject(NamedTuple):
    """An object of the log."""

    key: str
    folder: str
    revision: int


class TidiedObject(NamedTuple):
    """A tidied object; a symbol's in the order (first, run), then the log, are its quotes in the order of the log."""

    key: str
    symbol: str
    first: int
    run: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Archive:
    """A listing of the archive at one moment.

    Attributes:
        s3: The client that it is read with.
        bucket: Its bucket.
        partitions: The partitions of the log; none where nothing has been stored yet.
        folders: Folders of the log and days of tidied objects, in order.
        log: Objects of each partition that are not tidied, by revision.
        markers: What of each partition is tidied, by revision.
    """

    s3: Any
    bucket: str
    partitions: Sequence[Partition]
    folders: Sequence[str]
    log: Mapping[Partition, Sequence[LogObject]]
    markers: Mapping[Partition, Sequence[TidyMarker]]

    async def tidied(self, day: str) -> Mapping[Partition, Sequence[TidiedObject]]:
        """Tidied objects of an event day, of each partition, by symbol and order."""
        found: dict[Partition, list[TidiedObject]] = {partition: [] for partition in self.partitions}
        whole = {partition: {marker.first for marker in self.markers[partition]} for partition in self.partitions}
        prefix = f"{day_prefix(day)}symbol="
        async for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            for entry in page.get("Contents", ()):
                parsed = parse_tidied_key(entry["Key"])
                if parsed is not None and parsed.first in whole.get(parsed.partition, ()):
                    found[parsed.partition].append(
                        TidiedObject(entry["Key"], parsed.symbol, parsed.first, parsed.run, entry["Size"])
                    )
        return {
            partition: sorted(objects, key=lambda found: (found.symbol, found.first, found.run))
            for partition, objects in found.items()
        }

    async def body(self, key: str) -> bytes:
        """Read an object.

        Raises:
            ArchiveMovedError: it is not there any more.
        """
        try:
            return await read_object(self.s3, self.bucket, key)
        except ClientError as exc:
            if exc.response["Error"]["Code"] == "NoSuchKey":
                raise ArchiveMovedError(f"s3://{self.bucket}/{key} is gone") from exc
            raise


async def open_archive(s3: Any, bucket: str) -> Archive:
    """List the archive.

    Raises:
        LogFormatError: layout.json is of a later format, or damaged.
    """
    count = await read_layout(s3, bucket)
    partitions = partitions_of(count) if count is not None else []
    folders = sorted(await list_folders(s3, bucket), key=lambda folder: (folder != FIRST_FOLDER, folder))
    # The log first, then the markers: an object can only have gone between the two if a marker says so.
    objects: dict[Partition, list[LogObject]] = {partition: [] for partition in partitions}
    async for of_folder in in_order(folders, lambda folder: _log_of(s3, bucket, folder)):
        for partition, found in of_folder:
            if partition in objects:
                objects[partition].append(found)
    markers = {partition: await _markers(s3, bucket, partition) for partition in partitions}
    log = {
        partition: sorted(_not_tidied(objects[partition], markers[partition]), key=lambda found: found.revision)
        for partition in partitions
    }
    return Archive(s3, bucket, partitions, folders, log, markers)


async def in_order(
    entries: Iterable[_In], read: Callable[[_In], Awaitable[_Out]], parallel: int = PARALLEL_READS
) -> AsyncIterator[_Out]:
    """Read so many at once, and give what was read in the order of the entries."""
    waiting: list[asyncio.Future[_Out]] = []
    try:
        for entry in entries:
            waiting.append(asyncio.ensure_future(read(entry)))
            if len(waiting) == parallel:
                yield await waiting.pop(0)
        while waiting:
            yield await waiting.pop(0)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def list_folders(s3: Any, bucket: str) -> list[str]:
    """Folders of the log and days of tidied objects, in no order."""
    prefix = f"{RAW_PREFIX}dt="
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    return [
        entry["Prefix"].removeprefix(prefix).rstrip("/")
        async for page in pages
        for entry in page.get("CommonPrefixes", ())
    ]


async def _log_of(s3: Any, bucket: str, folder: str) -> list[tuple[Partition, LogObject]]:
    parsed = [(key, parse_log_key(key)) async for key in list_keys(s3, bucket, f"{day_prefix(folder)}p")]
    return [(found.partition, LogObject(key, folder, found.revision)) for key, found in parsed if found is not None]


async def _markers(s3: Any, bucket: str, partition: Partition) -> list[TidyMarker]:
    keys = [key async for key in list_keys(s3, bucket, marker_prefix(partition))]
    bodies = in_order(keys, lambda key: read_object(s3, bucket, key))
    return sorted([decode_marker(body) async for body in bodies], key=lambda marker: marker.first)


def _not_tidied(objects: Collection[LogObject], markers: Sequence[TidyMarker]) -> Iterable[LogObject]:
    firsts = [marker.first for marker in markers]

    def is_tidied(revision: int) -> bool:
        index = bisect_right(firsts, revision) - 1
        return index >= 0 and revision <= markers[index].last

    return [found for found in objects if not is_tidied(found.revision)]
