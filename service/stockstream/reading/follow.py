"""Follows the log: what is accepted of all symbols, a few GETs whatever their number, and resumable by revision."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

from botocore.exceptions import ClientError

from stockstream.aws import read_object
from stockstream.errors import InputError
from stockstream.reading.log import LogFormatError, read_layout, read_revision, unpack_entry
from stockstream_wire import Quote, WireError, decode_quote
from stockstream_wire.storage import (
    PARTITIONS_MAX,
    CheckpointSymbols,
    Partition,
    checkpoint_key,
    decode_checkpoint_symbols,
    is_partition_count,
    partitions_of,
)

# A partition that has been silent for so many looks may have been tidied away under a reader that slept.
_LOOKS_PER_CHECK: Final = 300


class Position(NamedTuple):
    """The last revision of a partition that was read, and the folder in which the next one lies."""

    revision: int
    folder: str


@dataclass(frozen=True, slots=True)
class Place:
    """How far a log was read, partition by partition. Its text is what resumes a reader: `first.1,2026-11-25.37`."""

    positions: tuple[Position, ...]

    def __str__(self) -> str:
        return ",".join(f"{position.folder}.{position.revision}" for position in self.positions)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a place's text.

        Raises:
            InputError: it is none.
        """
        parts = text.split(",", PARTITIONS_MAX)
        positions = []
        for part in parts:
            folder, _, revision = part.partition(".")
            if not _is_folder(folder) or not (revision.isascii() and revision.isdigit() and len(revision) <= 15):
                raise InputError(f"{text[:100]!r} is no place in the log: it looks like 2026-11-25.37,2026-11-25.12,…")
            positions.append(Position(int(revision), folder))
        if not is_partition_count(len(positions)):
            raise InputError(f"{text[:100]!r} is no place in the log: {len(positions)} partitions are no power of two")
        return cls(tuple(positions))

    def at(self, number: int, position: Position) -> "Place":
        return Place((*self.positions[:number], position, *self.positions[number + 1 :]))


class Update(NamedTuple):
    """One revision of a partition, or a gap.

    Attributes:
        place: How far the log is read with it; resumes behind it.
        partition: Its partition.
        quotes: Quotes accepted, of one symbol in their order.
        written_at: When it was stored.
        is_gap: Revisions were passed over: they are tidied and must be read from the tables.
    """

    place: Place
    partition: Partition
    quotes: tuple[Quote, ...]
    written_at: datetime | None
    is_gap: bool = False


async def read_checkpoints(s3: Any, bucket: str) -> Mapping[Partition, CheckpointSymbols]:
    """The checkpoint of every partition; none where nothing has been stored yet.

    Raises:
        LogFormatError: a later version of Stockstream wrote one, it is lost, or damaged.
    """
    count = await read_layout(s3, bucket)
    partitions = partitions_of(count) if count is not None else []
    found = await asyncio.gather(*(_checkpoint(s3, bucket, partition) for partition in partitions))
    return dict(zip(partitions, found, strict=True))


def place_of(checkpoints: Mapping[Partition, CheckpointSymbols]) -> Place:
    """Where the checkpoints stand."""
    return Place(tuple(Position(found.revision, found.folder) for found in checkpoints.values()))


async def newest_place(s3: Any, bucket: str) -> Place | None:
    """The end of the log; None where nothing has been stored yet."""
    checkpoints = await read_checkpoints(s3, bucket)
    if not checkpoints:
        return None
    place = place_of(checkpoints)
    async for update in tail(s3, bucket, checkpoints):
        place = update.place
    return place


async def tail(s3: Any, bucket: str, checkpoints: Mapping[Partition, CheckpointSymbols]) -> AsyncIterator[Update]:
    """What the log has behind its checkpoints, up to its end as it is now: some 32 revisions a partition."""
    place = place_of(checkpoints)
    for partition in checkpoints:
        async for update in _forward(s3, bucket, place, partition):
            place = update.place
            yield update


