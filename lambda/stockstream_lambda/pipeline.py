"""One batch: decode → gate → partitions of the log, each on its own; and which record must come again, if any."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple

import structlog

from stockstream_lambda.alerts.outbox import Outbox
from stockstream_lambda.alerts.provider import RulesProvider
from stockstream_lambda.analysis.fold import Fold
from stockstream_lambda.analysis.gate import refuse
from stockstream_lambda.checkpoint import ensure_layout
from stockstream_lambda.clock import Clock, Deadline
from stockstream_lambda.config import Config
from stockstream_lambda.effects import Writer
from stockstream_lambda.errors import ConsumerError, LogNewerError, PartitionStoppedError, StoreError
from stockstream_lambda.parallel import Calls
from stockstream_lambda.partition import PartitionLog, Share, Tools, Turn
from stockstream_lambda.records import (
    BadRecord,
    UserQuote,
    decode_batch,
    quarantine_body,
    quarantine_key_of,
)
from stockstream_lambda.stores import Stores, Tables
from stockstream_lambda.tally import Tally
from stockstream_wire.storage import PARTITION_STOPPED, Partition, partition_of

log = structlog.get_logger("stockstream.consumer")

SWEEP_EVERY_SECONDS: Final = 60.0
# A deployment is long over by then: what this code cannot read, it will never read.
NEWER_LASTS_SECONDS: Final = 900.0
_MAX_PARTITIONS_AT_ONCE: Final = 16


class Outcome(NamedTuple):
    """Lambda's answer, and what the batch came to."""

    response: dict[str, Any]
    tally: Tally


