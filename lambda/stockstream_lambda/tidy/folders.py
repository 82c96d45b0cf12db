"""Folders of the log that are closed and covered: what they hold goes to objects by symbol and event day, then they go.

A unit of work is one partition's folder: a fixed range of revisions, so whoever does it again writes the same keys and
bytes. Markers chain the units: each names the folder behind it. Only what a checkpoint covers that is itself over a day
old is ever deleted: whoever could still look for it, an old container or a loader with an old checkpoint, is long gone.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import structlog

from stockstream_lambda.aws.s3 import LIST_MAX_KEYS
from stockstream_lambda.clock import Clock, Deadline
from stockstream_lambda.errors import PartitionStoppedError
from stockstream_lambda.log import Close, Roll, read_mark
from stockstream_lambda.parallel import Calls
from stockstream_lambda.stores import Stores
from stockstream_wire.storage import (
    CONTENT_TYPE,
    FIRST_FOLDER,
    FORMAT,
    FORMAT_HEADER,
    Partition,
    TidyMarker,
    decode_marker,
    encode_marker,
    log_key,
    log_prefix,
    marker_key,
    marker_prefix,
    pack_lines,
    parse_log_key,
    tidied_key,
    tidy_note_key,
    unpack_lines,
)

COVERED_FOR_SECONDS: Final = 86_400.0
# Lines of one object: far below what a reader takes (storage.UNPACKED_MAX_BYTES).
RUN_MAX_BYTES: Final = 16 * 1024 * 1024
# Lines held unpacked at once; the whole of a unit is held packed, a tenth of its size.
SLICE_MAX_BYTES: Final = 64 * 1024 * 1024
_READ_AT_ONCE: Final = 64
_JSON: Final = "application/json"

log = structlog.get_logger("stockstream.tidy")


class Note(msgspec.Struct):
    """What is remembered between two nights.

    Attributes:
        seen: Moments (seconds since 1970) and the revision of the checkpoint that stood there.
        unit: First revision of the folder that is under way.
        done: The last of its symbols, in their order, whose objects are there.
    """

    seen: list[tuple[float, int]] = []
    unit: int = 0
    done: str = ""


class Unit(NamedTuple):
    """A closed folder of a partition: its objects in order, the roll last."""

    marker: TidyMarker
    bodies: list[bytes]


class _Head(msgspec.Struct):
    symbol: str
    timestamp: str


_head: Final = msgspec.json.Decoder(_Head).decode


class Folders:
    """The folders of one partition.

    Args:
        partition: The partition.
        stores: The bucket.
        calls: Runs calls in parallel.
        clock: The time.
        covered_for_seconds: How long a checkpoint must have covered what is deleted.
        slice_max_bytes: Lines held unpacked at once.
    """

    def __init__(
        self,
        partition: Partition,
        stores: Stores,
        calls: Calls,
        clock: Clock,
        *,
        covered_for_seconds: float = COVERED_FOR_SECONDS,
        slice_max_bytes: int = SLICE_MAX_BYTES,
    ) -> None:
        self._partition = partition
        self._stores = stores
        self._calls = calls
        self._clock = clock
        self._covered_for_seconds = covered_for_seconds
        self._slice_max_bytes = slice_max_bytes

    def tidy(
        self, checkpoint_revision: int, deadline: Deadline, *, until_day: str = "9999", dry_run: bool = False
    ) -> Iterator[TidyMarker]:
        """Tidy what may be tidied, folder by folder; yields each once it is done (or, in a dry run, would be).

        Args:
            checkpoint_revision: Revision of the checkpoint that stands in the bucket now.
            deadline: When to stop; the next call goes on.
            until_day: The last folder.
            dry_run: Only say.

        Raises:
            OutOfTimeError: the rest is for the next call.
            PartitionStoppedError, LogNewerError, StoreError: the log cannot be read, or the bucket not written.
        """
        note = self._read_note()
        covered = self._covered(note, checkpoint_revision)
        if not dry_run:
            self._write_note(note)
        last = self._last_marker()
        if last is not None and not dry_run:
            self._delete(last)
        first, folder = (1, FIRST_FOLDER) if last is None else (last.last + 1, last.next)
        while folder == FIRST_FOLDER or folder <= until_day:
            deadline.check()
            unit = self._read_unit(folder, first, covered)
            if unit is None:
                return
            if not dry_run:
                self._put_slices(unit, note, deadline)
                self._stores.put_new(marker_key(self._partition, first), encode_marker(unit.marker), _JSON, {})
                self._delete(unit.marker)
            yield unit.marker
            first, folder = unit.marker.last + 1, unit.marker.next

    def _covered(self, note: Note, checkpoint_revision: int) -> int:
        """The newest revision that a checkpoint has covered for long enough; notes the present one."""
        now = self._clock.now()
        old = [revision for at, revision in note.seen if now - at > self._covered_for_seconds]
        covered = max(old, default=0)
        young = [(at, revision) for at, revision in note.seen if now - at <= self._covered_for_seconds]
        note.seen = [*([(0.0, covered)] if old else []), *young]
        # Called again and again in one night, it notes no more than it needs.
        if not young or now - young[-1][0] > self._covered_for_seconds / 24:
            note.seen.append((now, checkpoint_revision))
        return covered

    def _read_unit(self, folder: str, first: int, covered: int) -> Unit | None:
        """The folder that begins with this revision; None where it is not closed, or not covered."""
        bodies: list[bytes] = []
        closed = ""
        while first + len(bodies) <= covered:
            count = min(_READ_AT_ONCE, covered + 1 - first - len(bodies))
            keys = [log_key(self._partition, folder, first + len(bodies) + n) for n in range(count)]
            for key, stored in zip(keys, self._calls.map(self._stores.get_object, keys), strict=True):
                if stored is None:
                    raise PartitionStoppedError("log_hole", f"{key} is missing, and was not tidied")
                mark = read_mark(stored, key)
                bodies.append(stored.body)
                if isinstance(mark, Close):
                    closed = mark.until
                elif isinstance(mark, Roll):
                    return Unit(TidyMarker(first, first + len(bodies) - 1, folder, mark.folder, closed), bodies)
        return None

    def _put_slices(self, unit: Unit, note: Note, deadline: Deadline) -> None:
        if note.unit != unit.marker.first:
            note.unit, note.done = unit.marker.first, ""
        for symbols in _slices(unit.bodies, note.done, self._slice_max_bytes):
            deadline.check()
            self._put(unit, symbols)
            note.done = max(symbols)
            self._write_note(note)

    def _put(self, unit: Unit, symbols: set[str]) -> None:
        lines: dict[str, list[tuple[str, bytes]]] = {}
        for body in unit.bodies:
            for line in unpack_lines(body):
                head = _head(line)
                if head.symbol in symbols:
                    lines.setdefault(head.symbol, []).append((head.timestamp[:10], line))

        def put(found: tuple[str, Sequence[bytes]]) -> None:
            # Where there is one it is this one: an earlier try's.
            self._stores.put_new(found[0], pack_lines(found[1]), CONTENT_TYPE, {FORMAT_HEADER: str(FORMAT)})

        runs = [
            (tidied_key(self._partition, day, symbol, unit.marker.first, run), of_run)
            for symbol, of_symbol in sorted(lines.items())
            for run, (day, of_run) in enumerate(_runs(of_symbol))
        ]
        self._calls.map(put, runs)

    def _delete(self, marker: TidyMarker) -> None:
        """Delete a tidied folder's objects of the log, as many as are left."""
        prefix = log_prefix(self._partition, marker.day)
        while True:
            listed = self._stores.list_keys(prefix)
            keys = [key for key in listed if (parsed := parse_log_key(key)) and parsed.revision <= marker.last]
            self._calls.map(self._stores.delete_object, keys)
            if len(listed) < LIST_MAX_KEYS or not keys:
                return

    def _last_marker(self) -> TidyMarker | None:
        key, after = "", ""
        while listed := self._stores.list_keys(marker_prefix(self._partition), after):
            key = after = listed[-1]
        found = self._stores.get_object(key) if key else None
        return None if found is None else decode_marker(found.body)

    def _read_note(self) -> Note:
        found = self._stores.get_object(tidy_note_key(self._partition))
        return Note() if found is None else msgspec.json.decode(found.body, type=Note)

    def _write_note(self, note: Note) -> None:
        self._stores.put_object(tidy_note_key(self._partition), msgspec.json.encode(note), _JSON)


def _runs(of_symbol: Sequence[tuple[str, bytes]]) -> Iterator[tuple[str, list[bytes]]]:
    """A symbol's lines, in order, cut where the event's day changes, and where an object would be too large."""
    run_day, run, size = "", list[bytes](), 0
    for day, line in of_symbol:
        if run and (day != run_day or size + len(line) > RUN_MAX_BYTES):
            yield run_day, run
            run, size = [], 0
        run_day, size = day, size + len(line)
        run.append(line)
    if run:
        yield run_day, run


def _slices(bodies: Sequence[bytes], done: str, max_bytes: int) -> list[set[str]]:
    """The unit's symbols behind `done`, in order, cut so that the lines of each part may be held at once."""
    sizes: dict[str, int] = {}
    for body in bodies:
        for line in unpack_lines(body):
            symbol = _head(line).symbol
            sizes[symbol] = sizes.get(symbol, 0) + len(line)
    slices: list[set[str]] = []
    held = max_bytes
    for symbol, size in sorted(sizes.items()):
        if symbol > done:
            if held + size > max_bytes:
                slices.append(set())
                held = 0
            slices[-1].add(symbol)
            held += size
    return slices
