"""One pass over what is left of a partition's log, in the order of its revisions: is it whole, and what is in it."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec
from botocore.exceptions import ClientError

from stockstream.audit.findings import Finding, Problem
from stockstream.aws import read_object
from stockstream.reading import (
    Archive,
    ArchiveMovedError,
    LogEntry,
    LogFormatError,
    LogObject,
    read_revision,
    unpack_entry,
)
from stockstream.reading.archive import in_order
from stockstream_wire import WireError, decode_quote
from stockstream_wire.storage import (
    FIRST_FOLDER,
    CheckpointHead,
    Partition,
    checkpoint_key,
    decode_checkpoint_head,
)

# The consumer writes a checkpoint every 32 revisions; one that could not be written follows with the next.
CHECKPOINT_BEHIND_MAX_REVISIONS: Final = 64
# Clocks included: S3's, which dates an object, and ours.
_LIVE_SECONDS: Final = 120.0
# Objects are kept between the pass and the comparison as long as they are no more than this, gzipped.
_KEPT_MAX_BYTES: Final = 64 * 1024 * 1024


class _Place(NamedTuple):
    """Where the next revision lies; the folder is None where a tidied stretch hides it."""

    folder: str | None
    revision: int


class PartitionLog:
    """What one partition's log holds.

    Attributes:
        partition: Which.
        findings: Revisions missing, objects damaged, a checkpoint behind.
        counts: Quotes that each day of event time has, by symbol, in objects that are not tidied.
        keys: Those objects of each day, in order.
        last_tick: Event time of each symbol's newest tick in them.
        tail: Event times by symbol of what was appended behind the part that was read.
    """

    def __init__(self, archive: Archive, partition: Partition) -> None:
        self.partition = partition
        self.findings: list[Finding] = []
        self.counts: dict[str, Counter[str]] = {}
        self.keys: dict[str, list[str]] = {}
        self.last_tick: dict[str, str] = {}
        self.tail: dict[str, set[str]] = {}
        self._archive = archive
        self._next = _Place(FIRST_FOLDER, 1)
        self._written_at = datetime.min.replace(tzinfo=UTC)
        self._kept: dict[str, bytes] = {}
        self._kept_bytes = 0

    async def read(self) -> None:
        """Make the pass, up to the end of the log at this moment.

        Raises:
            ArchiveMovedError: the tidy was at work meanwhile; list the archive again.
            LogFormatError: a later version of Stockstream wrote the log.
        """
        markers = {marker.first: marker for marker in self._archive.markers.get(self.partition, ())}
        async for found, entry in self._entries():
            while marker := markers.get(self._next.revision):
                self._next = _Place(None, marker.last + 1)
            if found.revision > self._next.revision:
                await self._fill_gap(found)
            if self._next.folder not in {None, found.folder}:
                self._damaged(found.key, f"lies in dt={found.folder}, the log goes on in dt={self._next.folder}")
            self._take(entry)
            self._next = _Place(entry.next_folder or found.folder, found.revision + 1)
        while marker := markers.get(self._next.revision):
            self._next = _Place(None, marker.last + 1)
        await self._check_checkpoint()

    async def extend_tail(self) -> None:
        """Note what was appended meanwhile."""
        if self._next.folder is None or not self._archive.partitions:
            return
        while (entry := await self._read(self._next.folder, self._next.revision)) is not None:
            for line in _lines(entry):
                try:
                    quote = decode_quote(line)
                except WireError:
                    continue
                self.tail.setdefault(quote.symbol, set()).add(quote.timestamp)
            self._written_at = entry.written_at
            self._next = _Place(entry.next_folder or self._next.folder, self._next.revision + 1)

    def is_live(self) -> bool:
        """Whether somebody has just appended, so that items of the newest entry may be on their way."""
        return (datetime.now(UTC) - self._written_at).total_seconds() < _LIVE_SECONDS

    async def bodies(self, day: str) -> dict[str, bytes]:
        """The objects that hold quotes of a day, in order."""
        keys = self.keys.get(day, [])
        missing = [key for key in keys if key not in self._kept]
        read = {key: body async for key, body in in_order(missing, self._body)}
        return {key: self._kept.get(key) or read[key] for key in keys}

    async def _body(self, key: str) -> tuple[str, bytes]:
        return key, await self._archive.body(key)

    async def _entries(self) -> AsyncIterator[tuple[LogObject, LogEntry]]:
        async def read(found: LogObject) -> tuple[LogObject, LogEntry]:
            entry = await self._read(found.folder, found.revision)
            if entry is None:
                raise ArchiveMovedError(f"{found.key} is gone")
            return found, entry

        async for pair in in_order(self._archive.log.get(self.partition, ()), read):
            yield pair

    async def _read(self, folder: str, revision: int) -> LogEntry | None:
        return await read_revision(self._archive.s3, self._archive.bucket, self.partition, folder, revision)

    async def _fill_gap(self, found: LogObject) -> None:
        """The listing skips revisions: they came while it was made, or they are not there."""
        while self._next.revision < found.revision and self._next.folder is not None:
            entry = await self._read(self._next.folder, self._next.revision)
            if entry is None:
                break
            self._take(entry)
            self._next = _Place(entry.next_folder or self._next.folder, self._next.revision + 1)
        first, last = self._next.revision, found.revision - 1
        if first <= last:
            subject = str(first) if first == last else f"{first} to {last}"
            self._find(Problem.REVISION_MISSING, subject, f"the log goes on with {found.key}")
            self._next = _Place(None, found.revision)

    def _take(self, entry: LogEntry) -> None:
        self._written_at = entry.written_at
        try:
            lines = unpack_entry(entry.key, entry.body)
        except LogFormatError as exc:
            self._damaged(entry.key, str(exc))
            return
        days = set()
        for number, line in enumerate(lines, 1):
            try:
                quote = decode_quote(line)
            except WireError as exc:
                self._damaged(f"{entry.key}:{number}", str(exc))
                continue
            day = quote.timestamp[:10]
            days.add(day)
            self.counts.setdefault(day, Counter())[quote.symbol] += 1
            if not quote.stale and quote.timestamp > self.last_tick.get(quote.symbol, ""):
                self.last_tick[quote.symbol] = quote.timestamp
        for day in days:
            self.keys.setdefault(day, []).append(entry.key)
        if days and self._kept_bytes + len(entry.body) <= _KEPT_MAX_BYTES:
            self._kept[entry.key] = entry.body
            self._kept_bytes += len(entry.body)

    async def _check_checkpoint(self) -> None:
        if not self._archive.partitions:
            return
        key = checkpoint_key(self.partition)
        head = await self._checkpoint(key)
        if head is None:
            return
        if self._next.folder is None:
            self._next = _Place(head.folder, self._next.revision)
        last = self._next.revision - 1
        if last - head.revision > CHECKPOINT_BEHIND_MAX_REVISIONS:
            detail = f"it is of revision {head.revision}, the log is at {last}"
            self._find(Problem.CHECKPOINT_BEHIND, key, detail)
        elif head.revision > last:
            await self.extend_tail()
            if head.revision >= self._next.revision:
                detail = f"the checkpoint is of revision {head.revision}, the log ends at {self._next.revision - 1}"
                self._find(Problem.REVISION_MISSING, str(self._next.revision), detail)

    async def _checkpoint(self, key: str) -> CheckpointHead | None:
        try:
            return decode_checkpoint_head(await read_object(self._archive.s3, self._archive.bucket, key))
        except ClientError as exc:
            if exc.response["Error"]["Code"] != "NoSuchKey":
                raise
            detail = "is not there. Remedy: stockstream rebuild --checkpoints"
        except (ValueError, msgspec.DecodeError) as exc:
            detail = f"cannot be read: {exc}. Remedy: stockstream rebuild --checkpoints"
        self._find(Problem.CHECKPOINT_BEHIND, key, detail)
        return None

    def _damaged(self, subject: str, detail: str) -> None:
        self._find(Problem.ARCHIVE_DAMAGED, subject, detail)

    def _find(self, problem: Problem, subject: str, detail: str) -> None:
        self.findings.append(Finding(problem, self.partition.name, subject, detail))


def _lines(entry: LogEntry) -> list[bytes]:
    try:
        return unpack_entry(entry.key, entry.body)
    except LogFormatError:
        return []
