"""Writes what an entry of the log makes. Whoever holds the entry may, any number of times: keys and bytes are fixed."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from stockstream_lambda.alerts.alert import Alert
from stockstream_lambda.alerts.outbox import Outbox
from stockstream_lambda.analysis.fold import Effects
from stockstream_lambda.aws.dynamodb import BATCH_GET_MAX_KEYS, BATCH_WRITE_MAX_ITEMS, Key, Table, Write
from stockstream_lambda.clock import Clock, Deadline
from stockstream_lambda.errors import StoreError, StoreRefusedError, StoreUnavailableError
from stockstream_lambda.parallel import Calls, chunks
from stockstream_lambda.stores import Stores, Tables

# Of an entry found in the log nothing is there: most likely its writer is just about to write it.
LOOK_AGAIN_SECONDS: Final = 0.05
# Passes in a row that write nothing at all; with their pauses, some seconds.
MAX_IDLE_PASSES: Final = 5
_PAUSE_SECONDS: Final = 0.1


class Owed:
    """What is still to be written of an entry; it shrinks by what is.

    Attributes:
        writes: Items.
        alerts: Alerts to be created.
        is_doubtful: The entry was found in the log: its writer may have written some or all of it.
        recovered: Some of it was missing, and was written here.
    """

    def __init__(self, effects: Effects, tables: Tables, *, is_doubtful: bool) -> None:
        self.writes = [Write(tables.quotes, key, item) for key, item in effects.quotes]
        self.writes += [Write(tables.candles, key, item) for key, item in effects.candles]
        self.alerts: list[Alert] = effects.alerts
        self.is_doubtful = is_doubtful
        self.recovered = False

    def __len__(self) -> int:
        return len(self.writes) + len(self.alerts)


class Writer:
    """Writes effects, in as few calls as the services allow."""

    def __init__(self, stores: Stores, calls: Calls, outbox: Outbox, clock: Clock) -> None:
        self._stores = stores
        self._calls = calls
        self._outbox = outbox
        self._clock = clock

    def settle(self, owed: Owed, deadline: Deadline) -> list[Alert]:
        """Write until nothing is owed; returns the alerts that were created here.

        Raises:
            StoreError: a store failed, or time runs out; the rest is still owed.
        """
        created: list[Alert] = []
        idle_passes = 0
        while owed:
            deadline.check()
            before = len(owed)
            errors = self._write_once(owed, deadline, created)
            refused = [error for error in errors if isinstance(error, StoreRefusedError)]
            if refused:
                raise refused[0]
            idle_passes = 0 if len(owed) < before else idle_passes + 1
            if idle_passes == MAX_IDLE_PASSES:
                raise errors[0] if errors else StoreUnavailableError(f"DynamoDB takes none of {len(owed)} items")
            if owed:
                self._clock.sleep(_PAUSE_SECONDS * 2**idle_passes)
        return created

    def _write_once(self, owed: Owed, deadline: Deadline, created: list[Alert]) -> list[StoreError]:
        left: list[Write] = []
        waiting: list[Alert] = []
        unsent: list[tuple[Alert, str]] = []
        jobs: list[Callable[[], None]] = []
        if owed.is_doubtful:
            for table, of_table in _by_table(owed.writes).items():
                parts = chunks(of_table, BATCH_GET_MAX_KEYS)
                jobs += [partial(self._redo, table, part, left, owed, deadline) for part in parts]
        else:
            jobs += [partial(self._put, part, left) for part in chunks(owed.writes, BATCH_WRITE_MAX_ITEMS)]
        jobs += [partial(self._create, alert, waiting, unsent) for alert in owed.alerts]
        outcomes = self._calls.run(jobs)
        owed.writes, owed.alerts = left, waiting
        created += [alert for alert, _ in unsent]
        self._outbox.send(unsent)
        return [error for error in outcomes if error is not None]

    def _put(self, writes: Sequence[Write], left: list[Write]) -> None:
        try:
            left += self._stores.write_items(writes)
        except StoreError:
            left += writes
            raise

    def _redo(self, table: Table, writes: Sequence[Write], left: list[Write], owed: Owed, deadline: Deadline) -> None:
        missing = list(writes)
        try:
            present = self._present(table, [write.key for write in writes])
            missing = [write for write in writes if write.key not in present]
            while missing:
                deadline.check()
                part = missing[:BATCH_WRITE_MAX_ITEMS]
                unwritten = self._stores.write_items(part)
                owed.recovered = owed.recovered or len(unwritten) < len(part)
                left += unwritten
                del missing[:BATCH_WRITE_MAX_ITEMS]
        finally:
            left += missing

    def _present(self, table: Table, keys: Sequence[Key]) -> set[Key]:
        present = self._stores.stored_keys(table, keys)
        if not present:
            self._clock.sleep(LOOK_AGAIN_SECONDS)
            present = self._stores.stored_keys(table, keys)
        return present

    def _create(self, alert: Alert, waiting: list[Alert], unsent: list[tuple[Alert, str]]) -> None:
        try:
            since = self._outbox.create(alert)
        except StoreError:
            waiting.append(alert)
            raise
        if since is not None:
            unsent.append((alert, since))


def _by_table(writes: Sequence[Write]) -> dict[Table, list[Write]]:
    found: dict[Table, list[Write]] = {}
    for write in writes:
        found.setdefault(write.table, []).append(write)
    return found