async def follow_log(
    s3: Any, bucket: str, since: Place | None = None, *, poll_seconds: float = 1.0
) -> AsyncGenerator[Update]:
    """Yield what is appended to the log, for ever; an empty log is waited for.

    Args:
        s3: An open client.
        bucket: The archive.
        since: Behind which place; None begins at the end of the log.
        poll_seconds: Pause between two looks at the ends of all partitions: that is what it costs.

    Raises:
        InputError: `since` is of a log with another number of partitions.
        LogFormatError: a later version of Stockstream wrote an object, or it is damaged.
    """
    while (end := await newest_place(s3, bucket)) is None:  # noqa: ASYNC110 - another machine's write
        await asyncio.sleep(poll_seconds)
    place = since if since is not None else end
    if len(place.positions) != len(end.positions):
        raise InputError(
            f"the place is of a log of {len(place.positions)} partitions, this one has {len(end.positions)}. "
            "Remedy: follow from the end"
        )
    partitions = partitions_of(len(place.positions))
    quiet_looks = _LOOKS_PER_CHECK if since is not None else 0
    while True:
        looks = [_collect(s3, bucket, place, partition) for partition in partitions]
        anything = False
        for updates in await asyncio.gather(*looks):
            for update in updates:
                anything = True
                number = update.partition.number
                place = place.at(number, update.place.positions[number])
                yield update._replace(place=place)
        quiet_looks = 0 if anything else quiet_looks + 1
        if quiet_looks >= _LOOKS_PER_CHECK:
            quiet_looks = 0
            for number, partition in enumerate(partitions):
                ahead = await _moved(s3, bucket, place.positions[number], partition)
                if ahead is not None:
                    place = place.at(number, ahead)
                    yield Update(place, partition, (), None, is_gap=True)
        if not anything:
            await asyncio.sleep(poll_seconds)


async def _collect(s3: Any, bucket: str, place: Place, partition: Partition) -> list[Update]:
    return [update async for update in _forward(s3, bucket, place, partition, limit=32)]


async def _forward(
    s3: Any, bucket: str, place: Place, partition: Partition, *, limit: int | None = None
) -> AsyncIterator[Update]:
    """What a partition has behind the place, up to its end or a number of revisions."""
    read = 0
    while limit is None or read < limit:
        position = place.positions[partition.number]
        entry = await read_revision(s3, bucket, partition, position.folder, position.revision + 1)
        if entry is None:
            return
        read += 1
        quotes = () if entry.next_folder or entry.closed_until else _quotes(entry.key, entry.body)
        place = place.at(partition.number, Position(position.revision + 1, entry.next_folder or position.folder))
        yield Update(place, partition, quotes, entry.written_at)


async def _moved(s3: Any, bucket: str, position: Position, partition: Partition) -> Position | None:
    """Where to go on if the log went on without us: what follows was tidied, so its end looked like the log's end."""
    found = await _checkpoint(s3, bucket, partition)
    if found.revision <= position.revision:
        return None
    if await read_revision(s3, bucket, partition, position.folder, position.revision + 1) is not None:
        return None
    return Position(found.revision, found.folder)


async def _checkpoint(s3: Any, bucket: str, partition: Partition) -> CheckpointSymbols:
    key = checkpoint_key(partition)
    try:
        return decode_checkpoint_symbols(await read_object(s3, bucket, key))
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "NoSuchKey":
            raise
        raise LogFormatError(f"s3://{bucket}/{key} is gone. Remedy: stockstream rebuild --checkpoints") from exc
    except ValueError as exc:
        raise LogFormatError(f"s3://{bucket}/{key}: {exc}") from exc


def _quotes(key: str, body: bytes) -> tuple[Quote, ...]:
    try:
        return tuple(decode_quote(line) for line in unpack_entry(key, body))
    except WireError as exc:
        raise LogFormatError(f"{key}: {exc}") from exc


def _is_folder(text: str) -> bool:
    if text == "first":
        return True
    try:
        datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007 - a date
    except ValueError:
        return False
    return True