class Pipeline:
    """Processes batches; made once per process, and keeps the partitions it has loaded.

    Args:
        config: The consumer's configuration.
        stores: Where everything is kept.
        clock: The time.
    """

    def __init__(self, config: Config, stores: Stores, clock: Clock | None = None) -> None:
        self.config = config
        self.stores = stores
        self.clock = clock or Clock()
        self.calls = Calls(config.parallel_calls)
        self._turns = Calls(min(config.parallel_calls, config.partitions, _MAX_PARTITIONS_AT_ONCE))
        self._rules = RulesProvider(self._read_rules, config.alert_rules_key, config.anomaly_threshold_percent)
        tables = Tables(config)
        self._outbox = Outbox(
            stores,
            tables,
            self.calls,
            self.clock,
            config.retention_days,
            is_sending=config.alerts_topic_arn is not None,
        )
        fold = Fold(config.anomaly_threshold_percent, config.retention_days)
        writer = Writer(stores, self.calls, self._outbox, self.clock)
        self.tools = Tools(stores, tables, self.calls, fold, writer, self.clock)
        self._logs: dict[Partition, PartitionLog] = {}
        self._newer_since: dict[Partition, float] = {}
        self._has_layout = False
        self._swept_at = self.clock.now()

    def process(
        self,
        event: Mapping[str, Any],
        *,
        now: datetime | None = None,
        remaining_ms: Callable[[], int] | None = None,
    ) -> Outcome:
        """Process one event of the Kinesis event source mapping.

        Bad records go to quarantine, and so do those of a partition that is stopped. Where a store fails, the answer
        names the first Kinesis record that depends on it.

        Args:
            event: Lambda's event.
            now: The present moment; lag is measured against it.
            remaining_ms: Milliseconds until the invocation is cut off.

        Raises:
            ConfigError: the log in the bucket has another number of partitions than the environment says.
        """
        now = now or datetime.fromtimestamp(self.clock.now(), UTC)
        batch = decode_batch(event)
        tally = Tally(records=len(batch.sequence_numbers), lag_ms=_lag_ms(batch.oldest_arrival_ms, now))
        bad = batch.bad
        shares = self._shares(batch.quotes, bad, now)
        self._outbox.sent.clear()
        errors = self._take(shares, now, Deadline(remaining_ms), tally) if shares else {}
        failed = []
        for partition, error in errors.items():
            rest = shares[partition].rest
            if isinstance(error, PartitionStoppedError):
                tally.stopped_partitions += 1
                log.error("partition_stopped", partition=partition.name, code=error.code, error=str(error))
                fault = PARTITION_STOPPED, type(error).__name__, str(error)
                bad += [BadRecord(user.data, user.source, *fault) for user in rest]
            elif rest:
                failed.append(min([user.source.record_index for user in rest]))
                tally.failed_partitions += 1
                log.warning("partition_failed", partition=partition.name, kind=type(error).__name__, error=str(error))
        failed += self._quarantine(bad, tally)
        self._sweep_at_times(Deadline(remaining_ms), tally)
        tally.alerts_published = len(self._outbox.sent)
        failures = [{"itemIdentifier": batch.sequence_numbers[min(failed)]}] if failed else []
        return Outcome({"batchItemFailures": failures}, tally)

    def sweep(self) -> Tally:
        """Send the alerts that nobody has sent.

        Raises:
            StoreError: the index of unsent alerts cannot be read.
        """
        self._outbox.sent.clear()
        self._swept_at = self.clock.now()
        self._outbox.sweep()
        return Tally(alerts_published=len(self._outbox.sent), alerts_unsent=self._outbox.unsent)

    def close(self) -> None:
        """End the threads and close the connections."""
        self._turns.close()
        self.calls.close()
        self.stores.close()

    def turn(self, now: datetime, deadline: Deadline) -> Turn:
        """What holds for an invocation that begins now; makes sure that there is a log.

        Raises:
            ConfigError, LogNewerError, StoreError: as `ensure_layout` does, or the alert rules cannot be read.
        """
        if not self._has_layout:
            ensure_layout(self.stores, self.config.partitions)
            self._has_layout = True
        return Turn(self._rules.current(self.clock.now()), now.strftime("%Y-%m-%d"), deadline)

    def log_of(self, partition: Partition, turn: Turn) -> PartitionLog:
        """A partition, loaded; raises as `PartitionLog.load` does."""
        known = self._logs.get(partition)
        if known is None or not known.is_fresh():
            known = self._logs[partition] = PartitionLog.load(partition, self.tools, turn)
        return known

    def _shares(self, quotes: Sequence[UserQuote], bad: list[BadRecord], now: datetime) -> dict[Partition, Share]:
        """What each partition gets of a batch; what the gate refuses is bad."""
        partitions, now_ms = self.config.partitions, round(now.timestamp() * 1000)
        by_partition: dict[Partition, list[UserQuote]] = {}
        for user in quotes:
            found = refuse(user.quote, user.source.arrival_ms or now_ms)
            if found is None:
                by_partition.setdefault(partition_of(user.quote.symbol, partitions), []).append(user)
            else:
                bad.append(BadRecord(user.data, user.source, *found))
        return {partition: Share(of_partition) for partition, of_partition in sorted(by_partition.items())}

    def _take(
        self, shares: Mapping[Partition, Share], now: datetime, deadline: Deadline, tally: Tally
    ) -> dict[Partition, ConsumerError]:
        """Bring every partition as far as it comes; returns why where that is not the end."""
        try:
            turn = self.turn(now, deadline)
        except (LogNewerError, StoreError) as exc:
            return dict.fromkeys(shares, exc)
        errors: dict[Partition, ConsumerError] = {}

        def take(partition: Partition, share: Share) -> None:
            try:
                self.log_of(partition, turn).take(share, turn)
                self._newer_since.pop(partition, None)
            except StoreError as exc:
                errors[partition] = exc
            except LogNewerError as exc:
                since = self._newer_since.setdefault(partition, self.clock.now())
                is_lasting = self.clock.now() - since > NEWER_LASTS_SECONDS
                errors[partition] = PartitionStoppedError("log_newer", str(exc)) if is_lasting else exc
            except PartitionStoppedError as exc:
                self._logs.pop(partition, None)  # once it is mended, it is read anew
                errors[partition] = exc
            except BaseException:
                self._logs.pop(partition, None)
                raise

        self._turns.run([partial(take, partition, share) for partition, share in shares.items()])
        tally.rules = turn.rules.fingerprint
        for partition, share in shares.items():
            tally.add(share)
            if partition in self._logs:
                age = self._logs[partition].checkpoint_age_revisions
                tally.checkpoint_age_revisions = max(tally.checkpoint_age_revisions, age)
        return errors

    def _quarantine(self, bad: list[BadRecord], tally: Tally) -> list[int]:
        """Put every bad record away; returns the indexes of the Kinesis records where that failed."""

        def put(record: BadRecord) -> None:
            self.stores.put_object(quarantine_key_of(record), quarantine_body(record), "application/json")

        failed = []
        for record, error in zip(bad, self.calls.run([partial(put, record) for record in bad]), strict=True):
            if error is None:
                tally.quarantined[record.reason] += 1
            else:
                failed.append(record.source.record_index)
        if bad:
            # One line a batch, not one a record: every record's own story is in its object.
            log.warning(
                "records_quarantined",
                count=len(bad) - len(failed),
                failed=len(failed),
                reasons=dict(tally.quarantined),
                first_reason=bad[0].reason,
                first_detail=bad[0].detail[:200],
                first_key=quarantine_key_of(bad[0]),
            )
        return failed

    def _sweep_at_times(self, deadline: Deadline, tally: Tally) -> None:
        if self.clock.now() - self._swept_at < SWEEP_EVERY_SECONDS or deadline.is_near:
            return
        self._swept_at = self.clock.now()
        try:
            self._outbox.sweep()
        except StoreError as exc:
            log.warning("sweep_failed", error=str(exc))
        tally.alerts_unsent = self._outbox.unsent

    def _read_rules(self, key: str) -> bytes | None:
        found = self.stores.get_object(key)
        return None if found is None else found.body


def _lag_ms(oldest_arrival_ms: int, now: datetime) -> int:
    return max(0, round(now.timestamp() * 1000) - oldest_arrival_ms) if oldest_arrival_ms else 0
