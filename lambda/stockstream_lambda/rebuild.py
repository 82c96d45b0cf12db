"""Folds the log again into empty or damaged tables, and writes the checkpoints: `stockstream rebuild`.

Not deployed as a function: the command runs it in a process of its own, in steps, while nothing else writes. Items are
those that the consumer wrote, byte for byte, as long as its rules and code are the same; alerts count as sent. A tidied
symbol is folded object by object, then the log goes on from the last marker. Windows that a night's close ended in a
tidied folder are closed at the end of that folder.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final, NamedTuple

import msgspec

from stockstream_lambda.analysis.fold import Effects
from stockstream_lambda.analysis.state import States
from stockstream_lambda.aws.dynamodb import Write
from stockstream_lambda.checkpoint import CHECKPOINT_TYPE, encode_checkpoint
from stockstream_lambda.clock import Deadline
from stockstream_lambda.effects import Owed
from stockstream_lambda.errors import PartitionStoppedError, StoreUnavailableError
from stockstream_lambda.handler import pipeline_of_this_process
from stockstream_lambda.items import expires_attribute
from stockstream_lambda.log import Close, Entry, Roll, read_entry
from stockstream_lambda.partition import Tools, Turn
from stockstream_lambda.pipeline import Pipeline
from stockstream_wire.storage import (
    FIRST_FOLDER,
    RAW_PREFIX,
    Partition,
    TidiedKey,
    TidyMarker,
    checkpoint_key,
    decode_marker,
    expires_at_seconds,
    log_key,
    marker_prefix,
    parse_log_key,
    parse_tidied_key,
    partitions_of,
)

# A step answers after about so long: the command's bar moves, and no invocation runs into its limit.
STEP_SECONDS: Final = 2.0
# Effects are written together, a call of DynamoDB taking 25 items.
_WRITE_TOGETHER_ITEMS: Final = 2000


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the command asks for.

    Attributes:
        first_day: Items of event days before it are left as they are; empty for all.
        only_checkpoints: Write no tables.
        dry_run: Write nothing at all.
    """

    first_day: str = ""
    only_checkpoints: bool = False
    dry_run: bool = False


class Progress(msgspec.Struct):
    """How far a rebuild has come: objects read of how many, and what was (or, in a dry run, would be) written."""

    total: int = 0
    done: int = 0
    quotes: int = 0
    candles: int = 0
    alerts: int = 0
    checkpoints: int = 0
    is_finished: bool = False


class _Listing(NamedTuple):
    """A partition's objects: tidied ones in the order of the log, symbol by symbol, and how many of the log."""

    tidied: list[tuple[TidiedKey, str]]
    markers: dict[int, TidyMarker]
    entries: int


