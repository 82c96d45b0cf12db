"""A partition of the log as one container knows it: its states at a revision, and what its newest entry still owes.

Two rules carry everything. The key of the next entry follows from the log before it, so two writers meet at it, and one
of them wins. And nobody appends before the effects of the newest entry are complete, so only the newest is ever in
doubt. A container whose knowledge is old loses nothing: its append is refused, and it reads what it has missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

import structlog

from stockstream_lambda.alerts.alert import Alert
from stockstream_lambda.alerts.rules import AlertRules
from stockstream_lambda.analysis.fold import Effects, Fold
from stockstream_lambda.aws.dynamodb import BATCH_GET_MAX_KEYS, Key
from stockstream_lambda.checkpoint import CHECKPOINT_TYPE, checkpoint_lost, encode_checkpoint, read_checkpoint
from stockstream_lambda.clock import Clock, Deadline
from stockstream_lambda.effects import Owed, Writer
from stockstream_lambda.errors import PartitionStoppedError, StoreError, StoreRefusedError
from stockstream_lambda.log import (
    ENTRY_MAX_QUOTES,
    Entry,
    LogObject,
    Roll,
    accepted_object,
    read_entry,
    roll_day,
    roll_object,
)
from stockstream_lambda.parallel import Calls, chunks
from stockstream_lambda.records import UserQuote
from stockstream_lambda.stores import Stores, Tables
from stockstream_wire.storage import CONTENT_TYPE, Partition, checkpoint_key, log_key

CHECKPOINT_EVERY_REVISIONS: Final = 32
# Far below the day after which the tidy may delete what is covered: an old container must not find its key free.
MAX_AGE_SECONDS: Final = 600.0
# Entries read at once: all that can lie behind a checkpoint, and the few that another writer has put since.
LOAD_WINDOW: Final = CHECKPOINT_EVERY_REVISIONS
FOLLOW_WINDOW: Final = 4
# Where somebody else writes too, a look is cheaper than a refused append; so many times after each refusal.
WARY_APPENDS: Final = 100

log = structlog.get_logger("stockstream.consumer.log")


class Tools(NamedTuple):
    """What every partition of a process works with."""

    stores: Stores
    tables: Tables
    calls: Calls
    fold: Fold
    writer: Writer
    clock: Clock


class Turn(NamedTuple):
    """What holds for one invocation: alert rules, the UTC date, and when it is cut off."""

    rules: AlertRules
    today: str
    deadline: Deadline


@dataclass(slots=True, kw_only=True)
class Counts:
    """What was done with quotes.

    Attributes:
        stored: Quotes stored for the first time.
        late: Those among them that are out of order.
        duplicates: Quotes that were stored already.
        alerts: Alerts that were created here.
        conflicts: Appends that found somebody else's entry.
        recovered: Entries of which something was missing, and was written here.
    """

    stored: int = 0
    late: int = 0
    duplicates: int = 0
    alerts: list[Alert] = field(default_factory=list)
    conflicts: int = 0
    recovered: int = 0


@dataclass(slots=True)
class Share(Counts):
    """A partition's part of a batch; `rest` are the quotes not dealt with, in stream order."""

    rest: Sequence[UserQuote] = ()


class PartitionLog:
    """One partition, loaded. Used by one thread at a time; made by `load`."""

    def __init__(self, partition: Partition, tools: Tools, seen_at: float) -> None:
        self.partition = partition
        self._tools = tools
        stored, self._etag = read_checkpoint(tools.stores, partition)
        self.revision, self.folder, self.states = stored.revision, stored.folder, stored.states
        self.seen_at = seen_at
        self._checkpoint_revision = stored.revision
        self._has_rolled = False
        self._owed = Owed(Effects(), tools.tables, is_doubtful=False)
        self._wary = 0

    @classmethod
    def load(cls, partition: Partition, tools: Tools, turn: Turn) -> "PartitionLog":
        """Read the checkpoint and what the log has behind it; the newest entry is in doubt.

        Raises:
            PartitionStoppedError: the checkpoint is lost, or the log has a hole.
            LogNewerError: a later version has written to it.
            StoreError: the bucket cannot be read.
        """
        loaded = cls(partition, tools, tools.clock.now())
        loaded.roll_forward(LOAD_WINDOW, turn)
        return loaded

    @property
    def checkpoint_age_revisions(self) -> int:
        return self.revision - self._checkpoint_revision

    def is_fresh(self) -> bool:
        """Whether this is young enough to append by: the clock is the wall's, for a container may have been frozen."""
        return 0 <= self._tools.clock.now() - self.seen_at <= MAX_AGE_SECONDS

    def take(self, share: Share, turn: Turn) -> None:
        """Deal with a share of a batch; `share.rest` is what is left when something raises.

        Raises:
            PartitionStoppedError, LogNewerError, StoreError: as `load` does; or a store failed, or time ran out.
        """
        self.settle(share, turn)
        looked_at = -1
        while share.rest:
            turn.deadline.check()
            if looked_at != self.revision:
                share.rest = self._drop_duplicates(share)
                looked_at = self.revision
                continue
            if self._wary:
                self._wary -= 1
                if self.roll_forward(1, turn):
                    self.settle(share, turn)
                    continue
            part = share.rest[:ENTRY_MAX_QUOTES]
            folder = roll_day(part, self.folder, turn.today)
            if self.append(roll_object(folder) if folder else accepted_object(part), share, turn):
                # All that stands in the log since the look is ours, and holds none of the rest.
                looked_at = self.revision
                if not folder:
                    share.rest = share.rest[ENTRY_MAX_QUOTES:]

    def append(self, entry: LogObject, share: Share, turn: Turn) -> bool:
        """Append an entry as the next revision and settle it; False: somebody else's stands there, and was settled.

        Only to be called when nothing is owed.
        """
        key = log_key(self.partition, self.folder, self.revision + 1)
        began = self._tools.clock.now()
        is_appended = self._tools.stores.put_new(key, entry.body, CONTENT_TYPE, entry.metadata)
        if is_appended:
            effects = self._apply(entry.entry, turn, is_doubtful=False)
            self.seen_at = began
            share.stored += len(effects.quotes)
            share.late += effects.late
        else:
            share.conflicts += 1
            self._wary = WARY_APPENDS
            self.roll_forward(FOLLOW_WINDOW, turn)
        self.settle(share, turn)
        return is_appended

    def roll_forward(self, window: int, turn: Turn) -> bool:
        """Read and apply what is in the log behind this revision; tells whether there was anything."""
        began, start = self._tools.clock.now(), self.revision
        while self._read_window(window, turn):
            window = LOAD_WINDOW
        self.seen_at = began
        return self.revision > start

    def settle(self, share: Share, turn: Turn) -> None:
        """Complete the effects of the newest entry, then write a checkpoint where one is due."""
        owed = self._owed
        if owed:
            share.alerts += self._tools.writer.settle(owed, turn.deadline)
            share.recovered += owed.recovered
        if self._has_rolled or self.checkpoint_age_revisions >= CHECKPOINT_EVERY_REVISIONS:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Write the states down. Only to be called when nothing is owed: who loads it thinks all before it complete.

        Raises:
            PartitionStoppedError: the checkpoint has vanished.
            LogNewerError: a later version's stands there.
        """
        key, stores = checkpoint_key(self.partition), self._tools.stores
        body = encode_checkpoint(self.revision, self.folder, self.states)
        try:
            etag = stores.put_if(key, self._etag, body, CHECKPOINT_TYPE)
            if etag is None:
                found, self._etag = read_checkpoint(stores, self.partition)
                self._checkpoint_revision = found.revision
            else:
                self._etag, self._checkpoint_revision = etag, self.revision
        except StoreError as exc:
            if isinstance(exc, StoreRefusedError) and exc.status == 404:
                raise checkpoint_lost(key) from exc
            # Whoever loads has a longer way to go, nothing else.
            log.warning("checkpoint_not_written", partition=self.partition.name, error=str(exc))
            return
        self._has_rolled = False

    def _drop_duplicates(self, share: Share) -> list[UserQuote]:
        """Those quotes that are not stored, each once.

        Only what is not newer than the state is looked up. What is newer and yet stored was appended by somebody else
        since: then the append meets that entry.
        """
        states = self.states
        once: dict[Key, UserQuote] = {}
        for user in share.rest:
            once.setdefault((user.quote.symbol, user.quote.timestamp), user)
        asked = [key for key in once if (state := states.get(key[0])) is not None and key[1] <= state.last_timestamp]
        present: set[Key] = set()
        if asked:
            look = partial(self._tools.stores.stored_keys, self._tools.tables.quotes)
            present.update(*self._tools.calls.map(look, chunks(asked, BATCH_GET_MAX_KEYS)))
        fresh = [user for key, user in once.items() if key not in present]
        share.duplicates += len(share.rest) - len(fresh)
        return fresh

    def _apply(self, entry: Entry, turn: Turn, *, is_doubtful: bool) -> Effects:
        effects = self._tools.fold.apply(self.states, entry, turn.rules)
        if isinstance(entry, Roll):
            self.folder = entry.folder
        self.revision += 1
        self._has_rolled = isinstance(entry, Roll)
        self._owed = Owed(effects, self._tools.tables, is_doubtful=is_doubtful)
        return effects

    def _read_window(self, window: int, turn: Turn) -> bool:
        """Apply up to so many entries; tells whether there may be more."""
        keys = [log_key(self.partition, self.folder, self.revision + 1 + n) for n in range(window)]
        found = self._tools.calls.map(self._tools.stores.get_object, keys)
        for index, key in enumerate(keys):
            stored = found[index]
            if stored is None and any(found[index:]):
                # Read in parallel: it may have come between the two reads.
                stored = self._tools.stores.get_object(key)
                if stored is None:
                    raise PartitionStoppedError("log_hole", f"{key} is missing, and there are entries behind it")
            if stored is None:
                return False
            turn.deadline.check()
            entry = read_entry(stored, key)
            self._apply(entry, turn, is_doubtful=True)
            if isinstance(entry, Roll):
                return True  # what follows lies in another folder
        return True