class Rebuild:
    """One rebuild; `steps` does it, a little at a time."""

    def __init__(self, tools: Tools, turn: Turn, partitions: int, retention_days: int, wanted: Wanted) -> None:
        self._tools = tools
        self._turn = turn
        self._retention_days = retention_days
        self._wanted = wanted
        self._now_seconds = tools.clock.now()
        self._owed: list[Write] = []
        self.progress = Progress()
        self._listings = {partition: self._list(partition) for partition in partitions_of(partitions)}
        self.progress.total = sum(len(found.tidied) + found.entries for found in self._listings.values())

    def steps(self) -> Iterator[None]:
        """Do it; may be left between any two steps and gone on with.

        Raises:
            PartitionStoppedError: the log has a hole.
            LogNewerError, StoreError: as the consumer's.
        """
        for partition, listing in self._listings.items():
            states: States = {}
            yield from self._fold_tidied(listing, states)
            yield from self._fold_log(partition, listing, states)
        self.progress.is_finished = True

    def _fold_tidied(self, listing: _Listing, states: States) -> Iterator[None]:
        for index, (place, key) in enumerate(listing.tidied):
            stored = self._tools.stores.get_object(key)
            if stored is None:
                raise StoreUnavailableError(f"{key} is gone; is a tidy running? Begin again when it is through")
            self._apply(states, read_entry(stored, key))
            following = listing.tidied[index + 1][0] if index + 1 < len(listing.tidied) else None
            until = listing.markers[place.first].closed
            if until and (following is None or (following.symbol, following.first) != (place.symbol, place.first)):
                alone = {place.symbol: states[place.symbol]}
                self._apply(alone, Close(until))
            self.progress.done += 1
            yield
        self._write()

    def _fold_log(self, partition: Partition, listing: _Listing, states: States) -> Iterator[None]:
        last = listing.markers[max(listing.markers)] if listing.markers else None
        revision, folder = (0, FIRST_FOLDER) if last is None else (last.last, last.next)
        while (stored := self._tools.stores.get_object(log_key(partition, folder, revision + 1))) is not None:
            revision += 1
            entry = read_entry(stored, log_key(partition, folder, revision))
            self._apply(states, entry)
            if isinstance(entry, Roll):
                folder = entry.folder
            self.progress.done += 1
            yield
        self._write()
        if self._newest(partition, folder) > revision:
            key = log_key(partition, folder, revision + 1)
            raise PartitionStoppedError("log_hole", f"{key} is missing, and there are entries behind it")
        self._write_checkpoint(partition, encode_checkpoint(revision, folder, states))

    def _apply(self, states: States, entry: Entry) -> None:
        effects = self._tools.fold.apply(states, entry, self._turn.rules)
        if self._wanted.only_checkpoints:
            return
        tables = self._tools.tables
        quotes = [Write(tables.quotes, key, item) for key, item in effects.quotes if self._is_kept(key[1])]
        candles = [Write(tables.candles, key, item) for key, item in effects.candles if self._is_kept(key[1])]
        alerts = [
            Write(tables.alerts, alert.key, alert.item(expires_attribute(alert.timestamp, self._retention_days)))
            for alert in effects.alerts
            if self._is_kept(alert.timestamp)
        ]
        self.progress.quotes += len(quotes)
        self.progress.candles += len(candles)
        self.progress.alerts += len(alerts)
        self._owed += [*quotes, *candles, *alerts]
        if len(self._owed) >= _WRITE_TOGETHER_ITEMS:
            self._write()

    def _is_kept(self, timestamp: str) -> bool:
        """Whether the item is asked for, and would still be there: TTL has dropped older ones."""
        if timestamp < self._wanted.first_day:
            return False
        expires = expires_at_seconds(timestamp, self._retention_days)
        return expires is None or expires > self._now_seconds

    def _write(self) -> None:
        owed = Owed(Effects(), self._tools.tables, is_doubtful=False)
        owed.writes, self._owed = self._owed, []
        if not self._wanted.dry_run:
            self._tools.writer.settle(owed, self._turn.deadline)

    def _write_checkpoint(self, partition: Partition, body: bytes) -> None:
        self.progress.checkpoints += 1
        if self._wanted.dry_run:
            return
        key, stores = checkpoint_key(partition), self._tools.stores
        found = stores.get_object(key)
        if found is None:
            is_written = stores.put_new(key, body, CHECKPOINT_TYPE, {})
        else:
            is_written = stores.put_if(key, found.etag, body, CHECKPOINT_TYPE) is not None
        if not is_written:
            raise StoreUnavailableError(
                f"{key} was written by somebody else: the consumer runs. Disable it, begin again"
            )

    def _list(self, partition: Partition) -> _Listing:
        bodies = [self._tools.stores.get_object(key) for key in self._keys(marker_prefix(partition))]
        markers = {marker.first: marker for body in bodies if body is not None for marker in [decode_marker(body.body)]}
        last = max([marker.last for marker in markers.values()], default=0)
        tidied, entries = [], 0
        for key in self._keys(f"{RAW_PREFIX}dt="):
            place, entry = parse_tidied_key(key), parse_log_key(key)
            if place is not None and place.partition == partition and place.first in markers:
                tidied.append((place, key))
            elif entry is not None and entry.partition == partition and entry.revision > last:
                entries += 1
        tidied.sort(key=lambda found: (found[0].symbol, found[0].first, found[0].run))
        return _Listing(tidied, markers, entries)

    def _newest(self, partition: Partition, folder: str) -> int:
        places = [parse_log_key(key) for key in self._keys(f"{RAW_PREFIX}dt={folder}/{partition.name}-")]
        return max([place.revision for place in places if place is not None], default=0)

    def _keys(self, prefix: str) -> Iterator[str]:
        after = ""
        while listed := self._tools.stores.list_keys(prefix, after):
            yield from listed
            after = listed[-1]


class _Job(NamedTuple):
    rebuild: Rebuild
    steps: Iterator[None]


_jobs: Final[list[_Job]] = []


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Begin a rebuild (`{"begin": {...}}`, the fields of Wanted) or go on with it (`{}`); returns its Progress."""
    if (asked := event.get("begin")) is not None:
        _jobs[:] = [_begin(pipeline_of_this_process(), msgspec.convert(asked, Wanted))]
    (job,) = _jobs
    until = monotonic() + STEP_SECONDS
    for _ in job.steps:
        if monotonic() > until:
            break
    found: dict[str, Any] = msgspec.to_builtins(job.rebuild.progress)
    return found


def _begin(pipeline: Pipeline, wanted: Wanted) -> _Job:
    turn = pipeline.turn(datetime.fromtimestamp(pipeline.clock.now(), UTC), Deadline())
    config = pipeline.config
    rebuild = Rebuild(pipeline.tools, turn, config.partitions, config.retention_days, wanted)
    return _Job(rebuild, rebuild.steps())
